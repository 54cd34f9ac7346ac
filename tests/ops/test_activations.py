"""The squashing function of LeNet-5 against its fixed points, NumPy and its symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
