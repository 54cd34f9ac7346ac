"""Regions and boundaries are where they are by hand: of lines, of XOR, and of three sectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.contour import ContourSet

from jaxvision.inspect.pictures.decision_regions import plot_decision_regions

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def two(z):
    """Of a single logit the two of the classes 0 and 1."""
    return jnp.stack([jnp.zeros_like(z), z], axis=-1)


def lines(axes):
    """The drawn contours, each as its points [n, 2]."""
    return [
        np.concatenate([path.vertices for path in drawn.get_paths()])
        for drawn in axes.collections
        if isinstance(drawn, ContourSet)
    ]


def regions(axes):
    """The class at a place."""
    (image,) = axes.images
    assert image.origin == "lower"
    left, right, bottom, top = image.get_extent()
    classes = np.asarray(image.get_array())
    rows, columns = classes.shape

    def at(x, y):
        return classes[
            int((y - bottom) / (top - bottom) * rows), int((x - left) / (right - left) * columns)
        ]

    return at


def test_a_perceptrons_boundary_is_its_line():
    # x + 2 y = 1.
    def perceptron(p):
        return two(p[:, 0] + 2 * p[:, 1] - 1)

    figure = plot_decision_regions({"AND": perceptron}, CORNERS, np.array([0, 0, 0, 1]), ["0", "1"])
    (axes,) = figure.axes
    (boundary,) = lines(axes)
    np.testing.assert_allclose(boundary @ [1, 2], 1, atol=1e-5)
    assert np.ptp(boundary[:, 0]) > 1
    at = regions(axes)
    assert at(0.1, 0.1) == 0 and at(0.9, 0.9) == 1 and at(-0.1, 0.6) == 1 and at(0.6, -0.1) == 0
    assert axes.get_title("left") == "AND"
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert drawn == {"0": CORNERS[:3].tolist(), "1": CORNERS[3:].tolist()}


def test_xor_by_two_hidden_units_with_their_lines():
    # With s = x + y: z = relu(s - 1/2) - 3 relu(s - 3/2) - 1/4 is 0 at s = 3/4, where the second
    # unit is off, and where 4 - 2 s = 1/4, so at s = 15/8.
    def sums(p):
        return jnp.stack([p[:, 0] + p[:, 1] - 0.5, p[:, 0] + p[:, 1] - 1.5], axis=-1)

    def xor(p):
        return two(jax.nn.relu(sums(p)) @ jnp.array([1.0, -3.0]) - 0.25)

    figure = plot_decision_regions(
        {"XOR": xor}, CORNERS, np.array([0, 1, 1, 0]), ["0", "1"], units={"XOR": sums}
    )
    (axes,) = figure.axes
    boundary, *units = lines(axes)
    along = boundary.sum(axis=1)
    near = np.abs(along[:, None] - [[0.75, 1.875]]).min(axis=1)
    np.testing.assert_allclose(near, 0, atol=5e-3)  # between two places of the grid it is bent
    assert (along < 1).any() and (along > 1).any()
    for unit, where in zip(units, (0.5, 1.5), strict=True):
        np.testing.assert_allclose(unit.sum(axis=1), where, atol=1e-5)
    at = regions(axes)
    assert [at(x, y) for x, y in [(0, 0), (0, 1), (1, 0), (1, 1)]] == [0, 1, 1, 0]


def test_three_classes_meet_and_test_points_are_hollow():
    # Logits are the products with three directions 120 degrees apart, so sectors; all meet at 0.
    angles = 2 * np.pi * np.arange(3) / 3
    directions = np.stack([np.cos(angles), np.sin(angles)])
    new = np.array([[0.5, 0.1]])
    figure = plot_decision_regions(
        {"first": lambda p: p @ directions, "second": lambda p: p @ directions[:, ::-1]},
        directions.T, np.arange(3), ["a", "b", "c"], test=(new, np.array([0])), resolution=101,
    )  # fmt: skip
    axes, other = figure.axes
    for x, y in (0.9 * directions).T:
        assert regions(axes)(x, y) == 2 - regions(other)(x, y)
    angle = np.concatenate([np.arctan2(y, x) for x, y in (line.T for line in lines(axes))])
    away = np.concatenate([np.hypot(*line.T) for line in lines(axes)]) > 0.1
    sectors = np.abs(angle[away, None] - [[np.pi / 3, np.pi, -np.pi / 3, -np.pi]]).min(axis=1)
    np.testing.assert_allclose(sectors, 0, atol=2e-2)
    *_, hollow = axes.lines
    assert hollow.get_label() == "a (test)" and hollow.get_markerfacecolor() == "white"
    np.testing.assert_array_equal(hollow.get_xydata(), new)
    assert axes.lines[0].get_markerfacecolor() == hollow.get_markeredgecolor()


def test_a_classifier_with_one_answer_has_no_boundary():
    (axes,) = plot_decision_regions(
        {"one": lambda p: np.tile([1.0, 0.0], (len(p), 1))}, CORNERS, np.zeros(4, int), ["a", "b"]
    ).axes
    assert not lines(axes) and not np.asarray(axes.images[0].get_array()).any()


def test_what_is_wrong_is_named():
    labels, classes = np.array([0, 1, 1, 0]), ["0", "1"]

    def draw(classify=lambda p: p, points=CORNERS, labels=labels, classes=classes, **options):
        plot_decision_regions({"mine": classify}, points, labels, classes, **options)

    with pytest.raises(ValueError, match="`classifiers` must have at least one, got none"):
        plot_decision_regions({}, CORNERS, labels, classes)
    with pytest.raises(ValueError, match=r"logits of the 2 `classes` .* \[90601, 1\].* 'mine'"):
        draw(lambda p: p[:, :1])
    with pytest.raises(ValueError, match="`classifiers` must give finite logits"):
        draw(lambda p: p * np.nan)
    with pytest.raises(ValueError, match="`points` must be at least one point, and finite"):
        draw(points=CORNERS + np.inf)
    with pytest.raises(ValueError, match=r"`labels` of `test` must .* 2 `classes`, got 0 to"):
        draw(test=(CORNERS, 2 * labels))
    with pytest.raises(ValueError, match="`labels` of `points` must be one for each of the 4"):
        draw(labels=labels[:3])
    with pytest.raises(ValueError, match=r"`units` must give sums .* \[2, 90601\] .* 'mine'"):
        draw(units={"mine": lambda p: p.T})
    with pytest.raises(ValueError, match=r"`classes` must be from 2 to 8, .* got 1"):
        draw(labels=0 * labels, classes=["0"])
    with pytest.raises(ValueError, match=r"`units` must have titles .* got \['yours'\]"):
        draw(units={"yours": lambda p: p})
