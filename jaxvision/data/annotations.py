"""What every reader of annotations holds them to, in one place.

    not finite, reversed (right < left), of an unknown class      an error
    more than `SLACK` pixels outside of the image                 an error
    the annotated size is not that of the image                   an error, when the image is read
    at most `SLACK` pixels outside                                cut at the border
    encloses nothing of the image                                 left out

One pixel is what counting from 0 or from 1, and rounding, put outside of an image: such a box is
right but for its edge. A box without width or height is no object, yet published data have some:
COCO's train2017 has two. Whatever is cut or left out is told in a remark.

An image's size is that of the image as it is read: upright, by its EXIF tag.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import numpy as np

from jaxvision.data.image_file import ImageError, numbered, open_image
from jaxvision.data.images import read_image
from jaxvision.data.objects import AnnotatedItem, Objects

SLACK = 1.0  # pixels
EXIF_ORIENTATION, ON_THEIR_SIDE = 0x0112, (5, 6, 7, 8)

Box = tuple[float, float, float, float]


class Annotation(NamedTuple):
    """One object as it stands in a file."""

    name: str  # of it in the file, for a message: "object 3"
    written: Any  # the box as the file has it, for a message
    box: Box  # (left, top, right, bottom) in pixels
    label: int
    difficult: bool = False
    crowd: bool = False


class Reading(NamedTuple):
    """The objects of an image, and what became of the annotations that are none."""

    objects: Objects  # their arrays are read-only: whoever reads the source shares them
    kept: list[int]  # which of the annotations they are
    remarks: list[str]  # a line for each box that was cut or left out


def read_objects(file: str, height: int, width: int, annotations: Sequence[Annotation]) -> Reading:
    """The objects of one image, by the rules of the module.

    Args:
        file: what an error or a remark calls the place that they are from.
        height, width: of the image.
        annotations: in the order that they are to have; there may be none.

    Raises:
        ValueError: if a box is not as the module says.
    """
    kept, boxes, remarks = [], [], []
    for i, annotation in enumerate(annotations):
        where = f"{file}: {annotation.name}"
        visible = _visible_part(where, annotation, height, width)
        if visible[0] >= visible[2] or visible[1] >= visible[3]:
            remarks.append(
                f"{where}: left out, since its box {annotation.written} encloses nothing."
            )
            continue
        if visible != annotation.box:
            remarks.append(
                f"{where}: its box {annotation.written} was cut at the border of the image "
                f"({width} x {height} pixels)."
            )
        kept.append(i)
        boxes.append(visible)
    objects = Objects(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array([annotations[i].label for i in kept], np.int32),
        difficult=np.array([annotations[i].difficult for i in kept], bool),
        crowd=np.array([annotations[i].crowd for i in kept], bool),
        height=height,
        width=width,
    )
    for array in objects[:4]:
        array.flags.writeable = False
    return Reading(objects, kept, remarks)


def read_annotated(
    index: SupportsIndex, path: Path, channels: int, objects: Objects
) -> AnnotatedItem:
    """Reads the image of these objects, item `index` of its source.

    Raises:
        ImageError: if its file is gone, cannot be read whole, or has not the size that the
            annotations are made for.
    """
    with numbered(f"Item {index}"):
        image = read_image(path, channels)
        if image.shape[:2] != (objects.height, objects.width):
            raise ImageError(
                f"{path}: is {image.shape[1]} x {image.shape[0]} pixels, but its annotations are "
                f"for {objects.width} x {objects.height}, so its boxes would lie elsewhere. Get "
                "the image that was annotated, or correct the annotated size and boxes."
            )
    return {"image": image, "objects": objects}


def class_index(where: str, found: Any, known: dict[Any, int]) -> int:
    """The number of a class.

    Raises:
        ValueError: if it is none of `known`.
    """
    if found not in known:
        names = ", ".join(map(repr, list(known)[:10])) + (", ..." if len(known) > 10 else "")
        raise ValueError(
            f"{where}: its class must be one of {names or 'none'}, got {found!r}. Correct it, or "
            "add the class."
        )
    return known[found]


def image_size(file: Path | io.BytesIO, name: str) -> tuple[int, int]:
    """Height and width of an image that is not decoded: only its head is read.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageError: if it is no image; names it by `name`.
    """
    with open_image(file, name) as image:
        width, height = image.size
        turned = image.getexif().get(EXIF_ORIENTATION) in ON_THEIR_SIDE
    return (width, height) if turned else (height, width)


def _visible_part(where: str, annotation: Annotation, height: int, width: int) -> Box:
    left, top, right, bottom = annotation.box
    rule = f"{where}: its box {annotation.written} must"
    if not all(map(math.isfinite, annotation.box)):
        raise ValueError(f"{rule} be of finite numbers. Correct it, or remove the object.")
    if left > right or top > bottom:
        raise ValueError(
            f"{rule} have its left before its right and its top above its bottom, got "
            f"({left:g}, {top:g}, {right:g}, {bottom:g}). Correct it, or remove the object."
        )
    outside = max(-left, -top, right - width, bottom - height)
    if outside > SLACK:
        raise ValueError(
            f"{rule} lie inside of its image of {width} x {height} pixels, but reaches "
            f"{outside:g} pixels out. Correct it, or the annotated size."
        )
    return (
        min(max(left, 0.0), float(width)),
        min(max(top, 0.0), float(height)),
        max(min(right, float(width)), 0.0),
        max(min(bottom, float(height)), 0.0),
    )
