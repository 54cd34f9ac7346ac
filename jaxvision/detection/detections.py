"""What was found in an image: boxes, with a score and a class each; and how boxes overlap.

A box is (left, top, right, bottom) in pixels of its image; pixel i covers [i, i + 1), as in
`jaxvision.data.objects`. Areas are computed in float64, so that a box that overlaps an object by
exactly one half does so here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int32

from jaxvision.data.objects import Objects


class Detections(NamedTuple):
    """What was found in one image, the surest first; k may be 0."""

    boxes: Float32[np.ndarray, "k 4"]
    scores: Float32[np.ndarray, " k"]  # descending; any scale that is the same for all images
    labels: Int32[np.ndarray, " k"]  # indices into the source's `classes`


def intersections(
    boxes: Float[np.ndarray, "k 4"], others: Float[np.ndarray, "n 4"]
) -> Float64[np.ndarray, "k n"]:
    """The area that each of `boxes` shares with each of `others`."""
    a, b = boxes[:, None].astype(np.float64), others[None].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.prod(np.maximum(sides, 0), axis=-1)


def overlaps(
    boxes: Float[np.ndarray, "k 4"], others: Float[np.ndarray, "n 4"]
) -> Float64[np.ndarray, "k n"]:
    """Intersection over union of each of `boxes` with each of `others`; 0 of two empty boxes."""
    shared = intersections(boxes, others)
    union = _areas(boxes)[:, None] + _areas(others)[None] - shared
    return shared / np.where(union > 0, union, 1)


def shares_inside(
    boxes: Float[np.ndarray, "k 4"], others: Float[np.ndarray, "n 4"]
) -> Float64[np.ndarray, "k n"]:
    """The share of each of `boxes` that lies in each of `others`: the overlap with a crowd."""
    area = _areas(boxes)[:, None]
    return intersections(boxes, others) / np.where(area > 0, area, 1)


def check_detections(
    truth: Sequence[Objects], found: Sequence[Detections], classes: Sequence[str]
) -> None:
    """Holds what is to be compared to its form.

    Raises:
        ValueError: if there are no classes, no images, or not as many `found` as `truth`; if of one
            image the arrays do not fit together, a label is no class, a box is not finite or ends
            before it begins, or the scores are NaN or not descending. It names the image.
    """
    if not classes:
        raise ValueError("`classes` must name at least one class, got none: pass the source's.")
    if not len(truth):
        raise ValueError("`truth` must hold at least one image, got none: evaluate on some.")
    if len(truth) != len(found):
        raise ValueError(
            f"`found` must have one entry for each image of `truth`, got {len(found)} for "
            f"{len(truth)}: an image in which nothing was found has an entry too, of 0 boxes."
        )
    for name, images in (("truth", truth), ("found", found)):
        for i, image in enumerate(images):
            _check_boxes(f"`{name}` must have", f"in image {i}", image, len(classes))
    for i, image in enumerate(found):
        if not (image.scores[:-1] >= image.scores[1:]).all() or np.isnan(image.scores).any():
            raise ValueError(
                "`found` must have scores that are numbers, in descending order, got "
                f"{image.scores[:5].tolist()} in image {i}: look for NaN, and sort all its arrays."
            )


def _check_boxes(must: str, where: str, image: Objects | Detections, classes: int) -> None:
    boxes, labels, k = image.boxes, image.labels, len(image.labels)
    shapes = [np.shape(field) for field in image if np.ndim(field)]
    if shapes != [(k, 4)] + [(k,)] * (len(shapes) - 1):
        raise ValueError(
            f"{must} boxes [k, 4] and k values in each array beside them, got shapes {shapes} "
            f"{where}: 0 boxes are `np.zeros((0, 4), np.float32)`."
        )
    if k and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"{must} labels in [0, {classes}), got {labels.min()} to {labels.max()} {where}: they "
            "index `classes`, of which the background is none."
        )
    valid = np.isfinite(boxes).all(axis=1) & (boxes[:, :2] <= boxes[:, 2:]).all(axis=1)
    if not valid.all():
        raise ValueError(
            f"{must} finite boxes (left, top, right, bottom) that do not end before they begin, "
            f"got {boxes[~valid][0].tolist()} {where}: look for NaN, or columns in another order."
        )


def _areas(boxes: Float[np.ndarray, "k 4"]) -> Float64[np.ndarray, " k"]:
    return np.prod(boxes[:, 2:].astype(np.float64) - boxes[:, :2], axis=-1)
