"""An image laid whole onto a canvas of another shape: its aspect kept, the rest filled with grey.

Of an image of h x w pixels there are on a canvas of height x width

    scale = min(height / h, width / w)
    rows = round(h scale)    columns = round(w scale)              (at least 1)
    top = (height - rows) // 2    left = (width - columns) // 2

and a point goes to

    x' = left + x columns / w    y' = top + y rows / h

The sides are whole pixels, so the two scales differ by less than a pixel over the whole side; with
these, and not with their common approximation, boxes lie where the pixels do.
"""

from typing import NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxvision.data.objects import AnnotatedItem, AnnotatedSource, Objects

GREY = 128


class Letterbox(NamedTuple):
    """Where on a canvas an image lies; `fit_to_canvas` says it."""

    image_height: int
    image_width: int
    rows: int  # of the canvas that the image takes
    columns: int
    top: int
    left: int

    @property
    def scale(self) -> tuple[float, float]:
        """Of x and of y: canvas pixels for each pixel of the image."""
        return self.columns / self.image_width, self.rows / self.image_height

    def to_canvas(self, boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Boxes of the image, (left, top, right, bottom) in pixels, on the canvas."""
        return _like(boxes, boxes * self._scales() + self._offsets())

    def to_image(
        self, boxes: Float[np.ndarray, "n 4"], *, clip: bool = False
    ) -> Float[np.ndarray, "n 4"]:
        """Boxes on the canvas, in pixels of the image.

        Args:
            boxes: (left, top, right, bottom) in pixels of the canvas.
            clip: whether to cut them off at the image's border; what lies on the grey only is then
                a box without width or height.
        """
        moved = (boxes - self._offsets()) / self._scales()
        if clip:
            sides = [self.image_width, self.image_height] * 2
            moved = np.clip(moved, 0, np.array(sides, np.float64))
        return _like(boxes, moved)

    def _scales(self) -> np.ndarray:
        return np.array(self.scale * 2, np.float64)

    def _offsets(self) -> np.ndarray:
        return np.array([self.left, self.top] * 2, np.float64)


def fit_to_canvas(h: int, w: int, height: int, width: int) -> Letterbox:
    """Where an image of h x w pixels lies on a canvas of height x width.

    Raises:
        ValueError: if one of them is less than 1.
    """
    if min(h, w, height, width) < 1:
        raise ValueError(
            "`h`, `w`, `height` and `width` must be at least 1 pixel, got "
            f"{h} x {w} on {height} x {width}."
        )
    # In whole numbers: a side that fits the canvas takes it exactly, whatever 1 / 3 is.
    if height * w <= width * h:
        rows, columns = height, max(1, round(w * height / h))
    else:
        rows, columns = max(1, round(h * width / w)), width
    return Letterbox(h, w, rows, columns, (height - rows) // 2, (width - columns) // 2)


def letterbox(
    image: UInt8[np.ndarray, "h w c"], height: int, width: int
) -> tuple[UInt8[np.ndarray, "{height} {width} c"], Letterbox]:
    """Scales an image to the largest that fits onto the canvas, and centres it on mid grey, 128.

    The scaling is bilinear, and antialiased where it shrinks, as `fit_image`'s is.

    Raises:
        ValueError: if `height`, `width` or a side of the image is less than 1.
    """
    h, w, channels = image.shape
    place = fit_to_canvas(h, w, height, width)
    canvas = np.full((height, width, channels), GREY, np.uint8)
    inner = canvas[place.top : place.top + place.rows, place.left : place.left + place.columns]
    if (h, w) == (place.rows, place.columns):
        inner[:] = image
    elif channels == 3:
        inner[:] = _scaled(image, place)
    else:  # plane by plane, since Pillow would take a fourth band for alpha
        for channel in range(channels):
            inner[:, :, channel] = _scaled(image[:, :, channel], place)
    return canvas, place


class Letterboxed:
    """`source` with every image on a canvas of `height` x `width`, and its boxes where it is."""

    def __init__(self, source: AnnotatedSource, height: int, width: int):
        self.source, self.height, self.width = source, height, width
        self.classes = source.classes

    def __len__(self) -> int:
        return len(self.source)

    def box_of(self, index: SupportsIndex) -> Letterbox:
        """Where on its canvas an image lies: takes what is found there back to the image."""
        objects = self.source.objects(index)
        return fit_to_canvas(objects.height, objects.width, self.height, self.width)

    def objects(self, index: SupportsIndex) -> Objects:
        """The objects on the canvas; `height` and `width` are the canvas's."""
        return self._moved(self.source.objects(index))

    def __getitem__(self, index: SupportsIndex) -> AnnotatedItem:
        item = self.source[index]
        image, _ = letterbox(item["image"], self.height, self.width)
        return {"image": image, "objects": self._moved(item["objects"])}

    def describe(self, index: SupportsIndex) -> str:
        return self.source.describe(index)

    def _moved(self, objects: Objects) -> Objects:
        place = fit_to_canvas(objects.height, objects.width, self.height, self.width)
        return objects._replace(
            boxes=place.to_canvas(objects.boxes), height=self.height, width=self.width
        )


def _scaled(plane: UInt8[np.ndarray, "h w *c"], place: Letterbox) -> np.ndarray:
    size = (place.columns, place.rows)
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))


def _like(boxes: Float[np.ndarray, "n 4"], moved: np.ndarray) -> np.ndarray:
    return moved.astype(boxes.dtype)  # worked out in float64, whatever came in
