"""What a detector's errors are made of: each detection, and each object, of one kind.

After Hoiem, Chodpathumwan, Dai 2012, "Diagnosing Error in Object Detectors", and Bolya, Foley,
Hays, Hoffman 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors", section 2.2.
Of the detections with a score of `score` or more, with the overlaps (intersection over union) that
a detection has with the objects of its own class and with those of others, each is the first of

    right          it is the surest of those that belong to an object, as in `voc_precision`
    duplicate      it belongs to an object that a surer one has: own overlap >= iou
    location       its box is not good enough: 0.1 <= own overlap < iou
    class          it found an object of another class: other overlap >= iou
    both           its class and its box are wrong: 0.1 <= other overlap < iou
    background     it found nothing

that it can be, and each object that none of these is about, neither a right detection nor an error
of location or class, is `missed`. As there, `difficult` objects are not missed, and what belongs to
one, or would be false and lies in a crowd of its class, is not counted.

Deviations from TIDE: it prefers a class error to a duplicate, weights each kind by the average
precision that its repair would gain, and takes a detection's object as COCO does; here are counts,
and an error's object is the one of most overlap.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from jaxvision.data.objects import Objects
from jaxvision.detection.detections import Detections, check_detections, overlaps
from jaxvision.detection.voc_precision import match
from jaxvision.hyperparameters import require

KINDS = ("right", "duplicate", "location", "class", "both", "background", "missed")
RIGHT, DUPLICATE, LOCATION, CLASS, BOTH, BACKGROUND, MISSED = range(len(KINDS))
LEAST_OVERLAP = 0.1  # with less, a detection is not about an object at all


class Errors(NamedTuple):
    """How many of each kind there are, by class, and what was taken for what.

    Attributes:
        counts: for each of `KINDS`, by class: of the detections that they name, and of the objects
            that are missed.
        confusion: true classes (rows) by found ones (columns), and behind them the background. Each
            object is counted once: as found right, or else as what the surest class error about it
            calls it, or else in the last column. Each detection that is counted is counted once: in
            its object's row if it speaks for one so, else in the last row. So a row adds up to the
            objects of its class, and a column to the detections of its class.
    """

    counts: Mapping[str, Int[np.ndarray, " c"]]
    confusion: Int[np.ndarray, "c+1 c+1"]


def count_errors(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    score: int | float = 0.5,
    iou: int | float = 0.5,
) -> Errors:
    """Counts the kinds of all detections and objects; the module gives the rules.

    Args:
        truth: what is in each image.
        found: what was found in it.
        classes: the names that labels index.
        score: the lowest score of a detection that is looked at.
        iou: the least overlap of a right detection with its object.

    Raises:
        ValueError: if `iou` is not in (0.1, 1], or for what `check_detections` refuses.
    """
    require("iou", iou, f"[{LEAST_OVERLAP}, 1]")
    check_detections(truth, found, classes)
    counts = np.zeros((len(KINDS), len(classes)), np.int64)
    confusion = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    for objects, image in zip(truth, found, strict=True):
        image = _only(image, image.scores >= score)
        right, ignored = match(objects, image, iou)
        image, right = _only(image, ~ignored), right[~ignored]
        kinds, about = _judge(objects, image, right, iou)
        np.add.at(counts, (kinds, image.labels), 1)
        to_find = ~(objects.difficult | objects.crowd)
        met = np.isin(np.arange(len(to_find)), about[np.isin(kinds, [RIGHT, LOCATION, CLASS])])
        np.add.at(counts[MISSED], objects.labels[to_find & ~met], 1)
        _confuse(confusion, objects, to_find, image, kinds, about)
    return Errors(dict(zip(KINDS, counts, strict=True)), confusion)


def _only(found: Detections, which: Bool[np.ndarray, " k"]) -> Detections:
    return Detections(found.boxes[which], found.scores[which], found.labels[which])


def _judge(
    objects: Objects, found: Detections, right: Bool[np.ndarray, " k"], iou: int | float
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Of each detection its kind, and the number of the object it is about; -1 for none."""
    same = found.labels[:, None] == objects.labels[None]
    overlap = np.where(objects.crowd[None], 0, overlaps(found.boxes, objects.boxes))
    nothing = ((0, 0), (0, 1))  # one more column, so that there is a largest one without objects
    own = np.pad(np.where(same, overlap, 0), nothing)
    other = np.pad(np.where(same, 0, overlap), nothing)
    own_most, other_most = own.max(axis=1), other.max(axis=1)
    kinds = np.select(
        [
            right,
            own_most >= iou,
            own_most >= LEAST_OVERLAP,
            other_most >= iou,
            other_most >= LEAST_OVERLAP,
        ],
        [RIGHT, DUPLICATE, LOCATION, CLASS, BOTH],
        BACKGROUND,
    )
    about = np.select([kinds <= LOCATION, kinds == CLASS], [own.argmax(1), other.argmax(1)], -1)
    return kinds, about


def _confuse(
    confusion: Int[np.ndarray, "_c _c"],
    objects: Objects,
    to_find: Bool[np.ndarray, " n"],
    found: Detections,
    kinds: Int[np.ndarray, " k"],
    about: Int[np.ndarray, " k"],
) -> None:
    """Adds one image to the `confusion`."""
    speaking = np.flatnonzero(np.isin(kinds, [RIGHT, CLASS]))
    speaking = speaking[to_find[about[speaking]]]
    speaking = speaking[np.argsort(kinds[speaking], kind="stable")]  # what is right comes first
    met, first = np.unique(about[speaking], return_index=True)
    speaking = speaking[first]
    np.add.at(confusion, (objects.labels[met], found.labels[speaking]), 1)
    np.add.at(confusion[-1], np.delete(found.labels, speaking), 1)
    to_find = to_find & ~np.isin(np.arange(len(to_find)), met)
    np.add.at(confusion[:, -1], objects.labels[to_find], 1)
