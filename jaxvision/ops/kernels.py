"""The classic kernels of image processing, from before they were learned.

    box         1 / k: the mean
    binomial    C(k - 1, i) / 2^(k - 1): Pascal's triangle, a box of two convolved with itself
    gaussian    exp(-(i - (k - 1) / 2)^2 / (2 sigma^2)), divided by its sum
    laplacian   the second derivatives' sum: the neighbours less as often the pixel
    sobel       [-1 0 1] across, [1 2 1] along: a smoothed first derivative
    sharpen     the pixel, less `amount` times its Laplacian
    unsharp     the pixel, and `amount` times what a Gaussian takes away from it

Gonzalez & Woods, "Digital Image Processing", 4th edition, Pearson 2018, sections 3.5 and 3.6, has
them all. The first three are windows [k] of one axis that sum to 1: in two dimensions such a kernel
is `jnp.outer(window, window)`, and it is cheaper to filter by one axis after the other
(`jaxvision.ops.filters`). The others are [k, k].

They are made for `correlate`, so that Sobel's kernels are positive where the image gets brighter
to the right, or downwards. The rest are symmetric, for which convolution is no other.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, require, require_whole

TRUNCATE = 4.0  # standard deviations: SciPy's, and scikit-image's

Window = Float[Array, " k"]
Kernel2D = Float[Array, "k k"]


def box(size: int) -> Window:
    """The mean over `size` elements.

    Raises:
        ValueError: if `size` is below 1.
    """
    require_whole("size", size, low=1)
    return jnp.full(size, 1 / size)


def binomial(size: int) -> Window:
    """A row of Pascal's triangle: nearly a Gaussian of variance (size - 1) / 4.

    Raises:
        ValueError: if `size` is below 1.
    """
    require_whole("size", size, low=1)
    degree = size - 1
    return jnp.asarray([math.comb(degree, i) / 2**degree for i in range(size)], float)


def gaussian(sigma: Scalar, size: int | None = None) -> Window:
    """The normal density at whole distances from the middle, divided by its sum.

    Args:
        sigma: the standard deviation, in elements. With a `size` it may be traced: a blur can be
            learned.
        size: by default `gaussian_size(sigma)`. The middle of an even one lies between two
            elements.

    Raises:
        ValueError: if `sigma` is not above 0, or `size` is below 1, or missing for a traced
            `sigma`.
    """
    require("sigma", sigma, "(0, inf)", "a blur of nothing is the image itself")
    if size is None:
        if isinstance(sigma, jax.core.Tracer):
            raise ValueError("`size` must be given for a traced `sigma`, as it decides a shape.")
        size = gaussian_size(float(sigma))
    require_whole("size", size, low=1)
    distance = jnp.arange(size) - (size - 1) / 2
    # The nearest has weight 1: however narrow the curve, they do not all underflow.
    farther = distance**2 - ((size - 1) % 2 / 2) ** 2
    weights = jnp.where(farther == 0, 1, jnp.exp(-farther / 2 / sigma / sigma))
    return weights / weights.sum()


def gaussian_size(sigma: int | float) -> int:
    """The elements within 4 standard deviations of the middle: an odd number."""
    return 2 * int(TRUNCATE * sigma + 0.5) + 1


def laplacian(neighbours: int = 4) -> Kernel2D:
    """The sum of the neighbours' differences from the pixel.

    Args:
        neighbours: 4, those of the pixel's sides, or 8, with those of its corners.

    Raises:
        ValueError: if `neighbours` is another number.
    """
    if neighbours not in (4, 8):
        raise ValueError(f"`neighbours` must be 4 or 8, got {neighbours}.")
    corner = 0.0 if neighbours == 4 else 1.0
    return jnp.asarray([[corner, 1, corner], [1, -neighbours, 1], [corner, 1, corner]], float)


def sobel_x() -> Kernel2D:
    """8 times the derivative to the right."""
    return jnp.outer(jnp.asarray([1.0, 2, 1]), jnp.asarray([-1.0, 0, 1]))


def sobel_y() -> Kernel2D:
    """8 times the derivative downwards."""
    return sobel_x().T


def sharpen(amount: Scalar = 1.0, neighbours: int = 4) -> Kernel2D:
    """The pixel, and `amount` times its difference from each neighbour; sums to 1.

    Raises:
        ValueError: if `neighbours` is neither 4 nor 8, or `amount` is below 0.
    """
    require("amount", amount, "[0, inf)", "with 0 nothing is sharpened")
    return _identity(3) - amount * laplacian(neighbours)


def unsharp(sigma: Scalar, amount: Scalar = 1.0, size: int | None = None) -> Kernel2D:
    """The pixel, and `amount` times its difference from a Gaussian's mean around it; sums to 1.

    Args:
        sigma: of the Gaussian.
        size: of the Gaussian, an odd number.
        amount: of what the Gaussian takes away; 0 or more.

    Raises:
        ValueError: if a number is out of its range, or `size` is even.
    """
    require("amount", amount, "[0, inf)", "with 0 nothing is sharpened")
    window = gaussian(sigma, size)
    pixel = _identity(len(window))
    return pixel + amount * (pixel - jnp.outer(window, window))


def _identity(size: int) -> Kernel2D:
    """1 in the middle, which an odd size has."""
    if size % 2 == 0:
        raise ValueError(f"`size` must be odd for a kernel with a pixel in its middle, got {size}.")
    return jnp.zeros((size, size)).at[size // 2, size // 2].set(1)
