"""PASCAL VOC's average precision: how sure one may be of what is found, over how much is found.

Everingham, Van Gool, Williams, Winn, Zisserman 2010, "The PASCAL Visual Object Classes (VOC)
Challenge", section 4.2; the area from 2010 on is that of the challenge's development kit.

A detection belongs to the object of its class in its image that it overlaps most, if

    area(B_p and B_gt) / area(B_p or B_gt) >= iou

The surest detection of an object is right, every other of it is false, and so is one that belongs
to none. Of all detections of a class with a score of s or more,

    precision(s) = right / (right + false),    recall(s) = right / objects
    p_interp(r)  = max of precision(s) where recall(s) >= r
    AP (2007)    = 1/11 sum of p_interp(r) over r = 0, 0.1, ..., 1
    AP (2010 on) = integral of p_interp(r) over r from 0 to 1

`difficult` objects are not among the objects, and what belongs to one is neither right nor false.

Deviations: detections of equal score count together, as no threshold parts them; the kit counts
them in the order of its files, on which the result must not depend. VOC has no crowds; here, as in
COCO, what would be false is not counted where a share of `iou` of it lies in a crowd of its class.
The kit's boxes end with their last pixel and ours behind it, so that its `+ 1` is not needed.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from jaxvision.data.objects import Objects
from jaxvision.detection.detections import Detections, check_detections, overlaps, shares_inside
from jaxvision.hyperparameters import require


class PrecisionRecall(NamedTuple):
    """The curve of one class: a point for each score that a detection of it has, the highest first.

    Without any object there is nothing to recall: then `recall` is NaN.
    """

    recall: Float64[np.ndarray, " k"]
    precision: Float64[np.ndarray, " k"]
    score: Float64[np.ndarray, " k"]
    objects: int


class VocPrecision(NamedTuple):
    """Both forms of the average precision, by class and their means.

    A class without objects has none: it is NaN, and not in the mean.
    """

    mean: float  # of `area`
    mean_eleven_point: float
    area: Float64[np.ndarray, " c"]  # VOC 2010 on
    eleven_point: Float64[np.ndarray, " c"]  # VOC 2007
    curves: tuple[PrecisionRecall, ...]


def voc_average_precision(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    iou: int | float = 0.5,
) -> VocPrecision:
    """Average precision by class, of all images together.

    Args:
        truth: what is in each image.
        found: what was found in it.
        classes: the names that labels index.
        iou: the least overlap of a right detection with its object.

    Raises:
        ValueError: if `iou` is not in (0, 1], or for what `check_detections` refuses.
    """
    curves = precision_recall(truth, found, classes, iou)
    area = np.array([area_precision(curve) for curve in curves])
    eleven_point = np.array([eleven_point_precision(curve) for curve in curves])
    return VocPrecision(_mean(area), _mean(eleven_point), area, eleven_point, curves)


def mean_average_precision(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    iou: int | float = 0.5,
) -> float:
    """The mean over the classes of the area form; arguments and errors of `voc_average_precision`.

    NaN if there is no object at all.
    """
    return voc_average_precision(truth, found, classes, iou).mean


def precision_recall(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    iou: int | float = 0.5,
) -> tuple[PrecisionRecall, ...]:
    """The curve of each class; arguments and errors of `voc_average_precision`."""
    require("iou", iou, "(0, 1]", "1 asks for equal boxes")
    check_detections(truth, found, classes)
    labels = np.concatenate([image.labels for image in found])
    scores = np.concatenate([image.scores for image in found]).astype(np.float64)
    matches = [match(*image, iou) for image in zip(truth, found, strict=True)]
    right, ignored = (np.concatenate(flags) for flags in zip(*matches, strict=True))
    to_find = [image.labels[~(image.difficult | image.crowd)] for image in truth]
    objects = np.bincount(np.concatenate(to_find), minlength=len(classes))
    curves = []
    for label, count in enumerate(objects.tolist()):
        counted = (labels == label) & ~ignored
        curves.append(_curve(scores[counted], right[counted], count))
    return tuple(curves)


def match(
    objects: Objects, found: Detections, iou: int | float
) -> tuple[Bool[np.ndarray, " k"], Bool[np.ndarray, " k"]]:
    """Which detections of one image are right, and which are not counted; the others are false."""
    if not len(objects.labels) or not len(found.labels):
        return np.zeros(len(found.labels), bool), np.zeros(len(found.labels), bool)
    own = found.labels[:, None] == objects.labels[None]
    overlap = np.where(own & ~objects.crowd[None], overlaps(found.boxes, objects.boxes), -1.0)
    its_object = np.argmax(overlap, axis=1)
    has_one = np.max(overlap, axis=1) >= iou
    # The surest detection of an object is the first.
    _, first = np.unique(np.where(has_one, its_object, -1), return_index=True)
    right = np.zeros(len(found.labels), bool)
    right[first] = True
    difficult = objects.difficult[its_object]
    right &= has_one & ~difficult
    in_crowd = own & objects.crowd[None] & (shares_inside(found.boxes, objects.boxes) >= iou)
    return right, ~right & ((has_one & difficult) | in_crowd.any(axis=1))


def best_score(curves: Sequence[PrecisionRecall]) -> float:
    """The least score to look at so that precision and recall are best together: with it, the mean
    over the classes of F1 = 2 precision recall / (precision + recall) is largest.

    NaN if there is no detection, or no object.
    """
    curves = [curve for curve in curves if curve.objects and curve.score.size]
    if not curves:
        return math.nan
    scores = np.unique(np.concatenate([curve.score for curve in curves]))
    total = np.zeros(len(scores))
    for recall, precision, score, _ in curves:
        f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
        last = np.searchsorted(-score, -scores, side="right") - 1  # the last that is as high
        total += np.where(last >= 0, f1[last], 0)
    return float(scores[total.argmax()])


def area_precision(curve: PrecisionRecall) -> float:
    """The area below p_interp (VOC 2010 on); NaN without objects."""
    if not curve.objects:
        return np.nan
    # p_interp is a staircase: as high as the best point that is not to its left.
    steps = np.diff(curve.recall, prepend=0)
    return float(steps @ np.maximum.accumulate(curve.precision[::-1])[::-1])


def eleven_point_precision(curve: PrecisionRecall) -> float:
    """The mean of p_interp at recall 0, 0.1, ..., 1 (VOC 2007); NaN without objects."""
    if not curve.objects:
        return np.nan
    # i / 10, like right / objects, is the float64 nearest to it: what is equal compares equal.
    # Multiples of 0.1 are not; 3 * 0.1 > 3 / 10.
    levels = np.arange(11) / 10
    reached = np.where(curve.recall >= levels[:, None], curve.precision, 0)
    return float(reached.max(axis=1, initial=0).mean())


def _curve(
    scores: Float64[np.ndarray, " k"], right: Bool[np.ndarray, " k"], objects: int
) -> PrecisionRecall:
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    lasts = np.append(scores[1:] != scores[:-1], True)[: len(scores)]  # of those of one score
    right_so_far = np.cumsum(right)[lasts]
    precision = right_so_far / (np.flatnonzero(lasts) + 1)
    recall = right_so_far / objects if objects else np.full(len(precision), np.nan)
    return PrecisionRecall(recall, precision, scores[lasts], objects)


def _mean(by_class: Float64[np.ndarray, " c"]) -> float:
    measured = by_class[~np.isnan(by_class)]
    return float(measured.mean()) if len(measured) else np.nan
