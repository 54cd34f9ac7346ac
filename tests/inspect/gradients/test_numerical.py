"""Differences and the complex step, against derivatives by hand and by autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.inspect.gradients import central_differences, complex_step
from jaxvision.inspect.gradients.flat import MOST_AT_ONCE, map_in_chunks

PARAMS = {
    "w": jnp.asarray([[0.3, -0.2, 1.1], [0.5, 0.7, -0.9]]),
    "nested": [jnp.float32(1.5), np.float64(0.25)],
}
METHODS = pytest.mark.parametrize("method", [central_differences, complex_step])


def smooth(params):
    scale, shift = params["nested"]
    return jnp.sum(jnp.sin(params["w"]) * jnp.exp(scale)) + shift**3


def by_hand(params):
    w, (scale, shift) = np.float64(params["w"]), map(np.float64, params["nested"])
    return {
        "w": np.cos(w) * np.exp(scale),
        "nested": [np.sum(np.sin(w)) * np.exp(scale), 3 * shift**2],
    }


@pytest.mark.parametrize(
    ("method", "rtol"), [(central_differences, 1e-8), (complex_step, 1e-14)], ids=["central", "i"]
)
def test_gradients_are_those_by_hand(method, rtol):
    found = method(smooth, PARAMS)
    assert jax.tree.structure(found) == jax.tree.structure(PARAMS)
    assert all(leaf.dtype == np.float64 for leaf in jax.tree.leaves(found))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol), found, by_hand(PARAMS))


@METHODS
def test_float32_callers_get_digits_that_float32_has_not_and_keep_their_setting(method):
    # f32 would leave 3 digits of a difference: (1 + 1e-4 x)' is 1e-4 beside 1.
    found = method(lambda x: jnp.sum(1 + 1e-4 * x**2), jnp.asarray([3.0, -2.0], jnp.float32))
    np.testing.assert_allclose(found, [6e-4, -4e-4], rtol=1e-6)
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == np.float32


@METHODS
def test_the_setting_is_untouched_after_an_error(method):
    with pytest.raises(ZeroDivisionError):
        method(lambda x: 1 / 0, jnp.ones(1))
    assert not jax.config.jax_enable_x64


def test_a_step_of_a_difference_may_be_chosen_and_the_complex_one_subtracts_nothing():
    # The third derivative's share of the error is h^2 / 6, to the digit.
    x = jnp.zeros(())
    np.testing.assert_allclose(central_differences(jnp.sin, x, 1e-2), 1 - 1e-4 / 6, rtol=1e-9)
    np.testing.assert_allclose(complex_step(jnp.sin, x, 1e-2), 1 + 1e-4 / 6, rtol=1e-9)
    # Squire & Trapp's example, section 2: exact where differences have lost all digits.
    x = jnp.asarray(1.5)

    def squire_trapp(x):
        return jnp.exp(x) / (jnp.sin(x) ** 3 + jnp.cos(x) ** 3)

    np.testing.assert_allclose(complex_step(squire_trapp, x), 3.62203370071632, rtol=1e-14)
    assert abs(central_differences(squire_trapp, x, 1e-13) - 3.622033700716) > 1e-4


def test_more_elements_than_fit_in_a_chunk():
    x = jnp.asarray(np.random.default_rng(0).normal(size=MOST_AT_ONCE * 2 + 5))
    found = central_differences(lambda x: jnp.sum(jnp.sin(x)), x)
    np.testing.assert_allclose(found, np.cos(np.float64(x)), rtol=1e-8, atol=1e-9)
    rows = np.arange(1000.0)
    np.testing.assert_array_equal(map_in_chunks(lambda x: 2 * x, 2**30, rows[:3]), 2 * rows[:3])
    np.testing.assert_array_equal(map_in_chunks(lambda x: 2 * x, 1, rows), 2 * rows)


@settings(deadline=None, max_examples=3)
@given(st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4))
def test_of_a_quadratic_both_are_exact(values):
    # A central difference has no error of order h^2 without a third derivative.
    x = np.float64(values)
    matrix = np.arange(16.0).reshape(4, 4) / 8

    def quadratic(x):
        return x @ jnp.asarray(matrix) @ x

    expected = (matrix + matrix.T) @ x
    for method in (central_differences, complex_step):
        np.testing.assert_allclose(method(quadratic, x), expected, rtol=1e-8, atol=2e-9)


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (lambda x: jnp.sum(jnp.abs(x)), "drops the derivative"),
        (lambda x: jnp.sum(jnp.abs(x)) + jnp.sum(x), "analytic"),
        (lambda x: jnp.sum(x * jnp.conj(x)) + jnp.sum(x), "analytic"),
        (lambda x: jnp.sum(jnp.floor(x)), "take complex numbers"),
    ],
    ids=["abs", "abs and more", "conjugate", "floor"],
)
def test_functions_that_are_not_analytic_are_refused(fn, says):
    with pytest.raises(ValueError, match=says):
        complex_step(fn, jnp.asarray([0.5, -0.5, -2.0]))


@METHODS
@pytest.mark.parametrize(
    ("fn", "params", "says"),
    [
        (jnp.sum, {"a": jnp.ones(2), "n": jnp.arange(2)}, "floating point, got n of int32"),
        (jnp.sum, jax.random.key(0), "floating point, got params of key"),
        (jnp.sum, {}, "at least one number"),
        (lambda x: x, jnp.ones(2), r"one number, got shape \[2\]"),
        (lambda x: (x, x), jnp.ones(()), "one number, got tuple"),
        (lambda x: jnp.sum(x).astype(jnp.float32), jnp.ones(2), "return float64"),
        (lambda x: jnp.log(x[0] - 1), jnp.zeros(2), "finite at `params`, got nan"),
    ],
    ids=["integers", "key", "empty", "vector", "pair", "float32", "nan"],
)
def test_bad_arguments_are_refused(method, fn, params, says):
    with pytest.raises(ValueError, match=says):
        method(fn, params)


def test_a_value_beside_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"not for b\[1\] with a step"):
        central_differences(
            lambda p: jnp.sum(p["a"]) + jnp.sum(jnp.where(p["b"] < 0, jnp.nan, p["b"])),
            {"a": jnp.ones(3), "b": jnp.asarray([1.0, 0.0])},
        )
    with pytest.raises(ValueError, match="`step` must be"):
        central_differences(jnp.sum, jnp.ones(1), 0)
