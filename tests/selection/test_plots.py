"""The pictures of a sweep: what is drawn is what was scored, and all of it can be read."""

import itertools
import math
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from jaxvision.selection.heat_map import plot_heat_map
from jaxvision.selection.learning_curves import COLORS, plot_learning_curves
from jaxvision.selection.mean_curves import mean_curve
from jaxvision.selection.parallel_coordinates import BELOW, plot_parallel_coordinates
from jaxvision.selection.results import SweepResult
from jaxvision.selection.score_axis import BLUES, shades, written
from jaxvision.selection.scores import candidate_scores
from jaxvision.selection.spaces import Choice, Log, Uniform, draw, grid
from jaxvision.selection.validation_curve import LOOKS, plot_validation_curve
from tests.inspect.test_picture import pixels
from tests.inspect.test_picture import written as texts_of
from tests.selection.made_up import lane_of, sweep_of

LONG = "a_hyperparameter_with_a_name_that_goes_on_and_on"
SPACE = {
    "learning_rate": Log(1e-4, 1.0),
    "weight_decay": Log(1e-6, 1e-3),
    "momentum": Uniform(0.5, 0.99),
    "model": Choice(("lenet5", "resnet20", "a very long name of a model")),
    LONG: Choice((1, 2, 3)),
}


def accuracy(h):
    return max(0.1, 0.95 - 0.05 * (math.log10(h.get("learning_rate", 0.01)) + 2) ** 2)


def gridded(**options):
    """Two learning rates x two decays x two momenta; the larger rate diverges at one momentum."""
    axes = {"learning_rate": (0.01, 0.1), "weight_decay": (1e-4, 1e-3), "momentum": (0.8, 0.9)}
    return sweep_of(grid(axes), accuracy, **options)


def one():
    return sweep_of(grid({"a": (1,), "b": ("x",)}), accuracy, seeds=1, folds=1, epochs=1)


def forty():
    return sweep_of(
        draw(SPACE, 40), accuracy, diverged=lambda h, seed, fold: h["learning_rate"] > 0.3
    )


def all_diverged():
    return sweep_of(grid({"a": (1, 2), "b": (1, 2)}), accuracy, diverged=lambda *lane: True)


def long_names():
    axes = {LONG: (1, 2), LONG[::-1]: (True, False), "$5_bill": ("$\\frac$", "x" * 60)}
    return sweep_of(grid(axes), accuracy)


def long_first():
    return sweep_of(grid({"model": ("x" * 60, "a", "b", "c", "d")}), accuracy)


def twenty():
    axes = {"a": tuple(i / 7 for i in range(20)), "b": tuple(f"value {i}" for i in range(20))}
    return sweep_of(grid(axes)[::3], lambda h: 0.5 + h["a"] / 10, seeds=1, folds=1)


def stopped():
    """Lanes of 3, 5 and 7 epochs, of which the first diverged, and three of 7."""
    rng = np.random.default_rng(0)
    lanes = []
    for number, seed in itertools.product((0, 1), (0, 1, 2)):
        epochs = 7 if number else 3 + 2 * seed
        values = 0.9 - 0.5 * 0.6 ** np.arange(epochs) + rng.normal(0, 0.01, epochs)
        ended = "epochs" if number else ("diverged", "patience", "epochs")[seed]
        lanes.append(lane_of(number, {"a": number}, values, seed, ended=ended))
    return SweepResult(tuple(lanes))


PICTURES = {
    "heat": lambda: plot_heat_map(gridded(), "learning_rate", "weight_decay"),
    "heat-loss": lambda: plot_heat_map(gridded(), "weight_decay", "learning_rate", "loss"),
    "heat-one": lambda: plot_heat_map(one(), "a", "b"),
    "heat-all-diverged": lambda: plot_heat_map(all_diverged(), "a", "b"),
    "heat-long": lambda: plot_heat_map(long_names(), LONG, LONG[::-1]),
    "heat-long-words": lambda: plot_heat_map(long_names(), "$5_bill", LONG),
    "heat-long-rows": lambda: plot_heat_map(long_names(), LONG, "$5_bill"),
    "heat-20": lambda: plot_heat_map(twenty(), "a", "b"),
    "parallel": lambda: plot_parallel_coordinates(gridded()),
    "parallel-40": lambda: plot_parallel_coordinates(forty()),
    "parallel-loss": lambda: plot_parallel_coordinates(forty(), "loss"),
    "parallel-one": lambda: plot_parallel_coordinates(one()),
    "parallel-all-diverged": lambda: plot_parallel_coordinates(all_diverged()),
    "parallel-long": lambda: plot_parallel_coordinates(long_names()),
    "validation": lambda: plot_validation_curve(gridded(), "learning_rate"),
    "validation-40": lambda: plot_validation_curve(forty(), "learning_rate", "loss"),
    "validation-words": lambda: plot_validation_curve(forty(), "model"),
    "validation-one": lambda: plot_validation_curve(one(), "a"),
    "validation-all-diverged": lambda: plot_validation_curve(all_diverged(), "a"),
    "validation-long": lambda: plot_validation_curve(long_names(), "$5_bill"),
    "validation-long-first": lambda: plot_validation_curve(long_first(), "model"),
    "validation-long-name": lambda: plot_validation_curve(long_names(), LONG),
    "validation-20": lambda: plot_validation_curve(twenty(), "b"),
    "curves": lambda: plot_learning_curves(stopped()),
    "curves-40": lambda: plot_learning_curves(forty()),
    "curves-by": lambda: plot_learning_curves(forty(), "model"),
    "curves-one": lambda: plot_learning_curves(one()),
    "curves-all-diverged": lambda: plot_learning_curves(all_diverged()),
    "curves-long": lambda: plot_learning_curves(long_names()),
}
each_picture = pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)


@each_picture
def test_nothing_is_cut_off_too_small_or_written_over(make):
    figure = make()
    texts = texts_of(figure)
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
        assert text.get_fontsize() >= 10, text
    upright = [(text, box) for text, box in texts if text.get_rotation() % 90 == 0]
    for (text, a), (other, b) in itertools.combinations(upright, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        up = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 0.5 or up <= 0.5, (text, other)


@pytest.mark.parametrize("name", ["heat", "parallel-40", "validation", "curves"])
def test_the_users_settings_are_neither_changed_nor_followed(name):
    expected = pixels(PICTURES[name]())
    hostile = {"font.size": 4, "text.usetex": True, "axes.grid": True, "figure.facecolor": "black"}
    with matplotlib.rc_context(hostile):
        before = dict(matplotlib.rcParams)
        np.testing.assert_array_equal(pixels(PICTURES[name]()), expected)
        assert dict(matplotlib.rcParams) == before


def test_results_scores_tables_and_diagnoses_do_not_wait_for_matplotlib():
    modules = ("results", "scores", "tables", "diagnosis")
    imports = "; ".join(f"import jaxvision.selection.{name}" for name in modules)
    program = f"{imports}; import sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


# Scores


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [(0.9731, "accuracy", "97.3"), (1.0, "accuracy", "100.0"), (0.31234, "loss", "0.312")],
)
def test_a_score_is_written_with_three_digits(value, metric, text):
    assert written(value, metric) == text


@pytest.mark.parametrize(("metric", "best", "worst"), [("accuracy", 3, 1), ("loss", 1, 3)])
def test_the_better_the_darker(metric, best, worst):
    shade = shades([math.nan, 1.0, 2.0, 3.0], metric)
    assert shade(float(best)) == BLUES(1.0) and shade(float(worst)) == BLUES(0.0)
    assert sum(shade(float(best))[:3]) < sum(shade(2.0)[:3]) < sum(shade(float(worst))[:3])
    assert sum(BLUES(0.0)[:3]) < 2.7  # seen as a line on white
    assert shades([0.5], metric)(0.5) == BLUES(1.0)


# The heat map


def cells_of(figure):
    (axes,) = figure.axes
    patches = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_fill()]
    colors = {(round(p.get_x() + 0.5), round(p.get_y() + 0.5)): p.get_facecolor() for p in patches}
    texts = {tuple(map(round, text.get_position())): text.get_text() for text in axes.texts}
    assert len(patches) == len(colors) and texts.keys() == colors.keys()
    return colors, texts


@pytest.mark.parametrize(("metric", "best_of"), [("accuracy", max), ("loss", min)])
def test_a_cell_is_the_best_over_the_rest_of_the_mean_over_the_lanes(metric, best_of):
    result = gridded()
    colors, texts = cells_of(plot_heat_map(result, "learning_rate", "weight_decay", metric))
    best = {}
    for (x, rate), (y, decay) in itertools.product(enumerate((0.01, 0.1)), enumerate((1e-4, 1e-3))):
        means = []
        for momentum in (0.8, 0.9):
            values = [
                max(r["validation"][metric] for r in lane.history)
                if metric == "accuracy"
                else lane.best["validation"]["loss"]
                for lane in result.lanes
                if lane.lane.hyperparameters
                == {"learning_rate": rate, "weight_decay": decay, "momentum": momentum}
            ]
            assert len(values) == 6
            means.append(np.mean(values))
        best[x, y] = best_of(means)
    assert texts == {place: written(float(value), metric) for place, value in best.items()}
    assert colors[best_of(best, key=best.get)] == BLUES(1.0)
    assert sum(color == BLUES(1.0) for color in colors.values()) == 1


def test_the_axes_and_the_title_say_what_it_is():
    figure = plot_heat_map(gridded(), "learning_rate", "weight_decay")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.01", "0.1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1e-4", "0.001"]
    assert axes.get_xlabel() == "learning_rate"
    assert [text.get_text() for text in figure.texts] == [
        "Accuracy (%), mean of 6 lanes",
        "best over momentum",
        "weight_decay",
    ]
    low, high = axes.get_ylim()
    assert low < high  # the smaller value is below


def test_the_title_counts_the_lanes():
    assert plot_heat_map(one(), "a", "b").texts[0].get_text() == "Accuracy (%), mean of 1 lane"
    lanes = gridded().lanes[1:]
    title = plot_heat_map(SweepResult(lanes), "learning_rate", "momentum").texts[0].get_text()
    assert title == "Accuracy (%), mean of 5 to 6 lanes"


def test_diverged_cells_are_hatched_and_those_with_others_marked():
    def diverged(h, seed, fold):
        all_of_it = h["learning_rate"] == 0.1 and h["weight_decay"] == 1e-4
        return seed == 0 and (all_of_it or (h["learning_rate"] == 0.1 and h["momentum"] == 0.8))

    figure = plot_heat_map(gridded(diverged=diverged), "learning_rate", "weight_decay")
    colors, texts = cells_of(figure)
    assert texts[1, 0] == "diverged\n6 of 12" and colors[1, 0] == to_rgba("0.93")
    assert texts[1, 1].endswith(" †") and not texts[0, 0].endswith("†")
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(0.5, -0.5)]
    assert figure.texts[2].get_text() == "† a lane diverged with another value of these"


def test_a_text_has_room_in_its_cell():
    result = sweep_of(
        grid({"a": (1, 2), "b": (1,)}), accuracy, seeds=100, epochs=1, folds=10,
        diverged=lambda h, seed, fold: True,
    )  # fmt: skip
    figure = plot_heat_map(result, "a", "b")
    (axes,) = figure.axes
    cell = axes.get_window_extent().width / 2
    boxes = [box for text, box in texts_of(figure) if text.get_text() == "diverged\n1000 of 1000"]
    assert len(boxes) == 2 and all(box.width < 0.9 * cell for box in boxes)


def test_a_combination_that_was_not_tried_is_blank():
    result = sweep_of(grid({"a": (1, 2), "b": (1, 2)})[:3], accuracy)
    assert cells_of(plot_heat_map(result, "a", "b"))[1].keys() == {(0, 0), (0, 1), (1, 0)}


@pytest.mark.parametrize(
    ("x", "y", "metric", "message"),
    [
        ("learnin_rate", "model", "accuracy", "`x` is unknown: .* Did you mean `learning_rate`"),
        ("model", "modell", "accuracy", "`y` is unknown: .* Did you mean `model`"),
        ("model", "model", "accuracy", "`x` and `y` must be two hyperparameters, got 'model' for"),
        ("model", LONG, "los", "`metric` is unknown: 'los'.* Did you mean `loss`"),
        ("learning_rate", LONG, "loss", "`x` must have at most 20 values .* got 40: for random"),
        (LONG, "momentum", "loss", "`y` must have at most 20 values .*, got 40"),
    ],
)
def test_plot_heat_map_names_the_bad_argument(x, y, metric, message):
    with pytest.raises(ValueError, match=message):
        plot_heat_map(forty(), x, y, metric)


# Parallel coordinates


def lines_of(figure):
    (axes,) = figure.axes
    return {line.get_label(): line for line in axes.lines if "candidate" in line.get_label()}


def test_a_line_goes_through_the_values_of_its_candidate():
    result = forty()
    figure = plot_parallel_coordinates(result)
    lines, scores = lines_of(figure), candidate_scores(result)
    assert len(lines) == 40
    finite = [score for score in scores if math.isfinite(score.mean)]
    rates = [math.log(score.hyperparameters["learning_rate"]) for score in scores]
    for score in scores:
        heights = lines[f"candidate {score.candidate}"].get_ydata()
        assert len(heights) == 6
        h = score.hyperparameters
        rate = (math.log(h["learning_rate"]) - min(rates)) / (max(rates) - min(rates))
        np.testing.assert_allclose(heights[0], rate, atol=1e-9)
        np.testing.assert_allclose(heights[4], (h[LONG] - 1) / 2, atol=1e-9)
        assert heights[3] in (0, 0.5, 1)
        span = finite[0].mean - finite[-1].mean
        place = (score.mean - finite[-1].mean) / span if score in finite else BELOW
        np.testing.assert_allclose(heights[5], place, atol=1e-9)
    models = {score.hyperparameters["model"] for score in scores}
    assert len(models) == 3


def test_the_best_line_is_dark_wide_and_on_top_and_those_that_diverged_dashed():
    result = forty()
    figure, scores = plot_parallel_coordinates(result), candidate_scores(result)
    lines = lines_of(figure)
    best, *_, last = (lines[f"candidate {score.candidate}"] for score in scores)
    assert best.get_color() == BLUES(1.0)
    assert best.get_linewidth() > max(x.get_linewidth() for x in lines.values() if x is not best)
    assert list(lines.values())[-1] is best
    assert last.get_linestyle() == "--" and last.get_color() == "0.6"
    dashed = sum(line.get_linestyle() == "--" for line in lines.values())
    diverged = sum(score.diverged > 0 for score in scores)
    assert dashed == diverged == 2
    assert last.get_zorder() < best.get_zorder()
    (title,) = figure.texts
    assert title.get_text() == "40 candidates, darker is better; 2 diverged, dashed"
    assert "diverged" in [text.get_text() for text in figure.axes[0].texts]


def test_each_axis_has_its_name_and_labels():
    result = sweep_of(grid({"rate": (1e-4, 1e-2), "model": ("b", "a")}), accuracy)
    figure = plot_parallel_coordinates(result, "loss")
    (axes,) = figure.axes
    at = {}
    for text in axes.texts:
        at.setdefault(text.get_text(), []).append(text.get_position())
    assert {"rate", "model", "loss", "1e-4", "0.01", "a", "b"} <= at.keys()
    assert "diverged" not in at and figure.texts[0].get_text() == "4 candidates, darker is better"
    assert at["1e-4"][0][1] == 0 and at["0.01"][0][1] == 1
    assert at["b"][0][1] == 0 and at["a"][0][1] == 1
    rate, model, loss = (at[name][0][0] for name in ("rate", "model", "loss"))
    assert rate < model < loss
    xs = next(iter(lines_of(figure).values())).get_xdata()
    np.testing.assert_allclose(xs, [rate, model, loss])


def test_long_names_are_shortened():
    texts = [text.get_text() for text in plot_parallel_coordinates(long_names()).axes[0].texts]
    assert f"{LONG[:23]}…" in texts and "x" * 23 + "…" in texts


def test_accuracies_are_in_per_cent():
    texts = [text.get_text() for text in plot_parallel_coordinates(one()).axes[0].texts]
    assert "accuracy (%)" in texts
    mean = candidate_scores(one())[0].mean
    assert f"{100 * mean:.3g}" in texts


def test_plot_parallel_coordinates_names_what_is_wrong():
    with pytest.raises(ValueError, match="`metric` is unknown: 'acc'"):
        plot_parallel_coordinates(forty(), "acc")
    with pytest.raises(ValueError, match=r"`result` must have a hyperparameter .*, got none"):
        plot_parallel_coordinates(SweepResult((lane_of(0, {}, [0.5]),)))


# Learning curves


def curves_of(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_the_curves_are_the_means():
    result = stopped()
    figure = plot_learning_curves(result)
    assert len(figure.axes) == 4
    candidates = result.candidates
    panels = {}
    for axes in figure.axes:
        title = {"Training": "train", "Validation": "validation"}
        column = "train" if axes.get_position().x0 < 0.4 else "validation"
        row = (
            "accuracy"
            if axes.get_position().y0
            < min(
                a.get_position().y0
                for a in figure.axes
                if a is not axes and a.get_position().x0 == axes.get_position().x0
            )
            else "loss"
        )
        if axes.get_title("left"):
            assert title[axes.get_title("left")] == column and row == "loss"
        panels[column, row] = axes
    assert panels["train", "loss"].get_ylabel() == "loss"
    assert panels["train", "accuracy"].get_ylabel() == "accuracy (%)"
    for (part, metric), axes in panels.items():
        curves = curves_of(axes)
        assert curves.keys() == {"a 0", "a 1"}
        scale = 100 if metric == "accuracy" else 1
        whole = mean_curve(candidates[1], part, metric).mean
        np.testing.assert_allclose(curves["a 1"].get_ydata(), scale * whole, rtol=1e-12)
        np.testing.assert_array_equal(curves["a 1"].get_xdata(), np.arange(1, 8))
        # The wide line ends with the first lane, the thin one goes on.
        cut = scale * mean_curve(candidates[0], part, metric).mean
        np.testing.assert_allclose(curves["a 0"].get_ydata()[:3], cut[:3], rtol=1e-12)
        assert np.isnan(curves["a 0"].get_ydata()[3:]).all()
        color = curves["a 0"].get_color()
        (thin,) = [
            line for line in axes.lines if line.get_color() == color and line.get_linewidth() < 1
        ]
        np.testing.assert_allclose(thin.get_ydata(), cut, rtol=1e-12)


def test_the_band_is_that_of_the_mean():
    result = stopped()
    axes = plot_learning_curves(result).axes
    for panel in axes:
        assert len(panel.collections) == 2
    curve = mean_curve(result.candidates[1], "validation", "accuracy")
    panel = next(p for p in axes if p.get_position().x0 > 0.4 and not p.get_title("left"))
    best = candidate_scores(result)[0].candidate
    assert best == 1
    edges = panel.collections[-1].get_paths()[0].vertices[:, 1]  # drawn last, as the best
    np.testing.assert_allclose(
        [edges.min(), edges.max()], [100 * curve.low.min(), 100 * curve.high.max()]
    )


def test_where_lanes_end_there_is_a_dot_and_where_they_diverge_a_cross():
    result = stopped()
    figure = plot_learning_curves(result)
    for axes in figure.axes:
        marks = {
            line.get_marker(): list(line.get_xdata())
            for line in axes.lines
            if line.get_marker() in ("o", "X") and len(line.get_xdata())
        }
        assert marks == {"X": [3], "o": [5]}
    texts = [text.get_text() for text in figure.texts]
    assert texts == [
        "a 1: 3 lanes",
        "a 0: 3 lanes, 1 stopped early, 1 diverged",
        "Band: one standard deviation of the lanes.",
        "Thin, from a dot on: the mean of the lanes that went on.",
        "Cross: a lane diverged.",
    ]


def test_one_lane_has_no_band_and_its_one_epoch_is_seen():
    figure = plot_learning_curves(one())
    assert [text.get_text() for text in figure.texts] == ["a 1, b x: 1 lane"]
    for axes in figure.axes:
        (line,) = curves_of(axes).values()
        assert line.get_marker() == "o" and len(line.get_xdata()) == 1


def test_the_eight_best_are_shown_and_the_others_counted():
    result = forty()
    figure = plot_learning_curves(result)
    assert len(curves_of(figure.axes[0])) == len(COLORS) == 8
    texts = [text.get_text() for text in figure.texts]
    assert "32 more, worse by accuracy, are not shown; of 2 of them a lane diverged." in texts
    best = candidate_scores(result)[0].hyperparameters["model"][:20].rstrip()
    assert best[:6] in texts[0]
    colors = [line.get_color() for line in figure.artists + figure.lines]
    assert colors == list(COLORS)
    fewer = sweep_of(grid({"a": tuple(range(9))}), accuracy)
    notes = [text.get_text() for text in plot_learning_curves(fewer).texts]
    assert notes[-1] == "1 more, worse by accuracy, are not shown."


def test_by_a_hyperparameter_there_is_a_curve_a_value_in_their_order():
    rising = sweep_of(grid({"a": (3, 1, 2)}), lambda h: 0.3 * h["a"])
    texts = [text.get_text() for text in plot_learning_curves(rising, "a").texts]
    assert texts[:3] == ["a 1: 6 lanes", "a 2: 6 lanes", "a 3: 6 lanes"]
    result = gridded()
    figure = plot_learning_curves(result, "momentum")
    assert [text.get_text() for text in figure.texts[:2]] == [
        "momentum 0.8: 24 lanes",
        "momentum 0.9: 24 lanes",
    ]
    lanes = [lane for lane in result.lanes if lane.lane.hyperparameters["momentum"] == 0.9]
    expected = mean_curve(lanes, "train", "loss").mean
    panel = next(axes for axes in figure.axes if axes.get_title("left") == "Training")
    np.testing.assert_allclose(curves_of(panel)["momentum 0.9"].get_ydata(), expected, rtol=1e-12)


def test_both_panels_of_a_metric_have_one_scale():
    figure = plot_learning_curves(forty())
    rows = {}
    for axes in figure.axes:
        rows.setdefault(round(axes.get_position().y0, 6), []).append(axes)
    assert len(rows) == 2
    for left, right in rows.values():
        assert left.get_ylim() == right.get_ylim() and left.get_xlim() == right.get_xlim()


def exploding(factor):
    lanes = [lane_of(0, {"a": 0}, [0.5] * 4, losses=[1.0, 0.9, 0.8, 0.7])]
    lanes += [lane_of(1, {"a": 1}, [0.5] * 4, losses=[1.0, factor / 2, factor, math.nan])]
    return plot_learning_curves(SweepResult(tuple(lanes)))


def test_a_loss_that_explodes_leaves_the_picture_and_the_picture_says_so():
    panel = next(axes for axes in exploding(1e30).axes if axes.get_title("left"))
    assert 3 <= panel.get_ylim()[1] < 4
    notes = [text.get_text() for text in exploding(1e30).texts]
    assert "Above 3 the loss is not shown." in notes
    assert not any("Above" in text.get_text() for text in exploding(2.9).texts)


@pytest.mark.parametrize(("least", "scale"), [(0.2, "linear"), (0.05, "log"), (0.0, "linear")])
def test_the_loss_is_logarithmic_over_more_than_a_decade(least, scale):
    result = SweepResult((lane_of(0, {"a": 0}, [0.5, 0.9], losses=[1.0, least]),))
    for axes in plot_learning_curves(result).axes:
        loss = axes.get_position().y0 > 0.5
        assert axes.get_yscale() == (scale if loss else "linear")
        low, high = axes.get_ylim()
        assert low < (0.9 * least if loss else 50) and high > (1 if loss else 90)


def test_a_sweep_without_a_finite_loss_has_a_picture():
    result = SweepResult((lane_of(0, {"a": 0}, [0.1, 0.2], losses=[math.nan, math.inf]),))
    figure = plot_learning_curves(result)
    assert len(texts_of(figure)) > 4
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert low < 1 and high > 2


def test_a_metric_of_ones_own_has_a_row_too():
    lane = lane_of(0, {"a": 0}, [0.5, 0.9])
    for record in lane.history:
        record["train"]["certainty"] = record["validation"]["certainty"] = 0.3
        record["train"]["only here"] = 0.3
    figure = plot_learning_curves(SweepResult((lane,)))
    names = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert sorted(names) == ["accuracy (%)", "certainty", "loss"]


@pytest.mark.parametrize(
    ("result", "by", "metric", "message"),
    [
        (gridded(), "momentun", "accuracy", "`by` is unknown: .* Did you mean `momentum`"),
        (gridded(), None, "acc", "`metric` is unknown: 'acc'"),
        (
            SweepResult((lane_of(0, {}, [], ended="diverged"),)),
            None,
            "accuracy",
            "`result` must have a lane with an epoch, got none: all diverged",
        ),
    ],
)
def test_plot_learning_curves_names_the_bad_argument(result, by, metric, message):
    with pytest.raises(ValueError, match=message):
        plot_learning_curves(result, by, metric)


def test_a_candidate_without_an_epoch_is_in_the_legend():
    lanes = (lane_of(0, {"a": 0}, [0.5, 0.6]), lane_of(1, {"a": 1}, [], ended="diverged"))
    texts = [text.get_text() for text in plot_learning_curves(SweepResult(lanes)).texts]
    assert texts[:2] == ["a 0: 1 lane", "a 1: 1 lane, 1 diverged"]


# Validation curves


def parts_of(figure):
    """The line of each part, by "training" and "validation"."""
    return {line.get_label(): line for line in figure.axes[0].lines if line.get_label()[0] != "_"}


def three_rates(**options):
    """Of the rate of 0.1, momentum 0.9 diverges; of the rate of 1, both."""
    axes = {"learning_rate": (0.001, 0.1, 1.0), "momentum": (0.8, 0.9)}
    return sweep_of(
        grid(axes),
        accuracy,
        diverged=lambda h, seed, fold: h["learning_rate"] * h["momentum"] > 0.085,
        **options,
    )


@pytest.mark.parametrize(("metric", "best_of"), [("accuracy", max), ("loss", min)])
def test_a_value_is_its_best_candidate_and_both_parts_are_of_the_same_epochs(metric, best_of):
    result = three_rates()
    lines = parts_of(plot_validation_curve(result, "learning_rate", metric))
    scores = candidate_scores(result, metric)
    times = 100 if metric == "accuracy" else 1
    for rate, place in ((0.001, 0.0), (0.1, 2 / 3)):
        own = [s for s in scores if s.hyperparameters["learning_rate"] == rate]
        best = best_of((s for s in own if math.isfinite(s.mean)), key=lambda s: s.mean)
        lanes = result.candidates[best.candidate]
        training = np.mean([lane.history[lane.best_epoch - 1]["train"][metric] for lane in lanes])
        for name, value in (("training", training), ("validation", best.mean)):
            x, y = lines[name].get_data()
            np.testing.assert_allclose(x, [0, 2 / 3, 1])
            np.testing.assert_allclose(y[list(x).index(x[np.isclose(x, place)][0])], times * value)
            assert np.isnan(y[2])


def test_the_best_has_a_ring_a_rule_and_one_that_diverged_a_cross():
    result = three_rates()
    figure = plot_validation_curve(result, "learning_rate", "loss")
    best = candidate_scores(result, "loss")[0]
    (axes,) = figure.axes
    (ring,) = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    np.testing.assert_allclose(ring.get_ydata(), [best.mean])
    (dashed,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed.get_ydata(), [best.mean + best.standard_error] * 2)
    (cross,) = [line for line in axes.lines if line.get_marker() == "X"]
    np.testing.assert_allclose(cross.get_xdata(), [1.0])
    notes = [text.get_text() for text in figure.texts]
    assert notes[:2] == ["Loss, mean of 6 lanes", "best over momentum"]
    assert notes[-1] == "Cross: a lane diverged." and notes[-2].startswith(
        "Dashed: the best (ring)"
    )


def test_an_accuracys_rule_is_below_the_best_and_one_lane_has_none():
    result = gridded()
    figure, best = plot_validation_curve(result, "momentum"), candidate_scores(result)[0]
    (dashed,) = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    rule = 100 * (best.mean - best.standard_error)
    np.testing.assert_allclose(dashed.get_ydata(), [rule] * 2)
    (ring,) = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    np.testing.assert_allclose(ring.get_ydata(), [100 * best.mean])
    figure = plot_validation_curve(one(), "a")
    assert not any(line.get_linestyle() == "--" for line in figure.axes[0].lines)
    assert [text.get_text() for text in figure.texts][1:] == ["training", "validation"]


def test_bars_are_a_standard_error_and_only_numbers_are_joined():
    result = three_rates()
    axes = plot_validation_curve(result, "momentum").axes[0]
    scores = {s.hyperparameters["momentum"]: s for s in reversed(candidate_scores(result))}
    bars = {tuple(c.get_color()[0][:3]): c for c in axes.collections if hasattr(c, "get_segments")}
    segments = bars[to_rgba(LOOKS["validation"][0])[:3]].get_segments()
    for (low, high), momentum in zip(segments, (0.8, 0.9), strict=True):
        np.testing.assert_allclose(high[1] - low[1], 200 * scores[momentum].standard_error)
    assert parts_of(axes.figure)["validation"].get_linestyle() == "-"
    words = parts_of(plot_validation_curve(forty(), "model"))["validation"]
    assert words.get_linestyle() == "None" and words.get_marker() == "o"


def test_a_word_that_is_long_is_shortened():
    axes = plot_validation_curve(long_first(), "model").axes[0]
    texts = [text.get_text() for text in axes.get_xticklabels()]
    assert texts == ["x" * 23 + "…", "a", "b", "c", "d"]


def test_where_all_diverged_there_is_no_scale():
    (axes,) = plot_validation_curve(all_diverged(), "a").axes
    assert list(axes.get_yticks()) == []


def test_a_loss_that_spans_much_is_logarithmic():
    lanes = [lane_of(i, {"a": i}, [0.5], losses=[loss]) for i, loss in enumerate((0.1, 9.0))]
    figure = plot_validation_curve(SweepResult(tuple(lanes)), "a", "loss")
    assert figure.axes[0].get_yscale() == "log"
    assert plot_validation_curve(forty(), LONG, "loss").axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(
    ("by", "metric", "message"),
    [
        ("learnin_rate", "accuracy", "`by` is unknown: .* Did you mean `learning_rate`"),
        ("model", "los", "`metric` is unknown: 'los'.* Did you mean `loss`"),
    ],
)
def test_plot_validation_curve_names_the_bad_argument(by, metric, message):
    with pytest.raises(ValueError, match=message):
        plot_validation_curve(forty(), by, metric)


def test_a_validation_curve_needs_an_epoch():
    lane = lane_of(0, {"a": 1}, [], ended="diverged")
    with pytest.raises(ValueError, match="`result` must have a lane with an epoch, got none"):
        plot_validation_curve(SweepResult((lane,)), "a")
