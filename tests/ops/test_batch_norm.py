"""Batch normalisation, in both forms, against NumPy in float64 and against what it promises."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.batch_norm import batch_norm, batch_norm_relu, normalize
from jaxvision.ops.platform import CPU, PLAIN
from tests.ops.agreement import (
    assert_close,
    assert_forms_agree,
    first_order,
    random_arrays,
    run,
    second_order,
)

EPSILON = 1e-3
BOTH = pytest.mark.parametrize("compute", [batch_norm, batch_norm_relu])
IN_EACH_FORM = pytest.mark.parametrize("chosen", [CPU, PLAIN])


def arrays(*shape):
    return random_arrays(shape, shape[-1:], shape[-1:])


def by_numpy(x, scale, bias):
    """Algorithm 1 in float64."""
    mean = x.mean(axis=(0, 1, 2), dtype=np.float64)
    var = ((x - mean) ** 2).mean(axis=(0, 1, 2))
    return scale * (x - mean) / np.sqrt(var + EPSILON) + bias, mean, var


@BOTH
@pytest.mark.parametrize(
    "shape", [(4, 5, 6, 3), (1, 17, 9, 2), (3, 1, 1, 4), (1, 1, 1, 2)], ids=str
)
def test_equals_algorithm_1_in_both_forms(compute, shape):
    x, scale, bias = arrays(*shape)
    function = partial(compute, epsilon=EPSILON)
    results, *_ = assert_forms_agree(function, (x, scale, bias), rtol=1e-11)
    y, *statistics = by_numpy(x, scale, bias)
    expected = (np.maximum(y, 0) if compute is batch_norm_relu else y, *statistics)
    for ours, theirs in zip(results, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@BOTH
def test_higher_orders_and_vmap_agree(compute):
    function = partial(compute, epsilon=EPSILON)
    assert_forms_agree(function, arrays(2, 3, 3, 2), order=second_order, rtol=1e-11)
    stacked = [np.stack([a, 2 * a, -a]) for a in arrays(2, 3, 3, 2)]
    assert_forms_agree(jax.vmap(function), stacked, rtol=1e-11)


@IN_EACH_FORM
@pytest.mark.parametrize("rows", [1, 30])
def test_values_far_from_zero(chosen, rows):
    """float32 has 7 digits: of values 1000 away from 0, 4 are left for a deviation of 1."""
    x = 1000 + np.random.default_rng(0).normal(size=(8, rows, 10, 2)).astype(np.float32)
    x[..., 1] -= 2000
    scale, bias, weights = (np.float32(a) for a in random_arrays((2,), (2,), x.shape))

    def everything(x, scale, bias, weights):
        (y, mean, var), transpose = jax.vjp(lambda x: batch_norm(x, scale, bias, EPSILON), x)
        return y, mean, var, *transpose((weights, mean, var))

    y, mean, var, gradient = run(chosen, everything, x, scale, bias, weights)
    x, scale, bias, weights = (a.astype(np.float64) for a in (x, scale, bias, weights))
    expected = by_numpy(x, scale, bias)
    np.testing.assert_allclose(mean, expected[1], rtol=1e-6)
    np.testing.assert_allclose(var, expected[2], rtol=1e-3)
    np.testing.assert_allclose(y, expected[0], atol=2e-3)
    with jax.enable_x64(True):
        *_, exact = run(PLAIN, everything, x, scale, bias, weights)
    assert_close(gradient, exact, 2e-3)


@BOTH
@IN_EACH_FORM
def test_bfloat16_images_keep_float32_statistics(compute, chosen):
    x, scale, bias = arrays(4, 5, 6, 3)
    x = jnp.asarray(x, jnp.bfloat16)
    arguments = x, jnp.float32(scale), jnp.float32(bias)
    function = first_order(partial(compute, epsilon=EPSILON))
    (y, mean, var), (dy, *_), _, gradients = run(chosen, function, arguments, arguments)
    assert y.dtype == dy.dtype == gradients[0].dtype == jnp.bfloat16
    assert {a.dtype for a in (mean, var, *gradients[1:])} == {jnp.float32.dtype}
    _, expected_mean, expected_var = by_numpy(np.asarray(x, np.float64), 1, 1)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-6)
    np.testing.assert_allclose(var, expected_var, rtol=1e-5)


@IN_EACH_FORM
def test_the_statistics_carry_no_gradient(chosen):
    def total(x, scale, bias):
        _, mean, var = batch_norm(x, scale, bias, EPSILON)
        return (mean + var).sum()

    for gradient in run(chosen, jax.grad(total, argnums=(0, 1, 2)), *arrays(2, 3, 3, 2)):
        assert not gradient.any()


@IN_EACH_FORM
def test_a_constant_channel_becomes_its_bias(chosen):
    """Up to the rounding of its mean, which epsilon keeps from being divided by 0."""
    function = partial(batch_norm, epsilon=EPSILON)
    x, bias = jnp.full((2, 9, 4, 2), 3.7), jnp.array([0.5, -1.5])
    y, _, var = run(chosen, function, x, jnp.array([1.0, 2.0]), bias)
    np.testing.assert_allclose(var, 0, atol=1e-10)
    np.testing.assert_allclose(y, np.broadcast_to(bias, x.shape), atol=1e-3)


def test_normalize_is_the_equation_for_given_statistics():
    x, scale, bias = arrays(2, 3, 3, 2)
    expected, mean, var = by_numpy(x, scale, bias)
    y = run(PLAIN, partial(normalize, epsilon=EPSILON), x, mean, var, scale, bias)
    np.testing.assert_allclose(y, expected, atol=1e-5)
