"""Upsampling by hand, by loops, as PyTorch, and transposed convolution as what it is called for."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxvision.ops.platform import CPU, PLAIN
from jaxvision.ops.upsampling import (
    pixel_shuffle,
    pixel_unshuffle,
    transposed_conv2d,
    transposed_output_size,
    upsample_bilinear,
    upsample_nearest,
)
from tests.ops.agreement import assert_close, assert_forms_agree, random_arrays, run

AXES = ("NHWC", "HWIO", "NHWC")

# (height, width), (kh, kw), stride, padding, output_padding
CASES = {
    "u-net": ((3, 4), (2, 2), 2, 0, 0),
    "4x4/2": ((3, 2), (4, 4), 2, 1, 0),
    "3x3/2 and more": ((4, 3), (3, 3), 2, 1, 1),
    "more than the kernel reaches": ((2, 3), (2, 2), 3, 0, 2),
    "stride 1": ((4, 5), (3, 3), 1, 2, 0),
    "oblong": ((3, 3), (5, 2), 3, 0, 1),
    "mostly padding": ((3, 3), (2, 2), 2, 2, 0),
    "9x9/3": ((2, 2), (9, 9), 3, 4, 2),
}


def by_loops(x, kernel, stride, padding, output_padding):
    """Each input pixel adds its kernels to a canvas that is large enough, and then cut out."""
    b, h, w, _ = x.shape
    kh, kw, _, m = kernel.shape
    height, width = (stride * (n - 1) + k + output_padding for n, k in ((h, kh), (w, kw)))
    canvas = np.zeros((b, height, width, m))
    for i, j, k, l in np.ndindex(h, w, kh, kw):  # noqa: E741
        canvas[:, stride * i + k, stride * j + l] += x[:, i, j] @ kernel[k, l]
    return canvas[:, padding : height - padding, padding : width - padding]


# --- by hand


def test_nearest_by_hand():
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(
        upsample_nearest(x, 2)[0, :, :, 0],
        [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]],
    )


@pytest.mark.parametrize(
    ("align_corners", "pixels", "expected"),
    [
        # Centres at 1/2 and 3/2 of 2; those of 4 at 1/4, 3/4, 5/4, 7/4 of the same length.
        (False, 4, [0, 2, 6, 8]),
        (True, 4, [0, 8 / 3, 16 / 3, 8]),
        (False, 3, [0, 4, 8]),
        (True, 3, [0, 4, 8]),
        (False, 1, [4]),
        (True, 1, [0]),
    ],
)
def test_bilinear_by_hand(align_corners, pixels, expected):
    x = jnp.array([0.0, 8.0]).reshape(1, 1, 2, 1)
    columns = upsample_bilinear(x, 1, pixels, align_corners=align_corners)
    np.testing.assert_allclose(columns.ravel(), expected, rtol=1e-6)
    rows = upsample_bilinear(x.transpose(0, 2, 1, 3), pixels, 1, align_corners=align_corners)
    np.testing.assert_allclose(rows.ravel(), expected, rtol=1e-6)


def test_pixel_shuffle_by_hand():
    x = jnp.arange(8.0).reshape(1, 1, 1, 8)
    y = pixel_shuffle(x, 2)
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(y[0, :, :, 1], [[4, 5], [6, 7]])


def test_transposed_by_hand():
    x, kernel = jnp.array([1.0, 10.0]).reshape(1, 1, 2, 1), jnp.arange(1.0, 4).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(transposed_conv2d(x, kernel, 1).ravel(), [1, 12, 23, 30])
    np.testing.assert_array_equal(transposed_conv2d(x, kernel, 2).ravel(), [1, 2, 3 + 10, 20, 30])


# --- reference: loops, and PyTorch


@pytest.mark.parametrize("name", CASES)
def test_transposed_equals_loops_in_both_forms_and_all_derivatives(name):
    (h, w), window, *numbers = CASES[name]
    x, kernel = random_arrays((2, h, w, 3), (*window, 3, 2))
    y, *_ = assert_forms_agree(lambda x, k: transposed_conv2d(x, k, *numbers), (x, kernel))
    expected = by_loops(x, kernel, *numbers)
    assert_close(y, expected, 1e-12)
    sizes = (transposed_output_size(n, k, *numbers) for n, k in zip((h, w), window, strict=True))
    assert expected.shape == (2, *sizes, 2)


@pytest.mark.parity
@pytest.mark.parametrize("name", CASES)
def test_transposed_equals_pytorch(name):
    torch = pytest.importorskip("torch")
    (h, w), window, stride, padding, output_padding = CASES[name]
    x, kernel = (np.float32(a) for a in random_arrays((2, h, w, 3), (*window, 3, 2)))
    ours = transposed_conv2d(jnp.asarray(x), jnp.asarray(kernel), stride, padding, output_padding)
    theirs = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(kernel.transpose(2, 3, 0, 1).copy()),
        stride=stride,
        padding=padding,
        output_padding=output_padding,
    )
    assert_close(ours.transpose(0, 3, 1, 2), theirs.numpy(), 1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("size", [(7, 11), (10, 5), (3, 2), (1, 4), (12, 20)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_bilinear_equals_pytorch(size, align_corners):
    torch = pytest.importorskip("torch")
    (x,) = random_arrays((2, 6, 5, 3))
    x = np.float32(x)
    ours = upsample_bilinear(jnp.asarray(x), *size, align_corners=align_corners)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(x.transpose(0, 3, 1, 2).copy()),
        size=size,
        mode="bilinear",
        align_corners=align_corners,
    )
    assert_close(ours.transpose(0, 3, 1, 2), theirs.numpy(), 1e-5)


@pytest.mark.parity
def test_nearest_and_pixel_shuffle_equal_pytorch():
    torch = pytest.importorskip("torch")
    (x,) = random_arrays((2, 4, 6, 18))
    x = np.float32(x)
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    functional = torch.nn.functional
    for ours, theirs in (
        (pixel_shuffle(jnp.asarray(x), 3), functional.pixel_shuffle(images, 3)),
        (pixel_unshuffle(jnp.asarray(x), 2), functional.pixel_unshuffle(images, 2)),
        (upsample_nearest(jnp.asarray(x), 3), functional.interpolate(images, scale_factor=3)),
    ):
        np.testing.assert_array_equal(ours.transpose(0, 3, 1, 2), theirs)


# --- theorem


@pytest.mark.parametrize("chosen", [CPU, PLAIN])
@pytest.mark.parametrize("more", [0, 1])
def test_transposed_is_the_gradient_of_a_convolution(chosen, more):
    """<conv(v), x> = <v, transposed(x)> for all v and x; the size is the one that goes in."""
    v, x, kernel = random_arrays((2, 7 + more, 9 + more, 2), (2, 4, 5, 3), (3, 3, 3, 2))
    with jax.enable_x64(True):
        exchanged = kernel.transpose(0, 1, 3, 2)
        conv = lax.conv_general_dilated(v, exchanged, (2, 2), ((1, 1),) * 2, dimension_numbers=AXES)
        back = run(
            chosen, partial(transposed_conv2d, stride=2, padding=1, output_padding=more), x, kernel
        )
        assert back.shape == v.shape
        np.testing.assert_allclose(np.vdot(conv, x), np.vdot(v, back), rtol=1e-12)


@settings(deadline=None, max_examples=100)
@given(*(st.integers(1, 9) for _ in range(3)), st.integers(0, 4), st.integers(0, 8))
def test_output_size_undoes_that_of_a_convolution(size, window, stride, padding, more):
    more %= stride
    if stride * (size - 1) + window - 2 * padding < 1:
        return
    enlarged = transposed_output_size(size, window, stride, padding, more)
    assert (enlarged + 2 * padding - window) // stride + 1 == size


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_shuffling_is_a_permutation_with_its_inverse(seed):
    x = jnp.asarray(np.random.default_rng(seed).permutation(2 * 3 * 4 * 8), jnp.float32)
    x = x.reshape(2, 3, 4, 8)
    y = pixel_shuffle(x, 2)
    assert y.shape == (2, 6, 8, 2)
    np.testing.assert_array_equal(np.sort(y, axis=None), np.sort(x, axis=None))
    np.testing.assert_array_equal(pixel_unshuffle(y, 2), x)


@pytest.mark.parametrize("align_corners", [False, True])
def test_bilinear_keeps_planes_and_its_own_size(align_corners):
    rows, columns = np.mgrid[:5, :6]
    plane = jnp.float32(2 + 3 * rows - columns)[None, :, :, None]
    same = upsample_bilinear(plane, 5, 6, align_corners=align_corners)
    np.testing.assert_allclose(same, plane, rtol=1e-6)
    larger = upsample_bilinear(plane, 9, 11, align_corners=True)[0, :, :, 0]
    rows, columns = np.mgrid[:9, :11] / 2
    np.testing.assert_allclose(larger, 2 + 3 * rows - columns, atol=1e-5)


def test_in_bfloat16():
    x, kernel = (jnp.asarray(a, jnp.bfloat16) for a in random_arrays((1, 3, 3, 4), (2, 2, 4, 2)))
    assert transposed_conv2d(x, kernel, 2).dtype == jnp.bfloat16
    assert upsample_bilinear(x, 5, 5, align_corners=False).dtype == jnp.bfloat16


# --- doors


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda x: pixel_shuffle(x, 2), r"`x` must have a multiple of 4 channels.* got 3"),
        (lambda x: pixel_unshuffle(x, 2), r"`x` must have sides that are multiples .* got 5 x 6"),
        (lambda x: upsample_nearest(x, 0), r"`factor` must be a whole number from 1 on, got 0"),
        (
            lambda x: upsample_bilinear(x, 0, 3, align_corners=True),
            r"`height` must be a whole number from 1 on, got 0",
        ),
        (
            lambda x: transposed_conv2d(x, jnp.ones((2, 2, 3, 1)), 2, 0, 2),
            r"`output_padding` must be in \[0, 2\), below `stride`, got 2",
        ),
        (
            lambda x: transposed_conv2d(x, jnp.ones((1, 1, 3, 1)), 1, 3),
            r"`padding` must leave pixels, got 3, which makes -1 of 5",
        ),
    ],
)
def test_refuses_what_does_not_fit(function, match):
    with pytest.raises(ValueError, match=match):
        function(jnp.ones((1, 5, 6, 3)))
