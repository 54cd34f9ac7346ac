"""Losses on lines and planes: quadratics by hand, filters' norms, one picture for one function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect.pictures.landscape import (
    loss_along_line,
    loss_on_plane,
    path_directions,
    project_path,
    random_direction,
)
from jaxvision.inspect.pictures.plot_landscape import plot_loss_line, plot_loss_plane


def quadratic(params):
    """x^2 + 3 y^2, of {"x": [1], "y": []}."""
    return jnp.sum(params["x"] ** 2) + 3 * params["y"] ** 2


def point(x, y):
    return {"x": jnp.array([x], jnp.float32), "y": jnp.array(y, jnp.float32)}


def test_a_quadratic_along_a_line_by_hand():
    # From (2, 0) to (0, 1): (2 - 2 a)^2 + 3 a^2; beyond both ends too.
    found = loss_along_line(
        quadratic, point(2.0, 0.0), point(0.0, 1.0), np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    )
    np.testing.assert_allclose(found, [16 + 3, 4, 1 + 0.75, 3, 4 + 12], rtol=1e-6)


def test_a_quadratic_on_a_plane_by_hand():
    # At (1 + a + b, 2 - b), rows of a and columns of b.
    a, b = np.array([-1.0, 0.0, 2.0]), np.array([0.0, 1.0])
    found = loss_on_plane(quadratic, point(1.0, 2.0), point(1.0, 0.0), point(1.0, -1.0), a, b)
    by_hand = [[(1 + i + j) ** 2 + 3 * (2 - j) ** 2 for j in b] for i in a]
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


def relu_network(params, x):
    for layer in ("conv", "dense"):
        kernel, bias = params[layer]["kernel"], params[layer]["bias"]
        if layer == "conv":
            x = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x + bias[None, None, None]).reshape(len(x), -1)
        else:
            x = x @ kernel + bias[None]
    return x


@pytest.fixture(scope="module")
def params():
    keys = jax.random.split(jax.random.key(0), 4)
    return {
        "conv": {
            "kernel": jax.random.normal(keys[0], (2, 2, 3, 4)),
            "bias": jax.random.normal(keys[1], (4,)),
        },
        "dense": {
            "kernel": jax.random.normal(keys[2], (16, 5)),
            "bias": jax.random.normal(keys[3], (5,)),
        },
    }


def test_each_filter_of_a_direction_is_as_long_as_the_networks(params):
    silent = params | {
        "conv": params["conv"] | {"kernel": params["conv"]["kernel"].at[..., 1].set(0)}
    }
    direction = random_direction(jax.random.key(1), silent)
    for layer in ("conv", "dense"):
        ours, theirs = np.asarray(direction[layer]["kernel"]), np.asarray(silent[layer]["kernel"])
        for i in range(ours.shape[-1]):
            np.testing.assert_allclose(
                np.sqrt((ours[..., i] ** 2).sum()), np.sqrt((theirs[..., i] ** 2).sum()), rtol=1e-5
            )
        np.testing.assert_array_equal(direction[layer]["bias"], 0)
    assert not np.allclose(ours, theirs)


def test_directions_are_the_keys_and_their_leaves_differ(params):
    square = {"a": {"kernel": jnp.ones((3, 3))}, "b": {"kernel": jnp.ones((3, 3))}}
    first, again, other = (random_direction(jax.random.key(seed), square) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["a"]["kernel"], again["a"]["kernel"])
    assert not np.allclose(first["a"]["kernel"], other["a"]["kernel"])
    assert not np.allclose(first["a"]["kernel"], first["b"]["kernel"])


def test_a_rescaled_relu_network_has_the_same_picture(params):
    """One layer times 8 and the next divided by 8 are the same function (Li et al., section 3)."""
    rescaled = {
        "conv": jax.tree.map(lambda p: 8 * p, params["conv"]),
        "dense": {"kernel": params["dense"]["kernel"] / 8, "bias": params["dense"]["bias"]},
    }
    x = jax.random.normal(jax.random.key(3), (6, 3, 3, 3))

    def loss(params):
        return jnp.mean(relu_network(params, x) ** 2)

    at = np.linspace(-1, 1, 5)

    def picture(params, directions_of):
        first, second = (random_direction(jax.random.key(i), directions_of) for i in (4, 5))
        return loss_on_plane(loss, params, first, second, at, at)

    ours = picture(params, params)
    assert ours.max() > 2 * ours[2, 2]
    np.testing.assert_allclose(picture(rescaled, rescaled), ours, rtol=1e-5)
    # In the same directions for both, as if lengths did not matter, they look different.
    assert not np.allclose(picture(rescaled, params), ours, rtol=0.1)


def test_the_plane_of_a_path_by_hand():
    # In 3-D, by the end (1, 1, 1): distances 4 along y, 1 along x, and 0.1 along z.
    points = np.array([[1.0, 5.0, 1.0], [2.0, 1.0, 1.0], [1.0, 1.0, 1.1], [1.0, 1.0, 1.0]])
    path = {"x": jnp.asarray(points[:, :1]), "yz": jnp.asarray(points[:, 1:])}
    first, second, shares = path_directions(path)
    np.testing.assert_allclose(np.abs(first["yz"]), [1, 0], atol=1e-6)
    np.testing.assert_allclose(np.abs(second["x"]), [1], atol=1e-6)
    np.testing.assert_allclose(shares, np.array([16, 1]) / 17.01, rtol=1e-5)
    end = jax.tree.map(lambda leaf: leaf[-1], path)
    found = project_path(path, end, first, second)
    np.testing.assert_allclose(np.abs(found), [[4, 0], [0, 1], [0, 0], [0, 0]], atol=1e-5)
    assert found[0, 0] > 0


def test_a_path_in_the_plane_is_found_again_whatever_the_directions():
    first, second = point(2.0, 0.0), point(1.0, 1.0)
    places = np.array([[0.5, 1.0], [-1.0, 2.0], [0.0, 0.0]])
    path = {
        "x": jnp.asarray(1 + places @ [[2.0], [1.0]], jnp.float32),
        "y": jnp.asarray(2 + places @ [0.0, 1.0], jnp.float32),
    }
    found = project_path(path, point(1.0, 2.0), first, second)
    np.testing.assert_allclose(found, places, atol=1e-6)


def test_the_figure_of_a_line_marks_its_ends_and_says_what_is_missing():
    at = np.linspace(-0.5, 1.0, 4)
    figure = plot_loss_line(
        at, {"training": np.array([100.0, 10.0, np.inf, 0.1]), "test": np.full(4, 2.0)}
    )
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and "1 values not finite" in axes.get_xlabel()
    assert [text.get_text() for text in axes.texts] == ["start", "end"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [100, 10, np.nan, 0.1])
    (axes,) = plot_loss_line(at[:2], {"one": np.array([-1.0, 5.0])}).axes
    assert axes.get_yscale() == "linear" and [text.get_text() for text in axes.texts] == ["start"]


def test_the_figure_of_a_plane_has_the_first_direction_to_the_right():
    # The smallest of 7 x 5 values is in row 5, of a = 2, and column 1, of b = -1.
    a, b = np.arange(-3.0, 4.0), np.arange(-2.0, 3.0)
    losses = 0.01 + (a[:, None] - 2) ** 2 + (b[None] + 1) ** 2
    losses[0, 0] = np.nan
    paths = {"path": np.array([[-2.0, 2.0], [2.0, -1.0]]), "other": np.array([[0.0, 0.0]])}
    axes, _ = plot_loss_plane(a, b, losses, paths).axes
    marks = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_array_equal(marks["smallest: 0.01"], [[2, -1]])
    for name, path in paths.items():
        np.testing.assert_array_equal(marks[name], path)
    ends = [line.get_xydata() for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(ends[:2], [[path[-1]] for path in paths.values()])
    assert "1 values not finite" in axes.get_xlabel()
    # Logarithmic levels over what is drawn: equal ratios.
    levels = axes.collections[0].levels
    np.testing.assert_allclose(levels[[0, -1]], [0.01, np.nanmax(losses)])
    np.testing.assert_allclose(levels[1:] / levels[:-1], levels[1] / levels[0])
    levels = plot_loss_plane(a, b, losses - 1).axes[0].collections[0].levels
    np.testing.assert_allclose(np.diff(levels), levels[1] - levels[0])


def test_what_does_not_fit_together_is_named(params):
    at = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="`end` must have the structure and shapes of `start`"):
        loss_along_line(quadratic, point(0.0, 0.0), {"x": jnp.zeros(1)}, at)
    wrong = point(0.0, 0.0) | {"x": jnp.zeros(2)}
    with pytest.raises(ValueError, match="`second` must have the structure and shapes of `params`"):
        loss_on_plane(quadratic, point(0.0, 0.0), point(1.0, 0.0), wrong, at, at)
    with pytest.raises(ValueError, match="`params` must have a kernel, of two axes or more"):
        random_direction(jax.random.key(0), point(0.0, 0.0))
    path = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 1]), params)
    with pytest.raises(ValueError, match="`path` must have at least three points, got 2"):
        path_directions(path)
    line = {"x": jnp.arange(4.0)[:, None]}
    with pytest.raises(ValueError, match="`path` must not lie on a line"):
        path_directions(line)
    diverged = {"x": jnp.array([[0.0], [1.0], [jnp.inf], [2.0]])}
    with pytest.raises(ValueError, match="`path` must be finite, got point 2 that is not"):
        path_directions(diverged)
    with pytest.raises(ValueError, match=r"`first` and `second` must span a plane, got .* rank 1"):
        project_path(line, *({"x": jnp.full(1, x)} for x in (0.0, 1.0, 2.0)))


def test_what_cannot_be_drawn_is_named():
    at, flat = np.array([0.0, 1.0]), np.ones((2, 2))
    with pytest.raises(ValueError, match="`losses` must have a finite loss, got names"):
        plot_loss_line(at, {"one": np.full(2, np.nan)})
    with pytest.raises(ValueError, match="`at` must have at least 2 values in ascending order"):
        plot_loss_line(at[::-1], {"one": np.ones(2)})
    with pytest.raises(ValueError, match="must have two finite values that differ, got 1 every"):
        plot_loss_plane(at, at, flat)
    with pytest.raises(
        ValueError, match=r"`paths` must be inside .* got it from 0 to 2 along the sec"
    ):
        plot_loss_plane(at, at, np.eye(2), {"it": np.array([[0.0, 0.0], [1.0, 2.0]])})
    with pytest.raises(ValueError, match="`paths` must be at most 5, got 6"):
        plot_loss_plane(at, at, np.eye(2), dict.fromkeys("abcdef", np.zeros((1, 2))))
