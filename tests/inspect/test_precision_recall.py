"""The lines of precision over recall, and the bars of errors, are the numbers given."""

import inspect
import itertools

import numpy as np
import pytest

from jaxvision.inspect import plot_errors, plot_precision_recall
from jaxvision.inspect.picture import COLORS
from tests.inspect.made_up import WORDS
from tests.inspect.test_picture import written

KINDS = ("right", "duplicate", "location", "class", "both", "background", "missed")


def curves_of(count, without=()):
    """Made-up curves with the area below them, of which some classes have no object."""
    rng = np.random.default_rng(0)
    curves, areas = [], []
    for i in range(count):
        k, total = rng.integers(1, 30), 40
        right = np.cumsum(rng.random(k) < 0.7)
        recall, precision = right / total, right / np.arange(1, k + 1)
        highest = [precision[recall >= (j + 1) / total].max(initial=0) for j in range(total)]
        if i in without:
            recall = np.full(k, np.nan)
        curves.append((recall, precision, "not looked at"))
        areas.append(np.nan if i in without else np.mean(highest))
    return curves, np.array(areas), [f"{WORDS[i % 5]} {i}" for i in range(count)]


def entries(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_line_is_the_best_precision_at_that_recall_or_a_higher_one():
    curve = np.array([0.25, 0.25, 0.5, 0.75]), np.array([1, 0.5, 0.6, 0.7])
    area = 0.25 * 1 + 0.5 * 0.7
    (axes,) = plot_precision_recall([curve], np.array([area]), ["ant"]).axes
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), [0, 0.25, 0.25, 0.5, 0.75, 0.75])
    np.testing.assert_array_equal(line.get_ydata(), [1, 1, 0.7, 0.7, 0.7, 0])
    assert line.get_drawstyle() == "steps-pre"
    assert entries(axes) == ["0.600  ant"]
    assert axes.get_title("left") == "Mean average precision 0.600 (1 class)"
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("recall", "precision")


def test_the_area_below_a_line_is_its_average_precision():
    curves, areas, classes = curves_of(20)
    (axes,) = plot_precision_recall(curves, areas, classes).axes
    below = [np.diff(line.get_xdata()) @ line.get_ydata()[1:] for line in axes.lines]
    np.testing.assert_allclose(below[::-1], np.sort(areas)[::-1], rtol=1e-12)
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == 20
    order = np.argsort(-areas, kind="stable")
    for text, handle, i in zip(entries(axes), axes.get_legend().legend_handles, order, strict=True):
        score, name = text.split("  ")
        assert score == f"{areas[i]:.3f}"
        assert classes[i].startswith(name.rstrip("…"))
        same = [line for line in axes.lines if line.get_label() == handle.get_label()]
        assert same or handle.get_color() in COLORS


def test_the_legend_shows_each_classes_own_line():
    curves, areas, classes = curves_of(12)
    (axes,) = plot_precision_recall(curves, areas, classes).axes
    for text, handle in zip(entries(axes), axes.get_legend().legend_handles, strict=True):
        (line,) = [
            line
            for line in axes.lines
            if (line.get_color(), line.get_linestyle())
            == (handle.get_color(), handle.get_linestyle())
        ]
        area = np.diff(line.get_xdata()) @ line.get_ydata()[1:]
        assert text.startswith(f"{area:.3f}")


def test_of_many_classes_the_best_and_the_worst_are_named():
    curves, areas, classes = curves_of(30)
    (axes,) = plot_precision_recall(curves, areas, classes).axes
    ranked = np.sort(areas)[::-1]
    texts = entries(axes)
    assert len(texts) == 21 and len(axes.lines) == 30
    assert texts[10] == "10 classes between"
    shown = [text.split()[0] for text in texts[:10] + texts[11:]]
    assert shown == [f"{area:.3f}" for area in [*ranked[:10], *ranked[-10:]]]


@pytest.mark.parametrize("count", [1, 20, 30])
def test_the_legend_stands_beside_the_lines_and_not_below(count):
    figure = plot_precision_recall(*curves_of(count))
    written(figure)  # which lays it out
    (axes,) = figure.axes
    frame, legend = axes.get_window_extent(), axes.get_legend().get_window_extent()
    assert legend.x0 >= frame.x1 and frame.y0 <= legend.y0


def test_classes_without_objects_have_no_line_and_are_counted():
    (axes,) = plot_precision_recall(*curves_of(4, without=[1, 2])).axes
    assert len(axes.lines) == len(entries(axes)) == 2
    assert axes.get_title("left").endswith("(2 classes; 2 without objects)")
    (axes,) = plot_precision_recall(*curves_of(1, without=[0])).axes
    assert not axes.lines and axes.get_title("left") == "No class has an object"


def test_a_class_of_which_nothing_was_found():
    nothing = np.zeros(0), np.zeros(0)
    (axes,) = plot_precision_recall([nothing], np.zeros(1), ["ant"]).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0, 0])
    assert entries(axes) == ["0.000  ant"]


@pytest.mark.parametrize(
    ("curves", "areas", "message"),
    [
        ([], np.zeros(0), r"at least one class of `classes`, got 0 and shape \(0,\) for 2"),
        ([(np.zeros(2), np.zeros(2))] * 2, np.zeros(3), r"`average_precision` .* shape \(3,\)"),
        ([(np.zeros(2), np.zeros(3))] * 2, np.zeros(2), r"as many precisions as recalls.* for 'a'"),
        ([(np.array([0.5, 0.2]), np.zeros(2))] * 2, np.zeros(2), "in ascending order"),
    ],
)
def test_plot_precision_recall_names_the_bad_argument(curves, areas, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(plot_precision_recall)(curves, areas, ["a", "b"])


# Errors


def counts_of(classes, seed=0):
    rng = np.random.default_rng(seed)
    return {kind: rng.integers(0, 300, classes) for kind in KINDS}


def lengths(axes, kinds, rows):
    """By kind and row the width of its bar, and where it begins."""
    bars = [(bar.get_width(), bar.get_x()) for bar in axes.patches]
    return np.array(bars).reshape(kinds, rows, 2).transpose(2, 0, 1)


def test_bars_are_the_counts():
    counts, classes = counts_of(5), WORDS
    left, right = plot_errors(counts, classes).axes
    totals = [int(counts[kind].sum()) for kind in KINDS]
    assert [bar.get_width() for bar in left.patches] == totals
    assert [text.get_text() for text in left.texts] == [str(total) for total in totals]
    assert [label.get_text() for label in left.get_yticklabels()] == list(KINDS)
    widths, starts = lengths(right, 7, 5)
    table = np.array([counts[kind] for kind in KINDS])
    np.testing.assert_array_equal(widths, table)
    np.testing.assert_array_equal(starts, np.cumsum(table, axis=0) - table)
    colors = [bar.get_facecolor() for bar in left.patches]
    assert len(set(colors)) == 7
    assert [bar.get_facecolor() for bar in right.patches[::5]] == colors
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first on top
    assert right.get_ylim()[0] > right.get_ylim()[1]


def test_of_many_classes_those_with_the_most_errors_are_shown():
    counts = counts_of(30)
    _, right = plot_errors(counts, [f"class {i}" for i in range(30)]).axes
    errors = sum(counts[kind] for kind in KINDS[1:])
    worst = np.argsort(-errors, kind="stable")[:20]
    names = [label.get_text() for label in right.get_yticklabels()]
    assert names == [f"class {i}" for i in worst]
    assert right.get_title("left") == "The 20 of 30 classes with the most errors"
    np.testing.assert_array_equal(lengths(right, 7, 20)[0][3], counts["class"][worst])


def test_without_any_error():
    left, right = plot_errors({kind: np.zeros(2, int) for kind in KINDS}, ["a", "b"]).axes
    assert {text.get_text() for text in left.texts} == {"0"}
    assert left.get_xlim() == right.get_xlim() == (0, 1)


@pytest.mark.parametrize(
    ("counts", "classes", "message"),
    [
        ({}, ["a"], "`counts` must have from one to 8 kinds .* got 0 and 1"),
        ({"right": np.zeros(0, int)}, [], "`classes` at least one name, got 1 and 0"),
        ({str(i): np.zeros(1, int) for i in range(9)}, ["a"], "one to 8 kinds .* got 9 and 1"),
        (
            {"missed": np.zeros(2, int)},
            ["a"],
            r"each of the 1 `classes`, got shape \(2,\) for 'mis",
        ),
        ({"missed": np.array([-1])}, ["a"], "`counts` must have a number >= 0"),
    ],
)
def test_plot_errors_names_the_bad_argument(counts, classes, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(plot_errors)(counts, classes)


# Both

PICTURES = {
    "curve-1": lambda: plot_precision_recall(*curves_of(1)),
    "curve-5": lambda: plot_precision_recall(*curves_of(5, without=[0])),
    "curve-20": lambda: plot_precision_recall(*curves_of(20)),
    "curve-80": lambda: plot_precision_recall(*curves_of(80)),
    "errors-1": lambda: plot_errors(counts_of(1), ["ant"]),
    "errors-5": lambda: plot_errors(counts_of(5), WORDS),
    "errors-20": lambda: plot_errors(counts_of(20), curves_of(20)[2]),
    "errors-80": lambda: plot_errors(counts_of(80), curves_of(80)[2]),
}


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
def test_nothing_is_cut_off_too_small_or_written_over(make):
    figure = make()
    texts = written(figure)
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
        assert text.get_fontsize() >= 10, text
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        up = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 0.5 or up <= 0.5, (one, other)
