"""Centres and scales images, by statistics of the training set or by each image's own.

By the training set's, a number a channel:

    x' = (x - mean_c) / std_c

with mean and std over all pixels of all training images (LeCun, Bottou, Orr & Müller, "Efficient
BackProp", 1998, section 4.3). Test images are normalised by the *training* set's numbers: they
belong to the model and are stored with it.

By each image's own (Coates, Ng & Lee, "An Analysis of Single-Layer Networks in Unsupervised Feature
Learning", AISTATS 2011, section 3.1.1), over all its pixels and channels, which takes brightness
and contrast out of it and needs nothing to be stored:

    x' = (x - mean) / sqrt(var + eps)

By each image's own, channel by channel and inside a network: instance normalization (Ulyanov,
Vedaldi & Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016,
equation 3, https://arxiv.org/abs/1607.08022), which takes the contrast of the picture out of what
is painted on it. It is `ops.batch_norm` of a batch of one, and has its fast form on a CPU.
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Num, UInt8

from jaxvision.ops.batch_norm import batch_norm, batch_norm_relu


class Normalization(NamedTuple):
    """Per-channel statistics, in pixel values (0..255)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Num[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalises images of pixel values 0..255, inside the compiled program.

        Raises:
            ValueError: if `images` have another number of channels.
        """
        if images.shape[-1] != len(self.mean):
            raise ValueError(
                f"`images` must have {len(self.mean)} channel(s), as those that the model was "
                f"trained on, got {images.shape[-1]}; convert them, or train on such images."
            )
        images = _as_float(images)
        mean, std = (jnp.array(v, images.dtype).reshape(1, 1, 1, -1) for v in self)
        return (images - mean) / std


def normalization_of(images: Iterable[UInt8[np.ndarray, "..."]]) -> Normalization:
    """Per-channel mean and standard deviation over all pixels of `images` ([..., c] each), exact in
    integers.

    A channel that never varies gets a std of 1, so that it is centred and not divided by zero.

    Raises:
        ValueError: if there are no images.
    """
    count, total, squares = 0, 0, 0
    for image in images:
        # A histogram a channel makes the sums exact, whatever their order, in one fast pass.
        pixels = image.reshape(-1, image.shape[-1])
        histogram = np.stack([np.bincount(channel, minlength=256) for channel in pixels.T])
        values = np.arange(256)
        count += len(pixels)
        total = total + histogram @ values
        squares = squares + histogram @ values**2
    if count == 0:
        raise ValueError("`images` must hold at least one image to take statistics of, got none.")
    mean = total / count
    # count * squares - total^2 in Python's integers: exact, where a float's difference would
    # cancel.
    variance = [
        (count * int(s) - int(t) ** 2) / count**2 for s, t in zip(squares, total, strict=True)
    ]
    std = np.sqrt(variance)
    return Normalization(
        tuple(float(m) for m in mean), tuple(float(s) if s > 0 else 1.0 for s in std)
    )


def center_per_sample(images: Num[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """x - mean: takes from each image its own mean, over pixels and channels."""
    images = _as_float(images)
    return images - images.mean(axis=(1, 2, 3), keepdims=True)


def standardize_per_sample(
    images: Num[Array, "b h w c"], eps: float | Float[Array, ""] = 10.0
) -> Float[Array, "b h w c"]:
    """(x - mean) / sqrt(var + eps): gives each image mean 0 and a variance of nearly 1.

    A constant image becomes 0.

    Args:
        images: of pixel values.
        eps: is added to the variance, so that the noise of an image without contrast is not blown
            up. 10 is the paper's, for pixel values 0..255; it is in squared pixel values.
    """
    centered = center_per_sample(images)
    variance = (centered**2).mean(axis=(1, 2, 3), keepdims=True)
    return centered * lax.rsqrt(variance + eps)


def instance_norm(
    x: Float[Array, "b h w c"],
    scale: Float[Array, " c"],
    bias: Float[Array, " c"],
    epsilon: float = 1e-5,
) -> Float[Array, "b h w c"]:
    """scale (x - mean) / sqrt(var + epsilon) + bias, with each image's statistics of each channel.

    Mean and var are over height and width, in the dtype of `scale`; y has that of `x`.
    """
    return jax.vmap(lambda image: batch_norm(image[None], scale, bias, epsilon)[0][0])(x)


def instance_norm_relu(
    x: Float[Array, "b h w c"],
    scale: Float[Array, " c"],
    bias: Float[Array, " c"],
    epsilon: float = 1e-5,
) -> Float[Array, "b h w c"]:
    """`instance_norm` and max(y, 0) after it, in one pass over the pixels."""
    return jax.vmap(lambda image: batch_norm_relu(image[None], scale, bias, epsilon)[0][0])(x)


def _as_float(images: Num[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """As float32; who computes in float64 keeps it."""
    return images.astype(jnp.promote_types(images.dtype, jnp.float32))
