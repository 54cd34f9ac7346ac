"""Bicubic resizing: weights by hand, sums by loops, Pillow's, and what cubic convolution keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxvision.ops.bicubic import enlarge_bicubic, keys, reduce_bicubic


def photo(height, width, channels=3, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (2, height, width, channels)).astype(np.float32)


def keys_by_hand(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def by_loops(line, size):
    """A line of pixels, mirrored with its outermost pixels repeated, looked at far around."""
    side = len(line)
    s = side / size
    wide = max(s, 1)
    out = []
    for i in range(size):
        u = (i + 0.5) * s - 0.5
        total = weight = 0.0
        for j in range(int(u - 3 * wide) - 2, int(u + 3 * wide) + 3):
            w, k = keys_by_hand((j - u) / wide), j % (2 * side)
            total += w * line[min(k, 2 * side - 1 - k)]
            weight += w
        out.append(total / weight)
    return np.array(out)


def test_the_kernel_by_hand():
    np.testing.assert_array_equal(
        keys(np.array([0.0, 0.5, -0.5, 1.0, 1.5, -1.5, 2.0, 2.5])),
        [1, 0.5625, 0.5625, 0, -0.0625, -0.0625, 0, 0],
    )


def test_a_line_made_half_as_large_by_hand():
    line = np.zeros(16, np.float32)
    line[8] = 512  # its neighbours' weights are 111, 29, -9 and -3 parts of 256
    y = reduce_bicubic(jnp.tile(line, (2, 1))[None, :, :, None], 2)
    assert y.shape == (1, 1, 8, 1)
    np.testing.assert_allclose(y[0, 0, :, 0], [0, 0, -6, 58, 222, -18, 0, 0], atol=1e-3)


def test_a_line_made_twice_as_large_by_hand():
    line = np.zeros(7, np.float32)
    line[3] = 128  # keys(1/4), keys(3/4), keys(5/4), keys(7/4) times 128
    y = enlarge_bicubic(jnp.asarray(line).reshape(1, 1, 7, 1), 2)[0, 0, :, 0]
    half = [0, 0, -3, -9, 29, 111]
    np.testing.assert_allclose(y, [0, *half, *half[::-1], 0], atol=1e-4)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("resize", [reduce_bicubic, enlarge_bicubic])
def test_equals_the_definition_at_the_border_too(resize, factor):
    images = photo(2 * factor, 3 * factor)
    y = resize(jnp.asarray(images), factor)
    hs, ws = y.shape[1:3]
    assert (hs, ws) == ((2, 3) if resize is reduce_bicubic else (2 * factor**2, 3 * factor**2))
    rows = np.apply_along_axis(by_loops, 1, images, hs)
    np.testing.assert_allclose(y, np.apply_along_axis(by_loops, 2, rows, ws), atol=1e-3)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("resize", [reduce_bicubic, enlarge_bicubic])
def test_inside_it_is_pillows(resize, factor):
    images = photo(12 * factor, 9 * factor, 1)
    y = np.asarray(resize(jnp.asarray(images), factor))
    hs, ws = y.shape[1:3]
    border = 2 if resize is reduce_bicubic else 2 * factor  # beyond it, Pillow leaves terms away
    inner = np.s_[border : hs - border, border : ws - border]
    for ours, image in zip(y, images, strict=True):
        theirs = Image.fromarray(image[:, :, 0]).resize((ws, hs), Image.Resampling.BICUBIC)
        np.testing.assert_allclose(ours[:, :, 0][inner], np.asarray(theirs)[inner], atol=1e-3)


@pytest.mark.parametrize("resize", [reduce_bicubic, enlarge_bicubic])
def test_by_1_it_is_the_identity(resize):
    images = jnp.asarray(photo(5, 4))
    np.testing.assert_array_equal(resize(images, 1), images)


@settings(deadline=None, max_examples=20)
@given(factor=st.integers(1, 4), a=st.floats(-2, 2), b=st.floats(-2, 2), c=st.floats(0, 200))
def test_parabolas_are_enlarged_and_planes_reduced_without_error(factor, a, b, c):
    """Keys' kernel with a = -1/2 is exact up to the second degree; one widened, to the first."""

    def surface(y, x, curved):
        return (c + a * y + b * x + curved * (0.01 * a * x * x + 0.02 * b * x * y))[..., None]

    def places(size, scale):
        return np.meshgrid(*[(np.arange(n) + 0.5) * scale - 0.5 for n in size], indexing="ij")

    def inside(difference, border):
        return np.abs(difference[border:-border, border:-border]).max()

    small = jnp.float32(surface(*places((8, 9), 1), True))[None]
    large = surface(*places((8 * factor, 9 * factor), 1 / factor), True)
    assert inside(enlarge_bicubic(small, factor)[0] - large, 2 * factor) < 1e-3
    large = jnp.float32(surface(*places((8 * factor, 9 * factor), 1), False))[None]
    small = surface(*places((8, 9), factor), False)
    assert inside(reduce_bicubic(large, factor)[0] - small, 2) < 2e-3


@pytest.mark.parametrize("resize", [reduce_bicubic, enlarge_bicubic])
def test_a_constant_stays_and_the_gradient_is_the_transpose(resize):
    flat = jnp.full((1, 6, 6, 1), 37.0)
    np.testing.assert_allclose(resize(flat, 3), 37, rtol=1e-6)
    x = jnp.asarray(photo(6, 6, 1))
    y, transpose = jax.vjp(lambda x: resize(x, 3), x)
    weights = jnp.cos(y)
    # <W x, v> = <x, W^T v>, of a linear map
    np.testing.assert_allclose((y * weights).sum(), (x * transpose(weights)[0]).sum(), rtol=1e-4)


def test_bad_factors_and_sizes_are_named():
    images = jnp.asarray(photo(8, 9))
    for resize in (reduce_bicubic, enlarge_bicubic):
        with pytest.raises(ValueError, match="`factor` must be a whole number from 1 on, got 0"):
            resize(images, 0)
    with pytest.raises(ValueError, match="multiples of 3, got 8 x 9: crop them to 6 x 9"):
        reduce_bicubic(images, 3)
    with pytest.raises(ValueError, match="multiples of 2, got 8 x 9: crop them to 8 x 8"):
        reduce_bicubic(images, 2)
