"""Images through kernels: as the definition, and as SciPy's and scikit-image's filters."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxvision.ops import filters, kernels
from jaxvision.ops.convolution import correlate
from tests.ops.agreement import random_arrays


def images(*shape, seed=0):
    return jnp.asarray(random_arrays(shape, seed=seed)[0], jnp.float32)


def by_scipy(x, filtered):
    """A filter of SciPy's on each channel of each image."""
    planes = [[filtered(np.asarray(image[..., c])) for c in range(x.shape[3])] for image in x]
    return np.moveaxis(np.asarray(planes), 1, 3)


@pytest.mark.parametrize("window", [(1, 1), (3, 3), (2, 5), (4, 1), (9, 11)])
def test_equals_the_correlation_of_the_padded_image(window):
    x, kernel = images(2, 6, 7, 3), images(*window, seed=1)
    kh, kw = window
    ends = ((0, 0), ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2), (0, 0))
    padded = jnp.pad(x, ends, mode="edge")
    expected = [
        [correlate(padded[b, :, :, c], kernel) for c in range(x.shape[3])] for b in range(len(x))
    ]
    expected = np.moveaxis(np.asarray(expected), 1, 3)
    np.testing.assert_allclose(filters.filter_image(x, kernel), expected, atol=2e-5)


def test_equals_scipys():
    x = images(2, 9, 8, 3)
    for sigma in (0.6, 2.0):
        window = kernels.gaussian(sigma)
        np.testing.assert_allclose(
            filters.filter_separable(x, window, window),
            by_scipy(x, lambda p, s=sigma: ndimage.gaussian_filter(p, s, mode="nearest")),
            atol=1e-6,
        )
    for ours, theirs in (
        (jnp.full((3, 3), 1 / 9), lambda p: ndimage.uniform_filter(p, 3, mode="nearest")),
        (kernels.laplacian(), lambda p: ndimage.laplace(p, mode="nearest")),
        (kernels.sobel_x(), lambda p: ndimage.sobel(p, 1, mode="nearest")),
        (kernels.sobel_y(), lambda p: ndimage.sobel(p, 0, mode="nearest")),
    ):
        np.testing.assert_allclose(filters.filter_image(x, ours), by_scipy(x, theirs), atol=1e-5)


@pytest.mark.parity
def test_equals_scikit_images():
    theirs = pytest.importorskip("skimage.filters")
    x = (1 + jnp.tanh(images(2, 20, 18, 3))) / 2
    window = kernels.gaussian(1.3)
    np.testing.assert_allclose(
        filters.filter_separable(x, window, window)[0],
        theirs.gaussian(np.asarray(x[0]), 1.3, channel_axis=2),
        atol=1e-6,
    )
    # At the border they mirror the image.
    inner = (slice(5, -5), slice(5, -5))
    sharper = theirs.unsharp_mask(
        np.asarray(x[0], np.float64), 1.3, 0.8, preserve_range=True, channel_axis=2
    )
    ours = filters.unsharp_mask(x, window, 0.8)[0]
    np.testing.assert_allclose(ours[inner], sharper[inner], atol=1e-5)
    edges = theirs.sobel(np.asarray(x[0, :, :, 0]))
    ours = filters.gradient_magnitude(x)[0, :, :, 0] / (4 * np.sqrt(2))
    np.testing.assert_allclose(ours[1:-1, 1:-1], edges[1:-1, 1:-1], atol=1e-6)


def test_one_axis_after_the_other_is_the_outer_product():
    x, column, row = images(1, 8, 7, 2), images(4, seed=1), images(3, seed=2)
    both = filters.filter_image(x, jnp.outer(column, row))
    np.testing.assert_allclose(filters.filter_separable(x, column, row), both, atol=1e-5)


def test_unsharp_masking_is_one_kernel():
    x, window = images(1, 9, 8, 1), kernels.gaussian(0.6)
    expected = filters.filter_image(x, kernels.unsharp(0.6, 1.5))
    np.testing.assert_allclose(filters.unsharp_mask(x, window, 1.5), expected, atol=1e-5)
    np.testing.assert_array_equal(filters.unsharp_mask(x, window, 0), x)


def test_what_is_flat_stays_flat_to_its_border():
    x = jnp.full((1, 5, 6, 3), 0.7)
    for window in (kernels.box(4), kernels.binomial(5), kernels.gaussian(3)):
        np.testing.assert_allclose(filters.filter_separable(x, window, window), x, rtol=1e-5)
    np.testing.assert_allclose(filters.gradient_magnitude(x), jnp.zeros_like(x), atol=1e-6)


def test_the_gradients_length_by_hand_and_its_largest():
    ramp = jnp.arange(6.0)[None, None, :, None] * 3 + jnp.arange(5.0)[None, :, None, None] * 4
    np.testing.assert_allclose(filters.gradient_magnitude(ramp)[0, 1:-1, 1:-1], 40, rtol=1e-6)
    # Of all black and white windows.
    patches = jnp.asarray(list(itertools.product([0.0, 1.0], repeat=9))).reshape(-1, 3, 3, 1)
    largest = filters.gradient_magnitude(patches)[:, 1, 1, 0].max()
    np.testing.assert_allclose(largest, np.sqrt(20), rtol=1e-6)


def test_the_gradients_length_has_a_gradient_where_it_is_0():
    x = jnp.ones((1, 4, 4, 1))
    slope = jax.grad(lambda x: filters.gradient_magnitude(x).sum())
    np.testing.assert_array_equal(slope(x), jnp.zeros_like(x))
    assert np.abs(slope(x.at[0, 1, 1].set(2))).max() > 0.1


def test_its_gradients_are_the_definitions():
    x, kernel, weights = images(1, 5, 4, 1), images(2, 3, seed=1), images(1, 5, 4, 1, seed=2)

    def defined(x, kernel):
        padded = jnp.pad(x, ((0, 0), (0, 1), (1, 1), (0, 0)), mode="edge")
        return jnp.vdot(correlate(padded, kernel[:, :, None, None]), weights)

    def ours(x, kernel):
        return jnp.vdot(filters.filter_image(x, kernel), weights)

    slopes = (jax.grad(function, argnums=(0, 1))(x, kernel) for function in (ours, defined))
    jax.tree.map(lambda a, e: np.testing.assert_allclose(a, e, atol=1e-5), *slopes)


def test_takes_images_of_fewer_digits():
    x = images(1, 4, 4, 1).astype(jnp.bfloat16)
    assert filters.gradient_magnitude(x).dtype == jnp.bfloat16


def test_refuses_a_negative_amount():
    with pytest.raises(ValueError, match="`amount` must be"):
        filters.unsharp_mask(jnp.ones((1, 3, 3, 1)), kernels.box(3), -0.5)
