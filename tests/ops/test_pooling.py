"""Pooling, in all its forms, against loops and PyTorch's definition, and with ties."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.platform import CPU, PLAIN
from jaxvision.ops.pooling import (
    adaptive_average_pool,
    average_pool,
    ceil_padding,
    global_average_pool,
    global_max_pool,
    max_pool,
)
from tests.ops.agreement import (
    assert_close,
    assert_forms_agree,
    first_order,
    random_arrays,
    run,
    second_order,
)

# (height, width), window, stride, padding, and a dilation that is not 1
CASES = {
    "2x2": ((6, 8), 2, 2, ((0, 0), (0, 0))),
    "2x2 with unused rows": ((7, 5), 2, 2, ((0, 0), (0, 0))),
    "3x3 of a ResNet": ((8, 10), 3, 2, ((1, 1), (1, 1))),
    "3x3 of an AlexNet": ((7, 8), 3, 2, ((0, 0), (0, 0))),
    "3x3 at stride 1": ((5, 4), 3, 1, ((1, 1), (1, 1))),
    "stride over the window": ((8, 9), 2, 3, ((0, 0), (1, 0))),
    "over the edge": ((8, 7), 3, 2, ceil_padding(8, 7, 3, 2)),
    "one window": ((5, 5), 5, 1, ((0, 0), (0, 0))),
    "one pixel": ((4, 4), 1, 2, ((0, 0), (0, 0))),
    "too large for taps": ((7, 8), 6, 1, ((2, 0), (0, 1))),
    "dilated": ((9, 8), 2, 1, ((0, 0), (0, 0)), 3),
    "dilated, strided and padded": ((9, 12), 3, 2, ((2, 1), (0, 2)), 2),
    "dilated and large": ((13, 12), 6, 1, ((0, 1), (2, 0)), 2),
}


def windows(x, window, stride, padding, dilation=1, *, fill):
    x = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    extent = dilation * (window - 1) + 1
    hs, ws = ((side - extent) // stride + 1 for side in x.shape[1:3])
    for i, j in np.ndindex(hs, ws):
        rows = slice(i * stride, i * stride + extent, dilation)
        columns = slice(j * stride, j * stride + extent, dilation)
        yield (slice(None), i, j), x[:, rows, columns]


def by_loops(reduce, x, *arguments, fill):
    """`reduce` of every window; the pairs (output pixel, window) may come in any order."""
    seen_at = windows(x, *arguments, fill=fill)
    pairs = [(place, reduce(seen, axis=(1, 2))) for place, seen in seen_at]
    _, last_row, last_column = pairs[-1][0]
    y = np.zeros((x.shape[0], last_row + 1, last_column + 1, x.shape[3]))
    for place, value in pairs:
        y[place] = value
    return y


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("pool", "reduce", "fill"), [(max_pool, np.max, -np.inf), (average_pool, np.mean, 0.0)]
)
def test_equals_the_definition_in_both_forms(name, pool, reduce, fill):
    size, *arguments = CASES[name]
    (x,) = random_arrays((2, *size, 3))
    y, *_ = assert_forms_agree(lambda x: pool(x, *arguments), (x,))
    assert_close(y, by_loops(reduce, x, *arguments, fill=fill), 1e-12)


@pytest.mark.parametrize("chosen", [CPU, PLAIN])
@pytest.mark.parametrize(
    "name",
    [
        *("2x2", "3x3 of a ResNet", "3x3 at stride 1", "over the edge"),
        *("dilated", "dilated, strided and padded"),
    ],
)
def test_the_first_of_equal_maxima_takes_the_gradient(name, chosen):
    size, window, stride, padding, *rest = CASES[name]
    (dilation,) = rest or [1]
    x = np.random.default_rng(0).integers(0, 2, size=(2, *size, 3)).astype(np.float32)
    expected = np.zeros((2, *(n + sum(p) for n, p in zip(size, padding, strict=True)), 3))
    for (_, i, j), seen in windows(x, window, stride, padding, dilation, fill=-np.inf):
        first = seen.reshape(2, window**2, 3).argmax(axis=1)
        for b, c in np.ndindex(2, 3):
            k, l = divmod(int(first[b, c]), window)  # noqa: E741
            expected[b, i * stride + dilation * k, j * stride + dilation * l, c] += 1
    (top, bottom), (left, right) = padding
    height, width = expected.shape[1:3]
    gradient = run(chosen, jax.grad(lambda x: max_pool(x, *CASES[name][1:]).sum()), x)
    np.testing.assert_array_equal(
        gradient, expected[:, top : height - bottom, left : width - right]
    )


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("pool", [max_pool, average_pool])
def test_higher_orders_and_vmap_agree(pool, dilation):
    function = partial(pool, window=3, stride=2, padding=((1, 1), (1, 1)), dilation=dilation)
    assert_forms_agree(function, random_arrays((1, 5, 5, 2)), order=second_order)
    assert_forms_agree(jax.vmap(function), random_arrays((3, 1, 5, 5, 2)))


@pytest.mark.parametrize("chosen", [CPU, PLAIN])
def test_nan_and_minus_infinity_pass_through(chosen):
    x = jnp.full((1, 4, 4, 1), -jnp.inf).at[0, 0, 0, 0].set(jnp.nan)
    y = run(chosen, lambda x: max_pool(x, 2, 2), x)
    np.testing.assert_array_equal(y[0, :, :, 0], [[np.nan, -np.inf], [-np.inf, -np.inf]])


def test_bfloat16():
    x = jnp.asarray(random_arrays((1, 6, 6, 2))[0], jnp.bfloat16)
    for pool in (max_pool, average_pool):
        function = partial(pool, window=2, stride=2)
        y, dy, _, (gradient,) = run(CPU, first_order(function), (x,), (x,))
        assert {y.dtype, dy.dtype, gradient.dtype} == {jnp.bfloat16.dtype}
        expected = run(PLAIN, function, x)
        assert_close(y.astype(jnp.float32), expected.astype(jnp.float32), 0.01)


@pytest.mark.parametrize(("height", "width", "size"), [(6, 9, 3), (7, 5, 3), (2, 3, 4), (3, 3, 3)])
def test_adaptive_average_pool_takes_pytorchs_windows(height, width, size):
    (x,) = random_arrays((2, height, width, 3))
    expected = np.zeros((2, size, size, 3))
    for i, j in np.ndindex(size, size):
        rows = slice(i * height // size, -(-(i + 1) * height // size))
        columns = slice(j * width // size, -(-(j + 1) * width // size))
        expected[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
    assert_close(adaptive_average_pool(jnp.float32(x), size), expected, 1e-6)


@pytest.mark.parametrize("side", range(3, 12))
def test_ceil_padding_lets_the_last_window_hang_over(side):
    """PyTorch's size: ceil((side - window) / stride) + 1."""
    (_, below), (_, right) = ceil_padding(side, 12, 3, 2)
    assert (side + below - 3) // 2 + 1 == int(np.ceil((side - 3) / 2)) + 1
    assert (12 + right - 3) // 2 + 1 == 6
    assert below < 2


@pytest.mark.parametrize(
    ("pool", "expected"), [(global_max_pool, np.max), (global_average_pool, np.mean)]
)
def test_global_pools_have_one_window(pool, expected):
    (x,) = random_arrays((2, 5, 3, 4))
    y, *_ = assert_forms_agree(pool, (x,))
    assert_close(y, expected(x, axis=(1, 2)), 1e-12)


def test_the_gradient_of_a_global_maximum_reaches_the_first_of_equal_maxima_only():
    x = np.random.default_rng(0).integers(0, 4, size=(3, 4, 5, 2)).astype(np.float32)
    expected = np.zeros_like(x)
    for b, c in np.ndindex(3, 2):
        row, column = divmod(int(x[b, :, :, c].argmax()), 5)
        expected[b, row, column, c] = 1
    gradient = jax.grad(lambda x: global_max_pool(x).sum())(jnp.asarray(x))
    np.testing.assert_array_equal(gradient, expected)
    gradient = jax.grad(lambda x: global_average_pool(x).sum())(jnp.asarray(x))
    np.testing.assert_allclose(gradient, np.full_like(x, 1 / 20), rtol=1e-6)


def test_a_window_without_gaps_has_dilation_1():
    x = jnp.ones((1, 6, 6, 1))
    for pool in (max_pool, average_pool):
        with pytest.raises(ValueError, match="`dilation` must be a whole number from 1 on, got 0"):
            pool(x, 2, 2, dilation=0)


def test_the_taps_of_a_large_dilated_window_can_be_told_apart():
    """The last of 12 x 12: more than a byte with a sign can count."""
    x = jnp.arange(23.0**2).reshape(1, 23, 23, 1)
    gradient = run(CPU, jax.grad(lambda x: max_pool(x, 12, 1, dilation=2).sum()), x)
    np.testing.assert_array_equal(gradient, (x == 23**2 - 1).astype(np.float32))
