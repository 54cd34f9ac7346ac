"""Images with boxes as arrays of one shape: as many rows for each image as the fullest one needs.

    image       uint8 [h, w, c]
    boxes       float32 [most, 4]    the objects first, then rows of zeros
    box_mask    bool [most]          which rows are objects
    label       int32 [most]         their classes, and 0 where there is none

It is what the augmentations take (`jaxvision.augment`), and what batches are stacked from. Objects
that are difficult, or a crowd, are left out: nobody learns from them, and an evaluation, which has
to know them, reads the source itself.
"""

from typing import SupportsIndex, TypedDict

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from jaxvision.data.objects import AnnotatedSource, Objects


class PaddedItem(TypedDict):
    """An image with as many rows of boxes as every other; `box_mask` says which are any."""

    image: UInt8[np.ndarray, "h w c"]
    boxes: Float32[np.ndarray, "most 4"]
    box_mask: Bool[np.ndarray, " most"]
    label: Int32[np.ndarray, " most"]


class Padded:
    """`source` with `most` rows of boxes an image; the module says which.

    Args:
        source: images with boxes.
        most: rows an image; by default as many as the fullest image of `source` needs, at least 1.

    Raises:
        ValueError: if `most` is less than 1, or an image has more objects than that.
    """

    def __init__(self, source: AnnotatedSource, most: int | None = None):
        if most is not None and most < 1:
            raise ValueError(f"`most` must be at least 1, got {most}. It is boxes an image.")
        self.source, self.classes = source, source.classes
        counts = [int(_learned(source.objects(i)).sum()) for i in range(len(source))]
        fullest = int(np.argmax(counts)) if counts else 0
        needed = max(counts, default=0)
        if most is not None and needed > most:
            raise ValueError(
                f"{source.describe(fullest)}: has {needed} objects, more than `most` = {most}. "
                f"Raise it (`--max-boxes {needed}` takes all images), or leave the image out."
            )
        self.most = most or max(needed, 1)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: SupportsIndex) -> PaddedItem:
        item = self.source[index]
        objects = item["objects"]
        rows = _learned(objects)
        count = int(rows.sum())
        boxes, label = np.zeros((self.most, 4), np.float32), np.zeros(self.most, np.int32)
        boxes[:count], label[:count] = objects.boxes[rows], objects.labels[rows]
        return {
            "image": item["image"],
            "boxes": boxes,
            "box_mask": np.arange(self.most) < count,
            "label": label,
        }

    def describe(self, index: SupportsIndex) -> str:
        return self.source.describe(index)


def _learned(objects: Objects) -> Bool[np.ndarray, " k"]:
    return ~(objects.difficult | objects.crowd)
