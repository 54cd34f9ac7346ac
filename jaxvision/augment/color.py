"""Brightness, contrast, saturation and hue, each changed by a random amount: torchvision's.

`torchvision.transforms.ColorJitter`, for pixels x in 0..255 (after Howard, "Some Improvements on
Deep Convolutional Neural Network Based Image Classification", 2013, section 2.2,
https://arxiv.org/abs/1312.5402). With f uniform in [max(0, 1 - strength), 1 + strength] for each,
grey(x) = 0.2989 red + 0.587 green + 0.114 blue, and everything cut off at 0 and 255,

    brightness  f x
    contrast    f x + (1 - f) m,       m the mean of grey(x) over the image
    saturation  f x + (1 - f) grey(x), pixel by pixel
    hue         h + s (mod 1),         s uniform in [-strength, strength], of a hue h in [0, 1)

Hue is that of HSV. With v the largest of a pixel's channels, c = v - the smallest, and H = 6 h,
H = (green - blue)/c, 2 + (blue - red)/c or 4 + (red - green)/c as v is red, green or blue, and back

    channel = v - c max(0, min(k, 4 - k, 1)),    k = n + H (mod 6),    n = 5, 3, 1

We apply them in this order; torchvision draws the order too, which a compiled program would pay for
with all orders of all examples.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.augment.example import Augmentation, Example, RandomKey, image_of
from jaxvision.hyperparameters import Scalar, require

Image = Float[Array, "h w c"]
LUMA = (0.2989, 0.587, 0.114)


def color_jitter(
    brightness: Scalar = 0.0, contrast: Scalar = 0.0, saturation: Scalar = 0.0, hue: Scalar = 0.0
) -> Augmentation:
    """Changes the colours of an image; boxes and segmentation stay.

    Args:
        brightness: at most this part darker or brighter; 0 leaves it.
        contrast: the same, from the image's mean grey.
        saturation: the same, from each pixel's grey.
        hue: at most this part of the circle of colours, either way.

    Raises:
        ValueError: if a number is out of its range, or a grey image is to change its saturation or
            hue.
    """
    for name, value in {"brightness": brightness, "contrast": contrast}.items():
        require(name, value, "[0, inf)", "0.4 is 40 % less to 40 % more")
    require("saturation", saturation, "[0, inf)", "0.4 is 40 % less to 40 % more")
    require("hue", hue, "[0, 0.5]", "0.5 is any colour, half of the circle either way")

    def apply(key: RandomKey, example: Example) -> Example:
        image = image_of(example)
        _check_channels(image, saturation, hue)
        u = jax.random.uniform(key, (4,))
        image = adjust_brightness(image, _factor(brightness, u[0]))
        image = adjust_contrast(image, _factor(contrast, u[1]))
        if not _is_off(saturation):
            image = adjust_saturation(image, _factor(saturation, u[2]))
        if not _is_off(hue):
            image = adjust_hue(image, hue * (2 * u[3] - 1))
        return example | {"image": image}

    return apply


def adjust_brightness(image: Image, factor: Float[Array, ""]) -> Image:
    """0 is black, 1 leaves the image."""
    return jnp.clip(factor * image, 0, 255)


def adjust_contrast(image: Image, factor: Float[Array, ""]) -> Image:
    """0 is grey, the image's mean; 1 leaves the image."""
    h, w, c = image.shape
    # A product of two vectors: to add up grey values takes a CPU 25 times as long.
    weights = jnp.tile(jnp.array(LUMA if c == 3 else [1.0]), h * w)
    mean = jnp.vdot(image.reshape(-1), weights, precision=lax.Precision.HIGHEST) / (h * w)
    return jnp.clip(factor * image + (1 - factor) * mean, 0, 255)


def adjust_saturation(image: Image, factor: Float[Array, ""]) -> Image:
    """0 is a grey image, 1 leaves it."""
    return jnp.clip(factor * image + (1 - factor) * _grey(image), 0, 255)


def adjust_hue(image: Image, shift: Float[Array, ""]) -> Image:
    """Turns the circle of colours by `shift`, a part of it; 0 leaves the image."""
    red, green, blue = image[:, :, 0], image[:, :, 1], image[:, :, 2]
    # One by one, and no reductions or remainders below: on a CPU these take 9 times as long.
    v = jnp.maximum(jnp.maximum(red, green), blue)
    c = v - jnp.minimum(jnp.minimum(red, green), blue)
    safe = jnp.where(c > 0, c, 1)  # a grey pixel has no hue, and none is needed: c multiplies it
    sector = jnp.where(
        v == red,
        (green - blue) / safe,
        jnp.where(v == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )

    def channel(n: int) -> Float[Array, "h w"]:
        k = n + sector + 6 * shift
        k = k - 6 * jnp.floor(k / 6)
        return v - c * jnp.clip(jnp.minimum(k, 4 - k), 0, 1)

    turned = jnp.stack([channel(5), channel(3), channel(1)], axis=2)
    return jnp.where(shift == 0, image, turned)  # there and back would round


def _grey(image: Image) -> Float[Array, "h w 1"]:
    return sum(weight * image[:, :, i : i + 1] for i, weight in enumerate(LUMA))


def _factor(strength: Scalar, u: Float[Array, ""]) -> Float[Array, ""]:
    low = jnp.maximum(0.0, 1.0 - strength)
    return low + (1.0 + strength - low) * u


def _is_off(strength: Scalar) -> bool:
    return not isinstance(strength, jax.core.Tracer) and float(strength) == 0


def _check_channels(image: Image, saturation: Scalar, hue: Scalar) -> None:
    channels = image.shape[2]
    if channels not in (1, 3):
        raise ValueError(
            f"`image` must have 1 or 3 channels for a change of colours, got {channels}."
        )
    for name, value in {"saturation": saturation, "hue": hue}.items():
        if channels == 1 and not _is_off(value):
            raise ValueError(
                f"`{name}` must be 0 for grey images, got {value}: they have none to change; leave "
                "it out."
            )
