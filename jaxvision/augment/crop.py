"""Pads an image all around and cuts an image of the same size out of it, somewhere.

He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2
(https://arxiv.org/abs/1512.03385), for CIFAR: 4 pixels on each side.

    image'[i, j] = padded image[i + dy, j + dx],    dy, dx whole and uniform in -padding .. padding

The padded image is never made: the rows, and then the columns, are looked up where they come from.
So `padding` may be traced.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Num, Shaped

from jaxvision.augment.example import (
    Augmentation,
    Example,
    RandomKey,
    boxes_of,
    image_of,
    partners_of,
    visible_boxes,
)
from jaxvision.augment.fill import Color, color_of, require_color
from jaxvision.hyperparameters import Whole, require_whole


def pad_and_crop(
    padding: Whole = 4, fill: Color | str = 0.0, fill_class: Whole = 0
) -> Augmentation:
    """Shifts an image and all that moves with it by whole pixels.

    Args:
        padding: at most so many pixels, either way, in each direction.
        fill: what comes in from outside: "reflect", the image mirrored at its outermost pixels, or
            a pixel value, or one a channel.
        fill_class: the class of that in the segmentation; with "reflect" it is the mirrored one's.

    Raises:
        ValueError: if `padding` is no whole number from 0 on, or `fill` is another word.
    """
    require_whole("padding", padding, low=0, remedy="4 is for images of 32 pixels")
    require_color(fill, ("reflect",))

    def apply(key: RandomKey, example: Example) -> Example:
        image = image_of(example)
        height, width, channels = image.shape
        dy, dx = jax.random.randint(key, (2,), -padding, padding + 1)
        rows, columns = jnp.arange(height) + dy, jnp.arange(width) + dx
        reflect = isinstance(fill, str)
        color = None if reflect else color_of(fill, channels)
        changed = {"image": _look_up(image, rows, columns, color)}
        partners = partners_of(example)
        if "segmentation" in partners:
            segmentation = partners["segmentation"][:, :, None]
            outside = None if reflect else jnp.asarray(fill_class, segmentation.dtype)[None]
            changed["segmentation"] = _look_up(segmentation, rows, columns, outside)[:, :, 0]
        if "target" in partners:
            target = partners["target"].astype(jnp.float32)
            color = None if reflect else color_of(fill, target.shape[2])
            changed["target"] = _look_up(target, rows, columns, color)
        if "boxes" in example:
            boxes, box_mask = boxes_of(example)
            shift = jnp.stack([dx, dy, dx, dy]).astype(boxes.dtype)
            changed |= visible_boxes(boxes - shift[None], box_mask, height, width)
        return example | changed

    return apply


def _look_up(
    pixels: Num[Array, "h w c"],
    rows: Int[Array, " h"],
    columns: Int[Array, " w"],
    outside: Shaped[Array, " c"] | None,
) -> Num[Array, "h w c"]:
    """pixels[rows, columns]; beyond the border `outside`, or the reflection if that is None."""
    inner_rows, inner_columns = (
        _reflected(lines, size)
        for lines, size in zip((rows, columns), pixels.shape[:2], strict=True)
    )
    found = pixels.at[inner_rows].get(mode="promise_in_bounds")
    found = found.at[:, inner_columns].get(mode="promise_in_bounds")
    if outside is None:
        return found
    inside = (inner_rows == rows)[:, None] & (inner_columns == columns)[None, :]
    return jnp.where(inside[:, :, None], found, outside[None, None])


def _reflected(lines: Int[Array, " n"], size: int) -> Int[Array, " n"]:
    """... 2 1 0 1 2 ... size-2 size-1 size-2 ...: to and fro, however far outside."""
    period = max(2 * (size - 1), 1)
    lines = lines % period
    return jnp.minimum(lines, period - lines)
