"""A rectangle of the image is erased, so that no single part of it is all that counts.

Cutout: DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
2017, section 3.2, https://arxiv.org/abs/1708.04552. A square with its middle at any pixel; what of
it lies outside the image is cut off. The paper erases to 0 after normalisation, which is the data
set's mean before it: give that as `fill` (`jaxvision.ops.normalization`).

Random erasing: Zhong, Zheng, Kang, Li & Yang, "Random Erasing Data Augmentation", AAAI 2020,
Algorithm 1, https://arxiv.org/abs/1708.04896. With S = h w, and until it fits into the image,

    Se uniform in S [area]    re in [aspect_ratio]    He = sqrt(Se re)    We = sqrt(Se / re)

We differ in three points: re is uniform in its logarithm (flat and tall are then alike); at most 10
rectangles are tried, for a compiled program draws all of them; and only their size is redrawn, with
the place chosen afterwards among those where it fits.

Boxes and segmentation stay: what was there still is, behind the rectangle.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.augment.coin import coin
from jaxvision.augment.example import Augmentation, Example, RandomKey, image_of
from jaxvision.augment.fill import Color, color_of, require_color
from jaxvision.augment.rectangle import around_a_random_pixel, pixels_inside
from jaxvision.hyperparameters import Scalar, Whole, require, require_whole

TRIALS = 10


def cutout(size: Whole, fill: Color = 0.0) -> Augmentation:
    """Erases a square of `size` x `size` pixels.

    Args:
        size: of the square's side, in pixels; the paper takes 16 of 32 for CIFAR-10.
        fill: a pixel value, or one a channel.

    Raises:
        ValueError: if `size` is no whole number from 0 on.
    """
    require_whole("size", size, low=0, remedy="it is the side of the square, in pixels")
    require_color(fill, ())

    def apply(key: RandomKey, example: Example) -> Example:
        image = image_of(example)
        height, width, channels = image.shape
        side = jnp.asarray(size)
        erased = around_a_random_pixel(key, side, side, height, width)
        color = color_of(fill, channels)[None, None]
        return example | {"image": jnp.where(erased, color, image)}

    return apply


def random_erasing(
    probability: Scalar = 0.5,
    area: tuple[Scalar, Scalar] = (0.02, 0.4),
    aspect_ratio: tuple[Scalar, Scalar] = (0.3, 1 / 0.3),
    fill: Color | str = "random",
) -> Augmentation:
    """Erases a rectangle of random size, shape and place, or does nothing.

    Args:
        probability: of erasing at all.
        area: from and to which part of the image's area.
        aspect_ratio: from and to which height by width.
        fill: "random", a whole value 0..255 for each pixel and channel, all alike; or a pixel
            value, or one a channel.

    Raises:
        ValueError: if a number is out of its range, or `fill` is another word.
    """
    require("probability", probability, "[0, 1]", "0.5 erases in half of the examples")
    for end in area:
        require("area", end, "[0, 1]", "it is a part of the image's area, from and to")
    for end in aspect_ratio:
        require("aspect_ratio", end, "(0, inf)", "it is height by width, from and to")
    require_color(fill, ("random",))

    def apply(key: RandomKey, example: Example) -> Example:
        image = image_of(example)
        coin_key, size_key, place_key, color_key = jax.random.split(key, 4)
        rows, columns, fits = _sizes(size_key, area, aspect_ratio, *image.shape[:2])
        first = jnp.argmax(fits)  # of none that fits, number 0, which is not used
        erase = coin(coin_key, probability) & fits[first]
        erased = _somewhere(place_key, rows[first], columns[first], *image.shape[:2])
        if isinstance(fill, str):
            color = _noise(color_key, image.shape)
        else:
            color = color_of(fill, image.shape[2])[None, None]
        return example | {"image": jnp.where(erase & erased, color, image)}

    return apply


def _sizes(
    key: RandomKey,
    area: tuple[Scalar, Scalar],
    aspect_ratio: tuple[Scalar, Scalar],
    height: int,
    width: int,
) -> tuple[Array, Array, Array]:
    """Rows and columns of so many rectangles, and which of these fit into the image."""
    area_key, ratio_key = jax.random.split(key)
    se = height * width * _between(jax.random.uniform(area_key, (TRIALS,)), *area)
    ends = (jnp.log(jnp.asarray(end, jnp.float32)) for end in aspect_ratio)
    re = jnp.exp(_between(jax.random.uniform(ratio_key, (TRIALS,)), *ends))
    rows = jnp.round(jnp.sqrt(se * re)).astype(jnp.int32)
    columns = jnp.round(jnp.sqrt(se / re)).astype(jnp.int32)
    return rows, columns, (rows <= height) & (columns <= width)


def _between(u: Float[Array, " n"], low: Scalar, high: Scalar) -> Float[Array, " n"]:
    return low + (high - low) * u


def _somewhere(key: RandomKey, rows: Array, columns: Array, height: int, width: int) -> Array:
    """A rectangle at any of the places where it lies inside the image."""
    row_key, column_key = jax.random.split(key)
    top = jax.random.randint(row_key, (), 0, height - rows + 1)
    left = jax.random.randint(column_key, (), 0, width - columns + 1)
    return pixels_inside(top, left, rows, columns, height, width)


def _noise(key: RandomKey, shape: tuple[int, ...]) -> Float[Array, "h w c"]:
    """Random bytes; four of a word of the generator, which is what they cost."""
    size = math.prod(shape)
    words = jax.random.bits(key, (-(-size // 4),), jnp.uint32)
    values = lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[:size]
    return values.reshape(shape).astype(jnp.float32)
