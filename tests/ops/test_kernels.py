"""The classic kernels: by hand, as SciPy's and scikit-image's, and what they are for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from jaxvision.ops import kernels
from jaxvision.ops.convolution import convolve, correlate


def test_by_hand():
    np.testing.assert_allclose(kernels.box(4), [0.25] * 4)
    np.testing.assert_array_equal(kernels.binomial(5), np.array([1, 4, 6, 4, 1]) / 16)
    np.testing.assert_array_equal(kernels.binomial(1), [1])
    e = np.exp(-0.5)
    expected = np.array([e**4, e, 1, e, e**4]) / (1 + 2 * e + 2 * e**4)
    np.testing.assert_allclose(kernels.gaussian(1, 5), expected, rtol=1e-6)
    np.testing.assert_array_equal(kernels.laplacian(4), [[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    np.testing.assert_array_equal(kernels.laplacian(8), [[1, 1, 1], [1, -8, 1], [1, 1, 1]])
    np.testing.assert_array_equal(kernels.sobel_x(), [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    np.testing.assert_array_equal(kernels.sobel_y(), [[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    np.testing.assert_array_equal(kernels.sharpen(), [[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    np.testing.assert_array_equal(
        kernels.sharpen(0.5, 8), [[-0.5] * 3, [-0.5, 5, -0.5], [-0.5] * 3]
    )


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2, 5.3])
def test_a_gaussian_is_scipys(sigma):
    pixel = np.zeros(61)
    pixel[30] = 1
    theirs = ndimage.gaussian_filter1d(pixel, sigma)
    (reach,) = np.nonzero(theirs)
    window = kernels.gaussian(sigma)
    np.testing.assert_allclose(window, theirs[reach[0] : reach[-1] + 1], rtol=1e-5)


@pytest.mark.parity
def test_edges_are_scikit_images():
    filters = pytest.importorskip("skimage.filters")
    pixel = np.zeros((5, 5))
    pixel[2, 2] = 1
    # Convolved with one pixel a kernel is itself; theirs are divided by 4, and have a sign.
    for ours, theirs in (
        (kernels.sobel_x() / 4, filters.sobel_v(pixel)),
        (kernels.sobel_y() / 4, filters.sobel_h(pixel)),
        (-kernels.laplacian(), filters.laplace(pixel)),
    ):
        seen = correlate(jnp.asarray(pixel, jnp.float32), ours)
        np.testing.assert_allclose(seen, theirs[1:4, 1:4], atol=1e-6)


# --- theorem


@pytest.mark.parametrize(
    "window",
    [kernels.box(3), kernels.binomial(6), kernels.gaussian(0.5), kernels.gaussian(3, 4)],
    ids=["box", "binomial", "gaussian", "even gaussian"],
)
def test_windows_sum_to_1_and_are_symmetric(window):
    np.testing.assert_allclose(window.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(window, window[::-1], rtol=1e-6)


def test_binomials_are_boxes_of_two_convolved():
    window = kernels.box(1)
    for size in range(2, 8):
        window = convolve(window, kernels.box(2), mode="full")
        np.testing.assert_allclose(window, kernels.binomial(size), rtol=1e-6)


@settings(deadline=None, max_examples=10)
@given(st.floats(1, 6), st.floats(1, 6))
def test_gaussians_have_their_variance_and_add(first, second):
    a, b = kernels.gaussian(first, 81), kernels.gaussian(second, 81)
    place = jnp.arange(81.0) - 40
    np.testing.assert_allclose((a * place**2).sum(), first**2, rtol=1e-4)
    both = convolve(a, b, mode="same")
    together = kernels.gaussian((first**2 + second**2) ** 0.5, 81)
    np.testing.assert_allclose(both, together, atol=1e-4)


def test_a_wide_binomial_is_nearly_a_gaussian():
    np.testing.assert_allclose(kernels.binomial(65), kernels.gaussian(4, 65), atol=5e-4)
    assert np.isfinite(kernels.binomial(2001)).all()


def test_derivatives_of_polynomials_are_exact():
    y, x = jnp.mgrid[:5, :6].astype(jnp.float32)
    slope = 2 * x - 3 * y
    np.testing.assert_allclose(correlate(slope, kernels.sobel_x()), np.full((3, 4), 16))
    np.testing.assert_allclose(correlate(slope, kernels.sobel_y()), np.full((3, 4), -24))
    bowl = x**2 + 2 * y**2
    np.testing.assert_allclose(correlate(bowl, kernels.laplacian(4)), np.full((3, 4), 6))
    np.testing.assert_allclose(correlate(bowl, kernels.laplacian(8)), np.full((3, 4), 18))
    for kernel in (kernels.sharpen(2.0), kernels.unsharp(0.5, 3.0)):
        reach = len(kernel) // 2
        inner = slope[reach : 5 - reach, reach : 6 - reach]
        np.testing.assert_allclose(correlate(slope, kernel), inner, atol=1e-5)


def test_unsharp_is_the_pixel_and_more_of_what_a_blur_takes():
    window = kernels.gaussian(0.6)
    assert len(window) == 5
    pixel = np.zeros((5, 5))
    pixel[2, 2] = 1
    expected = pixel + 1.5 * (pixel - np.outer(window, window))
    np.testing.assert_allclose(kernels.unsharp(0.6, 1.5), expected, atol=1e-6)


def test_a_blur_can_be_learned():
    def blurred(sigma):
        return kernels.gaussian(sigma, 9)

    slope = jax.jit(jax.jacfwd(blurred))(1.5)
    numeric = (np.asarray(blurred(1.51)) - np.asarray(blurred(1.49))) / 0.02
    np.testing.assert_allclose(slope, numeric, atol=1e-4)


@pytest.mark.parametrize("sigma", [1e-60, 1e-30, 1e-3])
def test_a_narrow_gaussian_is_one_pixel(sigma):
    np.testing.assert_array_equal(kernels.gaussian(sigma), [1])
    np.testing.assert_array_equal(kernels.gaussian(sigma, 3), [0, 1, 0])
    np.testing.assert_array_equal(kernels.gaussian(sigma, 2), [0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: kernels.box(0), "`size` must be a whole number from 1 on, got 0"),
        (lambda: kernels.binomial(-1), "`size` must be a whole number from 1 on"),
        (lambda: kernels.gaussian(0), r"`sigma` must be in \(0, inf\), got 0"),
        (lambda: kernels.gaussian(float("nan")), "`sigma` must be"),
        (lambda: kernels.gaussian(1, 0), "`size` must be a whole number"),
        (lambda: jax.jit(kernels.gaussian)(1.0), "`size` must be given for a traced `sigma`"),
        (lambda: kernels.laplacian(6), "`neighbours` must be 4 or 8, got 6"),
        (lambda: kernels.sharpen(-1), "`amount` must be"),
        (lambda: kernels.unsharp(1, -1), "`amount` must be"),
        (lambda: kernels.unsharp(1, 1, 4), "`size` must be odd"),
    ],
)
def test_refuses(make, match):
    with pytest.raises(ValueError, match=match):
        make()
