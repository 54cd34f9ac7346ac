"""Each activation against its definition, its range and its slopes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops import activations
from jaxvision.ops.activations import scaled_tanh


def test_scaled_tanh_keeps_one_minus_one_and_zero():
    # A = 1.7159 is 1 / tanh(2/3) rounded to four decimals: 1 - f(1) = 2.7e-6.
    np.testing.assert_allclose(scaled_tanh(jnp.array([1.0, -1.0, 0.0])), [1, -1, 0], atol=3e-6)


def test_scaled_tanh_follows_numpy_in_float64():
    a = np.linspace(-20, 20, 1001)
    with jax.enable_x64(True):
        actual = scaled_tanh(jnp.asarray(a))
    np.testing.assert_allclose(actual, 1.7159 * np.tanh(2 / 3 * a), rtol=1e-14)


def test_scaled_tanh_is_odd_and_bounded_with_unit_gain_near_its_targets():
    a = jnp.linspace(0, 50, 501)
    np.testing.assert_array_equal(scaled_tanh(-a), -scaled_tanh(a))
    assert float(jnp.max(scaled_tanh(a))) == pytest.approx(1.7159)
    # f'(0) = A S; and f' + (S / A) f^2 = A S everywhere, the differential equation of tanh.
    np.testing.assert_allclose(jax.grad(scaled_tanh)(0.0), 1.7159 * 2 / 3, rtol=1e-6)
    slopes = jax.vmap(jax.grad(scaled_tanh))(a)
    np.testing.assert_allclose(
        slopes + 2 / 3 / 1.7159 * scaled_tanh(a) ** 2, np.full(501, 1.7159 * 2 / 3), rtol=1e-6
    )


def test_scaled_tanh_bends_most_just_inside_its_targets():
    with jax.enable_x64(True):
        a = jnp.linspace(0, 3, 3001)
        bend = jnp.abs(jax.vmap(jax.grad(jax.grad(scaled_tanh)))(a))
        assert float(a[jnp.argmax(bend)]) == pytest.approx(0.988, abs=1e-3)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_scaled_tanh_keeps_shape_and_dtype(dtype):
    y = jax.eval_shape(scaled_tanh, jax.ShapeDtypeStruct((2, 3, 4), dtype))
    assert y.shape == (2, 3, 4)
    assert y.dtype == dtype


GRID = np.linspace(-12, 12, 2401)  # 0 among them

# Each by its definition in NumPy, its infimum and supremum, and where its slope dies.
KNOWN = {
    "relu": (activations.relu, lambda a: np.maximum(a, 0), 0, np.inf),
    "leaky_relu": (activations.leaky_relu, lambda a: np.where(a > 0, a, 0.1 * a), -np.inf, np.inf),
    "elu": (activations.elu, lambda a: np.where(a > 0, a, np.expm1(a)), -1, np.inf),
    "selu": (
        activations.selu,
        lambda a: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(a)),
        -1.7580993408473766,
        np.inf,
    ),
    "sigmoid": (activations.sigmoid, lambda a: 1 / (1 + np.exp(-a)), 0, 1),
    "tanh": (activations.tanh, lambda a: 2 / (1 + np.exp(-2 * a)) - 1, -1, 1),
    "scaled_tanh": (scaled_tanh, lambda a: 1.7159 * np.tanh(2 / 3 * a), -1.7159, 1.7159),
}
each_known = pytest.mark.parametrize("name", KNOWN)


@each_known
def test_follows_its_definition_in_float64(name):
    function, definition, _, _ = KNOWN[name]
    with jax.enable_x64(True):
        actual = function(jnp.asarray(GRID))
    np.testing.assert_allclose(actual, definition(GRID), rtol=1e-12, atol=1e-15)


@each_known
def test_has_the_range_of_the_table(name):
    function, _, low, high = KNOWN[name]
    with jax.enable_x64(True):
        left, right = float(function(jnp.asarray(-1e3))), float(function(jnp.asarray(1e3)))
    assert left == low if np.isfinite(low) else left < -10
    assert right == high if np.isfinite(high) else right > 10


@pytest.mark.parametrize(
    ("name", "largest"),
    [("sigmoid", 0.25), ("tanh", 1.0), ("scaled_tanh", 1.7159 * 2 / 3)],
)
def test_the_slope_is_largest_at_zero_and_dies_at_both_ends(name, largest):
    slope = jax.vmap(jax.grad(KNOWN[name][0]))
    slopes = slope(jnp.asarray(GRID, jnp.float32))
    assert float(jnp.max(slopes)) == pytest.approx(largest, rel=1e-6)
    assert int(jnp.argmax(slopes)) == len(GRID) // 2
    assert float(jnp.max(slope(jnp.array([-50.0, 50.0])))) < 1e-12


def test_slopes_below_zero():
    below = jnp.array(-3.0)
    assert float(jax.grad(activations.relu)(below)) == 0  # a dead unit
    assert float(jax.grad(activations.leaky_relu)(below)) == pytest.approx(0.1)
    assert float(jax.grad(lambda a: activations.leaky_relu(a, 0.3))(below)) == pytest.approx(0.3)
    assert float(jax.grad(activations.elu)(below)) == pytest.approx(np.exp(-3), rel=1e-6)


def test_a_sigmoid_is_a_tanh_at_half_the_sum():
    a = jnp.asarray(GRID, jnp.float32)
    np.testing.assert_allclose(
        activations.tanh(a), 2 * activations.sigmoid(2 * a) - 1, rtol=1e-5, atol=1e-6
    )


def test_prelu_has_a_slope_a_channel_that_learns():
    a = jnp.array([[-2.0, -2.0], [3.0, -1.0]])
    slope = jnp.array([0.25, 0.5])
    np.testing.assert_array_equal(activations.prelu(a, slope), [[-0.5, -1], [3, -0.5]])
    gradient = jax.grad(lambda s: activations.prelu(a, s).sum())(slope)
    np.testing.assert_array_equal(gradient, [-2, -3])  # the sums of the negative entries


def test_prelu_with_one_slope_is_flaxs():
    a = jnp.asarray(GRID.reshape(-1, 1), jnp.float32)
    layer = nn.PReLU()
    variables = layer.init(jax.random.key(0), a)
    (slope,) = jax.tree.leaves(variables)
    np.testing.assert_array_equal(activations.prelu(a, slope.reshape(1)), layer.apply(variables, a))


def test_maxout_by_hand():
    a = jnp.array([[1.0, 5.0, -2.0, -7.0, 0.0, 0.0]])
    np.testing.assert_array_equal(activations.maxout(a, 2), [[5, -2, 0]])
    np.testing.assert_array_equal(activations.maxout(a, 3), [[5, 0]])
    np.testing.assert_array_equal(activations.maxout(a, 1), a)


def test_maxout_of_two_sums_is_a_relu_or_an_absolute_value():
    # Goodfellow et al., figure 1: maxout units learn the activation.
    a = jnp.asarray(GRID, jnp.float32).reshape(-1, 1)
    for other, expected in ((0 * a, jnp.maximum(a, 0)), (-a, jnp.abs(a))):
        pair = jnp.concatenate([a, other], axis=1)
        np.testing.assert_array_equal(activations.maxout(pair, 2), expected)


@pytest.mark.parametrize("pieces", [0, 4])
def test_maxout_names_channels_that_do_not_divide(pieces):
    with pytest.raises(ValueError, match=rf"`pieces` must divide the 6 channels, got {pieces}"):
        activations.maxout(jnp.zeros((2, 6)), pieces)
