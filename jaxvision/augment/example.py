"""What an augmentation takes and returns, and what moves in it together.

An example is a dict:

    "image"         [h, w, c], pixel values 0..255 of any dtype; float32 from the first augmentation
                    on
    "boxes"         float [n, 4], (left, top, right, bottom) in pixels; pixel i covers [i, i + 1)
    "box_mask"      bool [n], False for rows of "boxes" that are no box
    "segmentation"  int [h, w], the class of each pixel
    "target"        [h, w, k], 0..255, of any dtype, a second image: what a network is to make of
                    the first. It moves with that and otherwise stays as it is, in its dtype unless
                    it is resampled
    "row", "epoch"  int, its number in the data set, and which pass over it this is

"image" must be there. Whatever else there is ("label", ...) passes through untouched.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, Num

Example: TypeAlias = dict[str, Any]
Batch: TypeAlias = dict[str, Any]  # the same with a leading axis b, and "mask" bool [b]
RandomKey: TypeAlias = Key[Array, ""]
Augmentation: TypeAlias = Callable[[RandomKey, Example], Example]
BatchAugmentation: TypeAlias = Callable[[RandomKey, Batch], Batch]


def image_of(example: Example) -> Float[Array, "h w c"]:
    """The image as float32, which it stays from then on.

    Raises:
        ValueError: if there is none, or it is no single image.
    """
    shape = jnp.shape(example.get("image"))
    if len(shape) != 3:
        raise ValueError(
            f'`example` must have an "image" [h, w, c], got shape {shape}; a batch of images goes '
            "through `per_example(augmentation)`."
        )
    return jnp.asarray(example["image"], jnp.float32)


def boxes_of(example: Example) -> tuple[Float[Array, "n 4"], Bool[Array, " n"]]:
    """The boxes, and which rows are any.

    Raises:
        ValueError: if there are boxes and no mask.
    """
    if "box_mask" not in example:
        raise ValueError(
            '`example` must have a "box_mask" [n] with its "boxes", got none; boxes that leave the '
            "image are masked there. `jnp.ones(n, bool)` says that all are boxes."
        )
    return jnp.asarray(example["boxes"]), jnp.asarray(example["box_mask"])


def partners_of(example: Example) -> dict[str, Num[Array, "h w *k"]]:
    """What else of an example has a value for each pixel: "segmentation" and "target", if there.

    Raises:
        ValueError: if one has not the image's size.
    """
    names = [name for name in ("segmentation", "target") if name in example]
    partners = {name: jnp.asarray(example[name]) for name in names}
    size = jnp.shape(example["image"])[:2]
    for name, pixels in partners.items():
        if pixels.ndim != {"segmentation": 2, "target": 3}[name] or pixels.shape[:2] != size:
            axes = "[h, w]" if name == "segmentation" else "[h, w, k]"
            raise ValueError(
                f'`example` must have a "{name}" {axes} of its image\'s {size[0]} x {size[1]} '
                f"pixels, got shape {pixels.shape}: what belongs to other pixels cannot move along."
            )
    return partners


def visible_boxes(
    boxes: Float[Array, "n 4"], box_mask: Bool[Array, " n"], height: int, width: int
) -> dict[str, Array]:
    """Boxes cut off at the image's border; one of which nothing is left is masked."""
    left, top, right, bottom = boxes.T
    left, right = jnp.clip(left, 0, width), jnp.clip(right, 0, width)
    top, bottom = jnp.clip(top, 0, height), jnp.clip(bottom, 0, height)
    return {
        "boxes": jnp.stack([left, top, right, bottom], axis=1),
        "box_mask": box_mask & (left < right) & (top < bottom),
    }
