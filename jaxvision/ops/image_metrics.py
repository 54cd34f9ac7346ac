"""How near an image is to the one that it should be: PSNR, SSIM and MS-SSIM, one number an image.

PSNR     10 log10(peak^2 / MSE), in dB, the mean over pixels and channels.

SSIM     Wang, Bovik, Sheikh & Simoncelli, "Image Quality Assessment: From Error Visibility to
         Structural Similarity", IEEE TIP 13, 2004, section III.B and equation 13:

             SSIM = l cs
             l  = (2 mx my + C1) / (mx^2 + my^2 + C1)         C1 = (0.01 peak)^2
             cs = (2 sxy + C2) / (sx^2 + sy^2 + C2)           C2 = (0.03 peak)^2

         with means, variances and covariance under a Gaussian window of 11 x 11 pixels and
         deviation 1.5. It is averaged over the places where the window lies in the image, 5 pixels
         from the border, as in the authors' program: that is scikit-image's
         `structural_similarity(gaussian_weights=True, use_sample_covariance=False)`, which crops
         its mean by 5 pixels, but not its map, which reflects the image at the border.

MS-SSIM  Wang, Simoncelli & Bovik, "Multi-Scale Structural Similarity for Image Quality Assessment",
         Asilomar 2003, equation 7 and section 3.2:

             MS-SSIM = SSIM_5^w5 prod_{i < 5} cs_i^wi         w = .0448 .2856 .3001 .2363 .1333

         Scale i + 1 is scale i averaged over 2 x 2 pixels; a last odd row or column is left away.
         Each factor is an average over the image first, as in the authors' program. One below 0
         counts as 0, as a negative number has no such power.

Channels are taken one by one and averaged.
"""

import operator
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, require
from jaxvision.ops.pooling import average_pool
from jaxvision.ops.taps import window_taps

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

Images = Float[Array, "b h w c"]


def psnr(outputs: Images, targets: Images, peak: Scalar) -> Float[Array, " b"]:
    """Peak signal-to-noise ratio in dB; infinite for equal images.

    >>> float(psnr(jnp.full((1, 4, 4, 1), 25.5), jnp.zeros((1, 4, 4, 1)), peak=255)[0])  # a tenth
    20.0

    Args:
        outputs: the images to judge.
        targets: what they should be.
        peak: the largest value that a pixel can have: 1, or 255.

    Raises:
        ValueError: if `peak` is a number not above 0.
    """
    require("peak", peak, "(0, inf)", "it is 1 for images in [0, 1]")
    error = jnp.mean((outputs - targets) ** 2, axis=(1, 2, 3))
    return 10 * jnp.log10(peak**2 / error)


def ssim(outputs: Images, targets: Images, peak: Scalar) -> Float[Array, " b"]:
    """Structural similarity, at most 1. Arguments as for `psnr`.

    Raises:
        ValueError: if `peak` is a number not above 0, or the images are below 11 x 11.
    """
    _check(outputs, WINDOW, peak, "SSIM")
    luminance, structure = _similarity(outputs, targets, peak)
    return jnp.mean(luminance * structure, axis=(1, 2, 3))


def ms_ssim(outputs: Images, targets: Images, peak: Scalar) -> Float[Array, " b"]:
    """Structural similarity at five scales, in [0, 1]. Arguments as for `psnr`.

    Raises:
        ValueError: if `peak` is a number not above 0, or the images are below 176 x 176, of which
            the coarsest scale would be smaller than the window.
    """
    _check(outputs, WINDOW * 2 ** (len(SCALES) - 1), peak, "MS-SSIM")
    product = jnp.ones((), outputs.dtype)
    for scale, weight in enumerate(SCALES, 1):
        luminance, structure = _similarity(outputs, targets, peak)
        last = scale == len(SCALES)
        mean = jnp.mean(luminance * structure if last else structure, axis=(1, 2))
        product = product * jnp.maximum(mean, 0) ** weight
        if not last:
            outputs, targets = average_pool(outputs, 2, 2), average_pool(targets, 2, 2)
    return jnp.mean(product, axis=1)


def _similarity(x: Array, y: Array, peak: Scalar) -> tuple[Array, Array]:
    """(l, cs) wherever the window lies in the image."""
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    mx, my = _blur(x), _blur(y)
    variances = _blur(x**2) - mx**2 + _blur(y**2) - my**2
    covariance = _blur(x * y) - mx * my
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _blur(x: Array) -> Array:
    """The mean under the window; sums of taps, and no product of matrices in fewer digits."""
    distance = np.arange(WINDOW) - WINDOW // 2
    gauss = np.exp(-(distance**2) / (2 * SIGMA**2))
    weights = (gauss / gauss.sum()).tolist()
    for window in ((WINDOW, 1), (1, WINDOW)):
        taps = window_taps(x, window, (1, 1), ((0, 0), (0, 0)))
        terms = (weight * tap for weight, tap in zip(weights, taps, strict=True))
        x = reduce(operator.add, terms)
    return x


def _check(images: Array, smallest: int, peak: Scalar, metric: str) -> None:
    require("peak", peak, "(0, inf)", "it is 1 for images in [0, 1]")
    _, h, w, _ = images.shape
    if min(h, w) < smallest:
        raise ValueError(
            f"`outputs` must be at least {smallest} x {smallest} for {metric}, got {h} x {w}: "
            "compare larger images, or by `psnr`."
        )
