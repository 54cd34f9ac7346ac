"""What a detector's evaluation shows: figures, a table, and pictures."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from jaxvision.data.objects import AnnotatedSource
from jaxvision.detection.average_precision import coco_average_precision
from jaxvision.detection.detections import Detections
from jaxvision.detection.errors import Errors, count_errors
from jaxvision.detection.voc_precision import VocPrecision, best_score, voc_average_precision
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress

SHOWN = 12  # images in the picture
PICTURES = ("curves.png", "precision_recall.png", "errors.png", "detections.png")


class Evaluation(NamedTuple):
    """What was found in a part of the data, and how well."""

    source: AnnotatedSource
    found: Sequence[Detections]
    voc: VocPrecision
    errors: Errors
    figures: dict[str, Any]  # as JSON: null for what cannot be measured


def evaluate_on(source: AnnotatedSource, found: Sequence[Detections]) -> Evaluation:
    """Measures what was found in each image of `source`, in its pixels."""
    truth = [source.objects(i) for i in range(len(source))]
    classes = source.classes
    voc = voc_average_precision(truth, found, classes)
    coco = coco_average_precision(truth, found, classes)
    score = best_score(voc.curves)
    errors = count_errors(truth, found, classes, 0.5 if math.isnan(score) else score)
    figures = {
        "mAP": _number(voc.mean),
        "mAP_11_point": _number(voc.mean_eleven_point),
        "class_AP": {name: _number(x) for name, x in zip(classes, voc.area, strict=True)},
        "coco": {
            name: _number(value) for name, value in coco._asdict().items() if np.ndim(value) == 0
        },
        "coco_class_AP": {name: _number(x) for name, x in zip(classes, coco.class_ap, strict=True)},
        "score": _number(score),  # from which on errors are counted, and boxes drawn
        "errors": {kind: int(counts.sum()) for kind, counts in errors.counts.items()},
        "images": len(source),
        "objects": sum(len(objects.boxes) for objects in truth),
    }
    return Evaluation(source, found, voc, errors, figures)


def draw(path: Path, evaluation: Evaluation, progress: Progress | None = None) -> None:
    """Writes the pictures; the curves, if there is a progress."""
    # Imported here: Matplotlib takes its time, and training need not wait for it.
    from jaxvision.inspect import plot_boxes, plot_curves, plot_errors, plot_precision_recall

    source, classes = evaluation.source, evaluation.source.classes
    rows = range(min(SHOWN, len(source)))
    items = [source[i] for i in rows]
    score = evaluation.figures["score"] or 0.5
    found = (evaluation.found[i] for i in rows)
    sure = [Detections(*(x[one.scores >= score] for x in one)) for one in found]
    figures = {
        "precision_recall.png": plot_precision_recall(
            evaluation.voc.curves, evaluation.voc.area, classes
        ),
        "errors.png": plot_errors(evaluation.errors.counts, classes),
        "detections.png": plot_boxes(
            [item["image"] for item in items],
            [item["objects"][:2] for item in items],
            [(one.boxes, one.scores, one.labels) for one in sure],
            classes,
        ),
    }
    if progress is not None:
        figures["curves.png"] = plot_curves(progress.history, progress.best_epoch, "mAP")
    for name, figure in figures.items():
        figure.savefig(path / name)


def show(display: Display, evaluation: Evaluation, title: str) -> None:
    """Prints the average precision of each class, and the means."""
    figures = evaluation.figures
    objects = [curve.objects for curve in evaluation.voc.curves]
    rows = [
        [
            name,
            _percent(figures["class_AP"][name]),
            _percent(figures["coco_class_AP"][name]),
            str(n),
        ]
        for name, n in zip(evaluation.source.classes, objects, strict=True)
    ]
    rows.append(
        ["mean", _percent(figures["mAP"]), _percent(figures["coco"]["ap"]), str(sum(objects))]
    )
    display.table(title, ["class", "AP at IoU .5", "AP .5:.95", "objects"], rows)
    kinds = ", ".join(f"{kind} {count}" for kind, count in figures["errors"].items())
    least = figures["score"]
    display.note(f"with a score from {0.5 if least is None else least:.2f} on: {kinds}")


def print_evaluation(evaluation: Evaluation, title: str) -> None:
    """`show`, on standard output."""
    show(Display(Console()), evaluation, title)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 5)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
