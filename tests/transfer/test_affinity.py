"""Affinities by hand, against SciPy and naive loops, by Luce's law of choice; the tree, the map."""

from fractions import Fraction
from itertools import combinations, permutations
from math import lcm, prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from scipy.cluster.hierarchy import leaves_list
from scipy.stats import ttest_1samp

from experiments.task_affinity import answers, only_classes
from jaxvision.train.step import cross_entropy
from jaxvision.transfer.affinity import Affinity, ordinal_affinity, task_affinity, task_tree
from jaxvision.transfer.affinity_plot import COLORS, plot_affinity

SCRATCH = np.array([[0.5, 0.6, 0.7], [0.8, 0.8, 0.8]])
MANY = [f"task number {i}" * 2 for i in range(20)]


def example():
    """Gains by hand: of "a" in "b" 0.1, 0.2, 0.3; of "c" in "b" -0.1 +- 0; and one not tried."""
    transferred = np.stack([SCRATCH, SCRATCH, SCRATCH])
    transferred[0, 0] += [0.1, 0.2, 0.3]
    transferred[0, 1] += [-0.02, -0.03, -0.04]
    transferred[1, 0] += [-0.21, -0.2, -0.19]
    transferred[1, 1] += [0.01, -0.01, -0.0003]
    transferred[2, 0] -= 0.1
    transferred[2, 1] = np.nan
    return task_affinity(["a", "b", "c"], ["b", "d"], transferred, SCRATCH)


def test_gains_and_verdicts_by_hand():
    affinity = example()
    hand = [[0.2, -0.03], [-0.2, -0.0001], [-0.1, np.nan]]
    np.testing.assert_allclose(affinity.mean, hand, atol=1e-12)
    # t with 2 degrees of freedom at 97.5 % is 4.3027: 4.3027 * 0.1 / sqrt(3) = 0.2484.
    margin = [[0.2484, 0.02484], [0.02484, 0.02484], [0, np.nan]]
    np.testing.assert_allclose(affinity.margin(), margin, rtol=1e-3, atol=1e-9)
    verdicts = [["none", "negative"], ["negative", "none"], ["negative", "none"]]
    assert affinity.verdicts().tolist() == verdicts
    assert affinity.verdicts(0.8)[0, 0] == "positive"  # t is 1.886


def test_negative_transfers_are_named_the_worst_first_without_a_task_to_itself():
    worse = example().negatives()
    assert [(n.source, n.target) for n in worse] == [("c", "b"), ("a", "d")]
    assert worse[1].gain == pytest.approx(-0.03) and worse[1].margin == pytest.approx(0.0248, 1e-2)
    assert str(worse[1]) == "after “a”, “d” is 3.0 ± 2.5 points worse than from scratch"
    assert [n.source for n in example().negatives(0.99)] == ["c"]


def test_intervals_and_verdicts_are_those_of_the_paired_t_test():
    random = np.random.default_rng(0)
    scratch = random.uniform(0.3, 0.7, (4, 6))
    transferred = scratch[None] + random.normal(0, 0.1, (9, 4, 6))
    affinity = task_affinity("abcdefghi", "wxyz", transferred.clip(0, 1), scratch)
    for level in (0.95, 0.5):
        test = ttest_1samp(affinity.gains, 0, axis=2)
        low, high = test.confidence_interval(level)
        np.testing.assert_allclose(affinity.mean - affinity.margin(level), low)
        np.testing.assert_allclose(affinity.mean + affinity.margin(level), high)
        side = np.where(affinity.mean < 0, "negative", "positive")
        expected = np.where(test.pvalue < 1 - level, side, "none")
        assert set(np.unique(expected)) == {"negative", "none", "positive"}
        assert (affinity.verdicts(level) == expected).all()


def test_what_cannot_be_told_is_none():
    single = task_affinity(["a"], ["b"], np.array([[[0.1]]]), np.array([[0.9]]))
    assert np.isnan(single.margin()).all() and single.verdicts().tolist() == [["none"]]
    assert single.mean[0, 0] == pytest.approx(-0.8) and single.negatives() == []
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ValueError, match=rf"`confidence` must be in \(0, 1\), got {level}: "):
            single.verdicts(level)


def test_accuracies_that_do_not_match_are_refused():
    good = np.full((2, 2, 3), 0.5)
    for sources in ((), ("a", "a")):
        with pytest.raises(ValueError, match="`sources` must be different names, at least one"):
            task_affinity(sources, ["b", "d"], good, SCRATCH)
    with pytest.raises(ValueError, match=r"`targets` must be different names.*'b', 'b'"):
        task_affinity(["a", "b"], ["b", "b"], good, SCRATCH)
    wrong = [(good[:1], SCRATCH), (good[:, :1], SCRATCH), (good[:, :, :2], SCRATCH)]
    wrong += [(good, SCRATCH[:1]), (good[:, :, :0], SCRATCH[:, :0])]
    for transferred, scratch in wrong:
        with pytest.raises(ValueError, match=r"2 sources and 2 targets, got \[\d, \d, \d\] and"):
            task_affinity(["a", "b"], ["b", "d"], transferred, scratch)
    for value, message in (
        (np.nan, "all draws of a pair or none, got 1 of 3 NaN for 'b' to 'd': "),
        (97.2, r"accuracies in \[0, 1\], got 97.2: "),
        (-0.1, r"accuracies in \[0, 1\], got -0.1: "),
    ):
        wrong = good.copy()
        wrong[1, 1, 2] = value
        with pytest.raises(ValueError, match=f"`transferred` must .*{message}"):
            task_affinity(["a", "b"], ["b", "d"], wrong, SCRATCH)
    with pytest.raises(ValueError, match=r"`scratch` must be accuracies in \[0, 1\], got nan"):
        task_affinity(["a", "b"], ["b", "d"], good, SCRATCH * np.nan)


def test_two_sources_by_hand():
    # In the first target i wins three of four; in the second a win, a loss and two halves; in the
    # third all, which is clipped to 0.999.
    i = [[1.0, 1.0, 1.0, 9.0], [1.0, 9.0, 5.0, 5.0], [1.0, 1.0, 1.0, 1.0]]
    affinities = ordinal_affinity(np.array([i, [[5.0] * 4] * 3]))
    np.testing.assert_allclose(affinities, [[0.75, 0.5, 0.999], [0.25, 0.5, 0.001]], rtol=1e-12)


@pytest.mark.parametrize("values", [(1, 2, 3), (2, 1, 2), (1, 1, 2, 4)])
def test_values_that_explain_all_duels_come_back(values):
    # Luce, "Individual Choice Behavior", 1959: who draws one after the other, with chances v, has i
    # before j with the chance v_i / (v_i + v_j). Here are all orders, as often as they are drawn.
    orders = list(permutations(range(len(values))))
    left = [[values[i] for i in order] for order in orders]
    chances = [prod(Fraction(v[k], sum(v[k:])) for k in range(len(v))) for v in left]
    repeats = lcm(*(chance.denominator for chance in chances))
    counts = [int(chance * repeats) for chance in chances]
    places = np.argsort(orders, axis=1).repeat(counts, axis=0)  # who is drawn first has the least
    losses = places.T.astype(float)[:, None]
    affinities = ordinal_affinity(losses)[:, 0]
    np.testing.assert_allclose(affinities, np.array(values) / sum(values), rtol=1e-10)


def test_the_eigenvector_is_what_a_power_iteration_of_naive_duels_finds():
    losses = np.random.default_rng(1).integers(0, 6, (5, 3, 40)) + np.arange(5.0)[:, None, None]
    found = ordinal_affinity(losses)
    for t in range(3):
        ratios = np.empty((5, 5))
        for i, j in np.ndindex(5, 5):
            wins = [[a < b, a > b] if a != b else [0.5, 0.5] for a, b in losses[[i, j], t].T]
            won, lost = np.clip(np.mean(wins, axis=0), 0.001, 0.999)
            ratios[i, j] = won / lost
        vector = np.ones(5)
        for _ in range(500):
            vector = ratios @ vector
            vector /= vector.sum()
        np.testing.assert_allclose(found[:, t], vector, rtol=1e-9)
        assert (np.diff(found[:, t]) < 0).all()  # who adds more to the loss is worse


def test_only_the_order_counts_and_nobodys_name():
    losses = np.random.default_rng(2).uniform(size=(6, 4, 50))
    found = ordinal_affinity(losses)
    np.testing.assert_allclose(found.sum(axis=0), 1)
    scales = np.array([1e-3, 1.0, 5.0, 20.0])[None, :, None]
    np.testing.assert_array_equal(ordinal_affinity(np.exp(scales * losses)), found)
    order = [3, 0, 5, 1, 4, 2]
    np.testing.assert_allclose(ordinal_affinity(losses[order]), found[order], rtol=1e-9)
    by_target = [ordinal_affinity(losses[:, t : t + 1]) for t in range(4)]
    np.testing.assert_array_equal(np.concatenate(by_target, axis=1), found)
    twice = ordinal_affinity(np.repeat(losses[:1], 3, axis=0))
    np.testing.assert_allclose(twice, 1 / 3)
    twins = ordinal_affinity(losses[[0, 1, 0]])
    np.testing.assert_allclose(twins[0], twins[2])


def test_losses_that_cannot_be_compared_are_refused():
    for shape in ((1, 2, 3), (2, 2, 0)):
        with pytest.raises(ValueError, match=r"`losses` must be .*got \[\d, 2, \d\]: a tournament"):
            ordinal_affinity(np.zeros(shape))
    losses = np.zeros((2, 2, 3))
    losses[1, 0, 2] = np.nan
    with pytest.raises(ValueError, match="got NaN for source 1 in target 0, example 2: "):
        ordinal_affinity(losses)
    losses[1, 0] = np.inf  # the largest of all losses
    np.testing.assert_allclose(ordinal_affinity(losses)[:, 0], [0.999, 0.001])


def test_the_tree_by_hand():
    # 0 and 1 are 1 apart, and 10 is 10 and 9 away from them: 9.5 on average.
    tree = task_tree(np.array([[0.0], [10.0], [1.0]]))
    np.testing.assert_allclose(tree[:, 2:], [[1, 2], [9.5, 3]])
    assert set(tree[0, :2]) == {0, 2} and set(tree[1, :2]) == {1, 3}
    assert leaves_list(tree).tolist() in ([0, 2, 1], [1, 2, 0])  # 1 is nearer to 10 than 0


def test_the_tree_is_that_of_naive_average_linkage():
    rows = np.random.default_rng(3).uniform(size=(8, 5))
    groups, heights = [[i] for i in range(8)], []
    while len(groups) > 1:
        height, a, b = min(
            (np.mean([np.linalg.norm(rows[i] - rows[j]) for i in a for j in b]), a, b)
            for a, b in combinations(groups, 2)
        )
        groups = [group for group in groups if group not in (a, b)] + [a + b]
        heights.append(height)
    for order in (np.arange(8), np.random.default_rng(4).permutation(8)):
        np.testing.assert_allclose(task_tree(rows[order])[:, 2], heights)
    np.testing.assert_allclose(task_tree(np.ones((3, 2)))[:, 2], 0)


def test_what_has_no_tree_is_refused():
    for shape in ((1, 2), (2, 0)):
        with pytest.raises(ValueError, match=r"`affinities` must be .*, got \[\d, \d\]: "):
            task_tree(np.ones(shape))
    with pytest.raises(ValueError, match="finite, got nan for source 2 and target 1: "):
        task_tree(example().mean)


def words(texts):
    return [text.get_text() for text in texts]


def test_the_map_has_the_gains_in_the_order_of_the_tree():
    affinity = example()
    tree = task_tree(np.array([[0.0], [10.0], [1.0]]))
    figure = plot_affinity(affinity, tree)
    axes, beside, _ = figure.axes
    rows = leaves_list(tree)
    assert words(axes.get_yticklabels()) == [affinity.sources[s] for s in rows]
    assert words(axes.get_xticklabels()) == ["b", "d"]
    cells = [
        ["+20.0\n± 24.8", "\N{MINUS SIGN}3.0\n± 2.5"],
        ["\N{MINUS SIGN}20.0\n± 2.5", "+0.0\n± 2.5"],
        ["\N{MINUS SIGN}10.0\n± 0.0", "not\ntried"],
    ]
    assert words(axes.texts) == [text for s in rows for text in cells[s]]
    place = {s: i for i, s in enumerate(rows)}
    negative = {(place[0], 1), (place[1], 0), (place[2], 0)}
    for level, positive in ((0.95, set()), (0.8, {(place[0], 0)})):
        drawn = plot_affinity(affinity, tree, level).axes[0]
        bold = {text.get_position()[::-1] for text in drawn.texts if text.get_weight() == "bold"}
        assert bold == negative | positive
        frames = [patch for patch in drawn.patches if not patch.get_fill()]
        framed = {(round(frame.get_y() + 0.45), round(frame.get_x() + 0.45)) for frame in frames}
        assert framed == negative
    # The range is symmetric: opposite gains have the two ends of the colours, blue and red.
    filled = [patch.get_facecolor() for patch in axes.patches if patch.get_fill()]
    better, worse, same = (filled[2 * place[s] + t] for s, t in ((0, 0), (1, 0), (1, 1)))
    assert better == COLORS(1.0) and better[2] > 2 * better[0]
    assert worse == COLORS(0.0) and worse[0] > 2 * worse[2] and min(same) > 0.95
    assert axes.yaxis_inverted() and beside.yaxis_inverted()  # the first row is at the top
    # The tree's branches end between the rows that they join.
    ends = {round(float(y), 3) for line in beside.lines for y in line.get_ydata()}
    assert ends <= {5, 15, 25, 10, 20, 12.5, 17.5} and len(beside.lines) == 2
    assert any("mean of 3 draws ± 95 %" in title for title in words(figure.texts))
    without, _ = plot_affinity(affinity).axes  # no tree: the rows as they are
    assert words(without.texts) == [text for row in cells for text in row]


def test_targets_that_are_sources_have_their_order_and_others_follow():
    scratch = np.full((3, 2), 0.5)
    affinity = task_affinity(["a", "b", "c"], ["z", "c", "a"], np.full((3, 3, 2), 0.6), scratch)
    assert words(plot_affinity(affinity).axes[0].get_xticklabels()) == ["a", "c", "z"]


@pytest.mark.parametrize(
    ("names", "targets", "draws"),
    [(["a"], ["b"], 1), (["a", "b"], MANY[:2], 2), (["a"], ["W" * 32], 2), (MANY, MANY, 3)],
)
def test_nothing_is_cut_off_small_or_over_something_else(names, targets, draws):
    gains = np.random.default_rng(5).normal(0, 0.2, (len(names), len(targets), draws))
    affinity = Affinity(tuple(names), tuple(targets), gains)
    figure = plot_affinity(affinity, task_tree(affinity.mean) if len(names) > 1 else None)
    assert ("one draw of examples: no intervals" in words(figure.texts)) == (draws == 1)
    figure.draw_without_rendering()
    low, high = figure.axes[-1].get_ylim()  # of the scale; it does not draw labels outside
    for label in figure.axes[-1].get_yticklabels():
        label.set_visible(low <= label.get_position()[1] <= high)
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for text in shown]
    assert all(text.get_fontsize() >= 10 for text in shown)
    inside = Bbox.union([figure.bbox, *boxes])
    np.testing.assert_array_equal(inside.extents, figure.bbox.extents)
    level = [box for text, box in zip(shown, boxes, strict=True) if text.get_rotation() != 45]
    assert not any(a.overlaps(b) for a, b in combinations(level, 2))


def test_maps_that_cannot_be_drawn_are_refused():
    tree = task_tree(np.ones((4, 1)))
    with pytest.raises(ValueError, match=r"`tree` must be .* 3 sources, \[2, 4\], got \[3, 4\]: "):
        plot_affinity(example(), tree)
    with pytest.raises(ValueError, match="`tree` must be a linkage matrix"):
        plot_affinity(example(), np.full((2, 4), -1.0))
    names = tuple(map(str, range(21)))
    for sources, targets in ((names, ("a",)), (("a",), names)):
        gains = np.zeros((len(sources), len(targets), 2))
        with pytest.raises(ValueError, match=r"at most 20 (sources|targets) .*, got 21: "):
            plot_affinity(Affinity(sources, targets, gains))


def test_the_experiments_tasks_and_their_outputs():
    labels = answers(np.arange(10), np.random.default_rng(0))
    assert labels["0 to 4"].tolist() == [0, 1, 2, 3, 4, -1, -1, -1, -1, -1]
    assert labels["5 to 9"].tolist() == [-1, -1, -1, -1, -1, 0, 1, 2, 3, 4]
    assert labels["has a loop"].tolist() == [0, 1, 1, 1, 1, 1, 0, 1, 0, 0]
    # Two classes with five outputs are learned as with two.
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)), jnp.float32)
    batch = {"label": jnp.arange(6) % 2, "classes": jnp.full(6, 2), "mask": jnp.ones(6, bool)}
    gradient = jax.grad(lambda z: only_classes(cross_entropy)(z, batch).sum())(logits)
    two = jax.grad(lambda z: cross_entropy(z, batch).sum())(logits[:, :2])
    np.testing.assert_allclose(gradient[:, :2], two, rtol=1e-6)
    assert not gradient[:, 2:].any()
