"""Images and masks as arrays of one shape, that batches are stacked from.

    image         uint8 [h, w, c]
    segmentation  int [h, w]      the class of each pixel, or `NOT_COUNTED`
    target        float32 [h, w, 1], only with border weights: the weight of each pixel

An image keeps its aspect. It is scaled if that is asked for, lies in the canvas's upper left, and
is continued beyond by its mirror image, whose pixels do not count. Of a network of valid
convolutions, which answers for the middle of what it sees, the canvas has a margin around that.

`target` is what the augmentations call what moves with an image (`jaxvision.augment.example`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, SupportsIndex, TypeAlias

import numpy as np
from jaxtyping import Float32, Int, Int32, UInt8
from PIL import Image

from jaxvision.data.masks import NOT_COUNTED, MaskedSource

Weigh: TypeAlias = Callable[[Int32[np.ndarray, "h w"]], Float32[np.ndarray, "h w"]]


class Canvas(NamedTuple):
    """The size that images are brought to."""

    height: int  # without the margin
    width: int
    margin: int  # on every side
    longer: int | None  # the longer side of an image, scaled; None: it is not scaled


class Canvases:
    """`source` on canvases; with `weigh`, with the weight of each pixel."""

    def __init__(self, source: MaskedSource, canvas: Canvas, weigh: Weigh | None = None):
        self.source, self.canvas, self.weigh = source, canvas, weigh
        self.classes = source.classes
        # A byte a pixel where that suffices: masks stay on the device, beside the images.
        self._kind = np.int8 if len(self.classes) < 128 else np.int32

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        item = self.source[index]
        image, segmentation = item["image"], item["segmentation"]
        if self.canvas.longer is not None:
            size = scaled_size(*image.shape[:2], self.canvas.longer)
            image, segmentation = scale_image(image, size), scale_mask(segmentation, size)
        outside = {"mode": "constant", "constant_values": NOT_COUNTED}
        placed = {
            "image": self._place(image, mode="reflect"),
            "segmentation": self._place(segmentation.astype(self._kind), **outside),
        }
        if self.weigh is not None:
            # Of what does not count nothing is known, least of all that it is an object.
            weights = self.weigh(np.maximum(segmentation, 0))[:, :, None]
            placed["target"] = self._place(weights, mode="reflect")
        return placed

    def describe(self, index: SupportsIndex) -> str:
        return self.source.describe(index)

    def _place(self, pixels: np.ndarray, **options: Any) -> np.ndarray:
        margin, sides = self.canvas.margin, zip(self.canvas[:2], pixels.shape, strict=False)
        around = [(margin, whole - side + margin) for whole, side in sides]
        return np.pad(pixels, [*around, (0, 0)][: pixels.ndim], **options)


def scaled_size(height: int, width: int, longer: int) -> tuple[int, int]:
    """Height and width so that the longer one is `longer`, in the same ratio to a pixel."""
    most = max(height, width)
    rows, columns = (max(1, round(side * longer / most)) for side in (height, width))
    return rows, columns


def scale_image(
    image: UInt8[np.ndarray, "h w c"], size: tuple[int, int]
) -> UInt8[np.ndarray, "hs ws c"]:
    """Scales to height and width: bilinear, and antialiased where it shrinks."""
    planes = [image] if image.shape[2] == 3 else np.moveaxis(image, 2, 0)
    scaled = [
        np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR))
        for plane in planes
    ]
    return scaled[0] if image.shape[2] == 3 else np.stack(scaled, axis=2)


def scale_mask(
    segmentation: Int[np.ndarray, "h w"], size: tuple[int, int]
) -> Int32[np.ndarray, "hs ws"]:
    """Scales to height and width: each pixel takes the class of the nearest one."""
    image = Image.fromarray(segmentation.astype(np.int32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST))
