"""The confusion matrix shows its counts, and its colours their shares."""

import inspect

import matplotlib
import numpy as np
import pytest

from jaxvision.inspect import plot_confusion
from tests.inspect.made_up import confusion_of


def test_cells_hold_the_counts_and_colours_the_shares_of_the_row():
    matrix = np.array([[6, 2, 0], [0, 0, 0], [1, 0, 9]])  # the second class does not occur
    axes, _ = plot_confusion(matrix, ["a", "b", "c"]).axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "6", (1, 0): "2", (0, 2): "1", (2, 2): "9"}  # (column, row)
    expected = [[0.75, 0.25, 0], [0, 0, 0], [0.1, 0, 0.9]]
    np.testing.assert_allclose(axes.images[0].get_array(), expected, rtol=1e-12)
    assert axes.images[0].get_clim() == (0, 1)
    assert axes.get_title("left") == "Accuracy 83.3 % (15 of 18)"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert axes.get_ylim() == (2.5, -0.5)  # the first class is on top


def test_counts_stand_out_from_every_colour():
    # Shares from 1/400 to 1, both dark and light, against the exact formula of WCAG 2.1.
    matrix = np.diag(np.linspace(1, 400, 20).astype(int))
    matrix[:, 0] += 400 - matrix.sum(axis=1)
    axes, _ = plot_confusion(matrix, [str(i) for i in range(20)]).axes

    def luminance(color):
        c = np.array(matplotlib.colors.to_rgb(color))
        return np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [
            0.2126, 0.7152, 0.0722
        ]  # fmt: skip

    colors = axes.images[0].to_rgba(axes.images[0].get_array())
    for text in axes.texts:
        column, row = text.get_position()
        light = sorted([luminance(text.get_color()), luminance(colors[row, column])])
        assert (light[1] + 0.05) / (light[0] + 0.05) > 4.5
    assert {text.get_color() for text in axes.texts} == {"black", "white"}


@pytest.mark.parametrize(("count", "step"), [(21, 1), (100, 5), (200, 5)])
def test_many_classes_have_thinned_names_and_no_counts(count, step):
    matrix, classes = confusion_of(count)
    axes, _ = plot_confusion(matrix, classes).axes
    assert not axes.texts
    for axis in (axes.xaxis, axes.yaxis):
        np.testing.assert_array_equal(axis.get_ticklocs(), range(0, count, step))
        for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True):
            name, shown = classes[place], label.get_text()
            assert name.startswith(shown.rstrip("…")) and len(shown) <= 24
            assert (shown == name) == (len(name) <= 24)


@pytest.mark.parametrize(
    ("classes", "angle"), [("ab", 0), (["", " "], 0), (["a", "a long name" * 3], 45)]
)
def test_names_turn_only_where_they_would_collide(classes, angle):
    axes, _ = plot_confusion(np.eye(2, dtype=int), list(classes)).axes
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {angle}


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (
            np.ones((2, 3), int),
            r"`matrix` must be square, .* 2 `classes`, got shape \(2, 3\): pass",
        ),
        (np.ones((3, 3), int), r"`matrix` .* each of the 2 `classes`, got shape \(3, 3\)"),
        (np.ones(4, int), r"`matrix` must be square, .* got shape \(4,\)"),
        (np.array([[3, -1], [0, 2]]), "`matrix` must hold counts, .* got int64 from -1 to 3: pass"),
        (np.zeros((2, 2), int), "`matrix` must hold counts, .* not all 0, got int64 from 0 to 0"),
        (np.eye(2), "`matrix` must hold counts, .* got float64 .* not normalised"),
    ],
)
def test_plot_confusion_names_the_bad_argument(matrix, message):
    with pytest.raises(ValueError, match=message):
        # Without the types' own check, which users do not run.
        inspect.unwrap(plot_confusion)(matrix, ["a", "b"])
