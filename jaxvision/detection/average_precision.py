"""COCO's average precision, computed by its own code, `pycocotools`.

Lin et al. 2014, "Microsoft COCO: Common Objects in Context"; the numbers are those of
https://cocodataset.org/#detection-eval. Unlike PASCAL VOC's (`voc_precision`), a detection belongs
to the best object that no surer one has, and the mean is over 101 recalls and ten overlaps.

Of a class in an image the surest 100 detections are looked at. Three things are ours:

- An object's size is its box's area, where COCO's own files give the area of its outline.
- VOC's `difficult` objects, of which COCO knows nothing: one is not missed, and a detection that
  belongs to it is not false, nor is a second one. pycocotools' own flag "ignore" would not do: its
  `_prepare` overwrites it with "iscrowd", and it would excuse one detection only. So here
  "ignore" and "iscrowd", by which an object may be found any number of times, are `difficult` or
  `crowd`; the overlap with a `difficult` object is the plain one, and that with a `crowd` the share
  of the detection that lies in it.
- What cannot be measured, for want of an object, is NaN, where pycocotools says -1.
"""

import contextlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from pycocotools import mask
from pycocotools.cocoeval import COCOeval

from jaxvision.data.objects import Objects
from jaxvision.detection.detections import Detections, check_detections


class AveragePrecision(NamedTuple):
    """COCO's numbers, in [0, 1], or NaN where there is no object to measure them by.

    A class without objects has none, and is not in the means.
    """

    ap: float  # mean over the overlaps .5, .55, ..., .95 and the classes
    ap50: float
    ap75: float
    ap_small: float  # of objects up to 32 x 32 pixels
    ap_medium: float
    ap_large: float  # from 96 x 96 pixels on
    ar1: float  # recall, of the surest detection of each class in an image
    ar10: float
    ar100: float
    class_ap: Float64[np.ndarray, " c"]
    class_ap50: Float64[np.ndarray, " c"]


def coco_average_precision(
    truth: Sequence[Objects], found: Sequence[Detections], classes: Sequence[str]
) -> AveragePrecision:
    """COCO's average precision and recall, of all images together.

    Args:
        truth: what is in each image.
        found: what was found in it.
        classes: the names that labels index.

    Raises:
        ValueError: for what `check_detections` refuses.
    """
    check_detections(truth, found, classes)
    evaluation = _Evaluation(truth, found, len(classes))
    with contextlib.redirect_stdout(io.StringIO()):  # it reports what it does, and has no switch
        evaluation.evaluate()
        evaluation.accumulate()
    # [overlap, recall, class, size, most] and [overlap, class, size, most]
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    by_class = np.moveaxis(precision[:, :, :, 0, -1], 2, 0)
    return AveragePrecision(
        ap=_mean(by_class),
        ap50=_mean(by_class[:, 0]),
        ap75=_mean(by_class[:, 5]),
        **{f"ap_{size}": _mean(precision[:, :, :, i, -1]) for i, size in enumerate(_SIZES, 1)},
        **{f"ar{most}": _mean(recall[:, :, 0, i]) for i, most in enumerate((1, 10, 100))},
        class_ap=np.array([_mean(values) for values in by_class]),
        class_ap50=np.array([_mean(values[0]) for values in by_class]),
    )


_SIZES = ("small", "medium", "large")  # `Params.areaRngLbl` behind "all"


class _Evaluation(COCOeval):
    """Reads arrays where `COCOeval` reads files, and knows `difficult` objects."""

    def __init__(self, truth: Sequence[Objects], found: Sequence[Detections], classes: int):
        super().__init__(iouType="bbox")
        self.truth, self.found = truth, found
        self.params.imgIds = list(range(1, len(truth) + 1))
        self.params.catIds = list(range(1, classes + 1))

    def _prepare(self) -> None:
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        for image, (objects, found) in enumerate(zip(self.truth, self.found, strict=True), 1):
            excused = objects.difficult | objects.crowd
            flags = {"ignore": excused, "iscrowd": excused, "crowd": objects.crowd}
            _sort_by_class(self._gts, image, objects, flags)
            _sort_by_class(self._dts, image, found, {"score": found.scores})

    def computeIoU(self, imgId, catId):  # noqa: N802 - as it is called
        objects, found = self._gts[imgId, catId], self._dts[imgId, catId]
        if not objects or not found:
            return []
        boxes = np.array([entry["bbox"] for entry in found[: self.params.maxDets[-1]]])
        others = np.array([entry["bbox"] for entry in objects])
        return mask.iou(boxes, others, [entry["crowd"] for entry in objects])


def _sort_by_class(
    entries: dict[tuple[int, int], list[dict[str, Any]]],
    image: int,
    boxes: Objects | Detections,
    more: Mapping[str, np.ndarray],
) -> None:
    """Adds the boxes of one image, in COCO's form, to the `entries` of that image and their class.

    Args:
        more: a value for each box.
    """
    corners = boxes.boxes.astype(np.float64)
    sides = corners[:, 2:] - corners[:, :2]
    columns = {"bbox": np.concatenate([corners[:, :2], sides], axis=1), "area": sides.prod(axis=1)}
    columns = {name: column.tolist() for name, column in {**columns, **more}.items()}
    for i, label in enumerate(boxes.labels.tolist()):
        entry = {name: column[i] for name, column in columns.items()}
        # Numbered from 1 on, as the classes and images are: a match with number 0 passes for none.
        entries[image, label + 1].append({"id": i + 1, **entry})


def _mean(values: Float[np.ndarray, "..."]) -> float:
    measured = values[values > -1]  # pycocotools' -1: without an object
    return float(measured.mean()) if measured.size else np.nan
