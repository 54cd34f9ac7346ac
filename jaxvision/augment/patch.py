"""A random window of an image, in its own pixels: what networks of any size are trained on.

    image'[i, j] = image[y + i, x + j]

with y and x whole and uniform in 0 .. h - height and 0 .. w - width.

Nothing is resampled, and nothing comes in from outside.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxvision.augment.example import (
    Augmentation,
    Example,
    RandomKey,
    boxes_of,
    image_of,
    partners_of,
    visible_boxes,
)
from jaxvision.hyperparameters import require_whole


def random_patch(height: int, width: int) -> Augmentation:
    """Cuts one window out of the image, its segmentation and its target, and moves its boxes.

    Args:
        height: of the window, in pixels.
        width: of the window.

    Raises:
        ValueError: if a side is below 1, or an image is smaller than the window.
    """
    require_whole("height", height, low=1, remedy="it is the window's, in pixels")
    require_whole("width", width, low=1, remedy="it is the window's, in pixels")

    def apply(key: RandomKey, example: Example) -> Example:
        image = image_of(example)
        h, w, _ = image.shape
        if h < height or w < width:
            raise ValueError(
                f'`example` must have an "image" of at least the patch\'s {height} x {width} '
                f"pixels, got {h} x {w}: take a smaller patch, or leave such images out."
            )
        # Both ends are static, so each place is as likely as any other.
        row_key, column_key = jax.random.split(key)
        y = jax.random.randint(row_key, (), 0, h - height + 1)
        x = jax.random.randint(column_key, (), 0, w - width + 1)
        changed = {
            name: lax.dynamic_slice(
                pixels, (y, x, *[0] * (pixels.ndim - 2)), (height, width, *pixels.shape[2:])
            )
            for name, pixels in ({"image": image} | partners_of(example)).items()
        }
        if "boxes" in example:
            boxes, box_mask = boxes_of(example)
            shift = jnp.stack([x, y, x, y]).astype(boxes.dtype)
            changed |= visible_boxes(boxes - shift[None], box_mask, height, width)
        return example | changed

    return apply
