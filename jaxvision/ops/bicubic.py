"""Bicubic resizing by a whole factor, as super-resolution's test images are made and judged by.

Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE TASSP 29, 1981, equation
15, with a = -1/2:

    keys(x) = (a + 2)|x|^3 - (a + 3)|x|^2 + 1           |x| <= 1
              a|x|^3 - 5a|x|^2 + 8a|x| - 4a             1 < |x| < 2
              0                                         else

Output pixel i looks at the input around u = (i + 1/2) s - 1/2, s input pixels an output pixel:

    y[i] = sum_j keys((j - u) / max(s, 1)) x[j] / sum_j keys((j - u) / max(s, 1))

along the rows and the columns. So an image that is reduced is averaged (antialiased), and one that
is enlarged passes through smoothly. That is MATLAB's `imresize(x, s, "bicubic")`, which the
published figures of super-resolution are by: beyond the border it mirrors the image, and repeats
its outermost pixel in doing so. Pillow's BICUBIC is the same but for that: it leaves such terms
away.

The kernel has negative parts: results may be a little outside of the input's range.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole

A = -0.5


def reduce_bicubic(images: Float[Array, "b h w c"], factor: int) -> Float[Array, "b hs ws c"]:
    """Makes images `factor` times smaller, averaging.

    Args:
        images: of any range, with sides that are multiples of `factor`.
        factor: input pixels an output pixel, along each side.

    Raises:
        ValueError: if `factor` is below 1, or does not divide the sides.
    """
    require_whole("factor", factor, low=1)
    _, h, w, _ = images.shape
    if h % factor or w % factor:
        raise ValueError(
            f"`images` must have sides that are multiples of {factor}, got {h} x {w}: crop them to "
            f"{h // factor * factor} x {w // factor * factor}."
        )
    return _resize(images, h // factor, w // factor)


def enlarge_bicubic(images: Float[Array, "b h w c"], factor: int) -> Float[Array, "b hs ws c"]:
    """Makes images `factor` times larger: the smooth guess that a network has to beat.

    Args:
        images: of any range and size.
        factor: output pixels an input pixel, along each side.

    Raises:
        ValueError: if `factor` is below 1.
    """
    require_whole("factor", factor, low=1)
    _, h, w, _ = images.shape
    return _resize(images, factor * h, factor * w)


def keys(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The cubic convolution kernel, of distances in pixels."""
    x = np.abs(x)
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _resize(images: Array, height: int, width: int) -> Array:
    rows, columns = (
        jnp.asarray(_weights(side, size), images.dtype)
        for side, size in zip(images.shape[1:3], (height, width), strict=True)
    )
    # In full precision: these are pixel values, and to be compared with other programs' to the bit.
    return jnp.einsum("bhwc,ih,jw->bijc", images, rows, columns, precision=lax.Precision.HIGHEST)


def _weights(side: int, size: int) -> Float[np.ndarray, "size side"]:
    """What each of the `size` output pixels takes of each of the `side` input pixels."""
    s = side / size
    widening = max(s, 1.0)
    u = (np.arange(size) + 0.5) * s - 0.5
    reach = int(np.ceil(2 * widening))
    j = np.floor(u).astype(int)[:, None] + np.arange(-reach, reach + 2)
    terms = keys((j - u[:, None]) / widening)
    # ... 1 0 | 0 1 ... side-1 | side-1 side-2 ...: to and fro, however far outside.
    mirrored = np.minimum(j % (2 * side), -(j + 1) % (2 * side))
    weights = np.zeros((size, side))
    np.add.at(weights, (np.arange(size)[:, None], mirrored), terms)
    return weights / weights.sum(axis=1, keepdims=True)
