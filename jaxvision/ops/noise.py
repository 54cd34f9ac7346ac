"""Noise as cameras make it, on images with values 0..255.

    Gaussian           y = x + deviation n              n normal with mean 0 and variance 1
    Poisson            y = 255 k / peak                 k photons, Poisson with mean peak x / 255
    salt and pepper    y = 0 or 255, or else x          with chances fraction / 2 each, or else

Each value of each channel has a draw of its own. None of the results is rounded or held to 0..255,
as in Zhang et al., "Beyond a Gaussian Denoiser", IEEE TIP 26, 2017: what is cut off would no longer
have the mean x.

A strength is one number, or one for each image of a batch: a denoiser for any noise is trained with
strengths that are drawn themselves. It may be traced.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxvision.hyperparameters import Scalar, require

Images = Float[Array, "b h w c"]
Strength = Scalar | Float[Array, " b"] | Float[np.ndarray, " b"]


def gaussian_noise(key: Key[Array, ""], images: Images, deviation: Strength) -> Images:
    """Adds noise of one strength wherever the image is bright or dark.

    Args:
        key: what the noise is drawn from.
        images: of any range.
        deviation: of the noise, in grey levels; 0 is none.

    Raises:
        ValueError: if `deviation` is negative, or not one number or one an image.
    """
    deviation = _by_image("deviation", deviation, "[0, inf)", images)
    return images + deviation * jax.random.normal(key, images.shape, images.dtype)


def poisson_noise(key: Key[Array, ""], images: Images, peak: Strength) -> Images:
    """Counts photons: the noise's variance is 255 / peak times the pixel's value.

    Args:
        key: what the photons are drawn from.
        images: from 0 on; a negative value has no such noise and becomes NaN.
        peak: how many photons a pixel of 255 is expected to have; fewer are noisier.

    Raises:
        ValueError: if `peak` is not above 0, or not one number or one an image.
    """
    peak = _by_image("peak", peak, "(0, inf)", images)
    photons = jax.random.poisson(key, jnp.maximum(images, 0) * (peak / 255))
    noisy = photons.astype(images.dtype) * (255 / peak)
    return jnp.where(images >= 0, noisy, jnp.nan)


def salt_and_pepper(key: Key[Array, ""], images: Images, fraction: Strength) -> Images:
    """Loses some values altogether: half of these become 0, and half 255.

    Args:
        key: what decides which.
        images: with values 0..255.
        fraction: of the values that are lost.

    Raises:
        ValueError: if `fraction` is outside [0, 1], or not one number or one an image.
    """
    fraction = _by_image("fraction", fraction, "[0, 1]", images)
    u = jax.random.uniform(key, images.shape, images.dtype)
    lost = jnp.where(u < fraction / 2, 0, 255).astype(images.dtype)
    return jnp.where(u < fraction, lost, images)


def _by_image(name: str, value: Strength, interval: str, images: Images) -> Array:
    """The strength, as an array that fits the images."""
    shape = jnp.shape(value)
    if shape not in ((), images.shape[:1]):
        raise ValueError(
            f"`{name}` must be one number, or one for each of the {len(images)} images, got shape "
            f"{shape}."
        )
    if not isinstance(value, jax.core.Tracer):
        for end in (np.min(value), np.max(value)):
            require(name, float(end), interval)
    value = jnp.asarray(value, images.dtype)
    return value if shape == () else value[:, None, None, None]
