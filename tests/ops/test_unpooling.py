"""Maxima and where they are: by hand, by loops, as PyTorch, and what a shift of a pixel does."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.pooling import max_pool
from jaxvision.ops.unpooling import max_pool_with_positions, max_unpool
from tests.ops.agreement import QUICK, random_arrays
from tests.ops.shifts import shift_sensitivity

jit = partial(jax.jit, compiler_options=QUICK)

# (height, width), window, stride, padding, dilation
CASES = {
    "2x2": ((6, 8), 2, None, 0, 1),
    "unused rows": ((7, 5), 2, 2, 0, 1),
    "3x3 with padding": ((8, 9), 3, 2, 1, 1),
    "overlapping": ((5, 6), 3, 1, 1, 1),
    "dilated": ((9, 8), 3, 2, 2, 3),
}


def by_loops(x, window, stride, padding, dilation):
    """Every pixel of every window, by rows: (y, positions)."""
    b, h, w, c = x.shape
    stride = stride or window
    hs, ws = ((n + 2 * padding - dilation * (window - 1) - 1) // stride + 1 for n in (h, w))
    y, positions = np.full((b, hs, ws, c), -np.inf), np.full((b, hs, ws, c), -1)
    for i, j, m, n in np.ndindex(hs, ws, window, window):
        row, column = stride * i + dilation * m - padding, stride * j + dilation * n - padding
        if 0 <= row < h and 0 <= column < w:
            larger = (x[:, row, column] > y[:, i, j]) | (positions[:, i, j] < 0)
            y[:, i, j] = np.where(larger, x[:, row, column], y[:, i, j])
            positions[:, i, j] = np.where(larger, row * w + column, positions[:, i, j])
    return y, positions


# --- by hand


def test_by_hand():
    x = jnp.array([[1.0, 5, 2, 2], [3, 4, 2, 2]]).reshape(1, 2, 4, 1)
    y, positions = max_pool_with_positions(x, 2)
    np.testing.assert_array_equal(y.ravel(), [5, 2])
    np.testing.assert_array_equal(positions.ravel(), [1, 2])  # the first of four that are equal
    back = max_unpool(y, positions, 2, 4)
    np.testing.assert_array_equal(back[0, :, :, 0], [[0, 5, 2, 0], [0, 0, 0, 0]])
    gradient = jax.grad(lambda x: max_pool_with_positions(x, 2)[0].sum())(x)
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0, 1, 1, 0], [0, 0, 0, 0]])


def test_minus_infinity_has_a_position_in_the_image_and_nan_is_the_largest():
    x = jnp.full((1, 2, 2, 1), -jnp.inf)
    _, positions = max_pool_with_positions(x, 2, 2, padding=1)
    np.testing.assert_array_equal(positions.ravel(), [0, 1, 2, 3])
    x = jnp.array([1.0, jnp.nan, 3.0, 2.0]).reshape(1, 2, 2, 1)
    y, positions = max_pool_with_positions(x, 2)
    assert np.isnan(y.item()) and positions.item() == 1


# --- reference: loops, and PyTorch


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ties", [False, True])
def test_equals_loops(name, ties):
    size, *arguments = CASES[name]
    (x,) = random_arrays((2, *size, 3))
    x = np.float32(np.round(x) if ties else x)
    y, positions = jit(lambda x: max_pool_with_positions(x, *arguments))(x)
    expected = by_loops(x, *arguments)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(positions, expected[1])
    # The gradient goes to the positions and nowhere else.
    gradient = jit(jax.grad(lambda x: max_pool_with_positions(x, *arguments)[0].sum()))(x)
    counts = np.zeros((2, size[0] * size[1], 3))
    for b, i, j, c in np.ndindex(positions.shape):
        counts[b, positions[b, i, j, c], c] += 1
    np.testing.assert_array_equal(np.reshape(gradient, counts.shape), counts)


@pytest.mark.parity
@pytest.mark.parametrize("name", CASES)
def test_equals_pytorch(name):
    torch = pytest.importorskip("torch")
    (h, w), window, stride, padding, dilation = CASES[name]
    padding = min(padding, window // 2)  # PyTorch's rule
    (x,) = random_arrays((2, h, w, 3))
    x = np.float32(np.round(x, 1))
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    values, indices = torch.nn.functional.max_pool2d(
        images, window, stride, padding, dilation, return_indices=True
    )
    y, positions = max_pool_with_positions(jnp.asarray(x), window, stride, padding, dilation)
    np.testing.assert_array_equal(y.transpose(0, 3, 1, 2), values)
    np.testing.assert_array_equal(positions.transpose(0, 3, 1, 2), indices)
    if dilation == 1:
        unpool = torch.nn.functional.max_unpool2d
        back = unpool(values, indices, window, stride, padding, output_size=(h, w))
        ours = max_unpool(y, positions, h, w).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(ours, back)


# --- theorem


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31))
def test_unpooling_and_pooling_again_changes_nothing(seed):
    x = np.random.default_rng(seed).uniform(0.1, 1, (2, 6, 8, 3)).astype(np.float32)
    x = jnp.asarray(x)
    y, positions = max_pool_with_positions(x, 2)
    back = max_unpool(y, positions, 6, 8)
    again, same = max_pool_with_positions(back, 2)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(same, positions)
    np.testing.assert_array_equal(np.where(back > 0, x, 0), back)


def test_is_max_pool_and_its_gradient():
    x = jnp.float32(random_arrays((2, 7, 9, 3))[0])
    ours, theirs = (
        jax.value_and_grad(lambda x, pool=pool: jnp.sin(pool(x)).sum())(x)
        for pool in (
            lambda x: max_pool_with_positions(x, 3, 2, 1)[0],
            lambda x: max_pool(x, 3, 2, ((1, 1), (1, 1))),
        )
    )
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6)


def test_the_gradient_of_unpooling_takes_what_is_at_the_positions():
    y, positions = max_pool_with_positions(jnp.float32(random_arrays((1, 4, 6, 2))[0]), 2)
    (weights,) = random_arrays((1, 4, 6, 2), seed=1)
    gradient = jax.grad(lambda y: (max_unpool(y, positions, 4, 6) * weights).sum())(y)
    rows = weights.reshape(24, 2)
    expected = np.take_along_axis(rows, np.asarray(positions).reshape(6, 2), axis=0)
    np.testing.assert_allclose(gradient.reshape(6, 2), expected, rtol=1e-6)


# --- shifts


def test_convolution_moves_with_the_image():
    x, kernel = (jnp.float32(a) for a in random_arrays((2, 8, 9, 3), (3, 3, 3, 2)))
    here, there = (conv2d(part, kernel) for part in (x[:, :, :-1], x[:, :, 1:]))
    np.testing.assert_allclose(here[:, :, 1:], there[:, :, :-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [2, 3, 4])
def test_max_pooling_is_partly_invariant_to_shifts(window):
    """Of two windows one column apart, k (k - 1) of the k (k + 1) pixels are in both, and if the
    largest of all is one of those, nothing changes: 2 / (k + 1) of the outputs do."""
    images = jnp.float32(random_arrays((8, 60, 61, 4))[0])
    share, change = shift_sensitivity(lambda x: max_pool(x, window, window), images)
    # Five deviations of as many coins as there are outputs.
    outputs = 8 * 4 * (60 // window) ** 2
    assert abs(share - 2 / (window + 1)) < 5 * (0.25 / outputs) ** 0.5
    assert 0 < change < 1
    # Nothing pooled: everything changes. All pooled: next to nothing.
    assert shift_sensitivity(lambda x: x[:, ::2, ::2], images)[0] == 1
    assert shift_sensitivity(lambda x: x.max(axis=(1, 2)), images)[0] < 0.15


def test_max_pooling_moves_with_the_image_by_whole_strides():
    (x,) = random_arrays((1, 6, 10, 2))
    here, there = (
        max_pool_with_positions(jnp.float32(part), 2)[0] for part in (x[:, :, :-2], x[:, :, 2:])
    )
    np.testing.assert_array_equal(here[:, :, 1:], there[:, :, :-1])


# --- doors


def test_refuses_windows_of_nothing_but_padding():
    with pytest.raises(ValueError, match=r"`padding` must leave .* got 2 around 4 x 4 .* most 1"):
        max_pool_with_positions(jnp.ones((1, 4, 4, 1)), 2, 1, padding=2)


def test_refuses_positions_outside():
    y, positions = max_pool_with_positions(jnp.ones((1, 4, 4, 1)), 2)
    with pytest.raises(ValueError, match=r"`positions` must be in \[0, 8\), got 0 to 10"):
        max_unpool(y, positions, 2, 4)
    unpooled = jax.jit(lambda y, positions: max_unpool(y, positions, 2, 4))(y, positions)
    assert unpooled.sum() == 2
