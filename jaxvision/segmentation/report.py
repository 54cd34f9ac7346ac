"""What a segmentation's evaluation shows: figures, a table, and pictures."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int32
from rich.console import Console

from jaxvision.data.masks import NOT_COUNTED, MaskedSource
from jaxvision.ops.segmentation_metrics import (
    dice_per_class,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)
from jaxvision.segmentation.whole import Segment
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress

SHOWN = 6  # images in the picture
PICTURES = ("curves.png", "segmentation.png")
Counts = Float[np.ndarray, "classes classes"]


class Evaluation(NamedTuple):
    """How the pixels of a part of the data were called."""

    source: MaskedSource
    shown: Sequence[
        Int32[np.ndarray, "_h _w"]
    ]  # of its first images, what their pixels were called
    counts: Counts  # of all: a row is a true class, a column what it was called
    figures: dict[str, Any]  # as JSON: null for what cannot be measured


def evaluate_on(source: MaskedSource, segment: Segment) -> Evaluation:
    """Measures all images of `source` in their own pixels, of all of them together."""
    classes = len(source.classes)
    counts, shown = np.zeros((classes, classes)), []
    for i in range(len(source)):
        item = source[i]
        called, truth = segment(item["image"]), item["segmentation"]
        counted = truth != NOT_COUNTED
        places = classes * truth[counted] + called[counted]
        counts += np.bincount(places, minlength=classes**2).reshape(classes, classes)
        if i < SHOWN:
            shown.append(called)
    return Evaluation(source, shown, counts, figures_of(counts, source.classes, len(source)))


def figures_of(counts: Counts, classes: Sequence[str], images: int) -> dict[str, Any]:
    """The figures that counts come to."""
    iou, dice = np.asarray(iou_per_class(counts)), np.asarray(dice_per_class(counts))
    return {
        "mIoU": _number(mean_iou(counts)),
        "pixel_accuracy": _number(pixel_accuracy(counts)),
        "class_IoU": {name: _number(x) for name, x in zip(classes, iou, strict=True)},
        "class_Dice": {name: _number(x) for name, x in zip(classes, dice, strict=True)},
        "images": images,
        "pixels": int(counts.sum()),
    }


def draw(path: Path, evaluation: Evaluation, progress: Progress | None = None) -> None:
    """Writes the pictures; the curves, if there is a progress."""
    # Imported here: Matplotlib takes its time, and training need not wait for it.
    from jaxvision.inspect import plot_curves, plot_segmentation

    source = evaluation.source
    items = [source[i] for i in range(len(evaluation.shown))]
    figures = {
        "segmentation.png": plot_segmentation(
            [item["image"] for item in items],
            [item["segmentation"] for item in items],
            evaluation.shown,
            source.classes,
        )
    }
    if progress is not None:
        figures["curves.png"] = plot_curves(progress.history, progress.best_epoch, "mIoU")
    for name, figure in figures.items():
        figure.savefig(path / name)


def show(display: Display, evaluation: Evaluation, title: str) -> None:
    """Prints IoU and Dice of each class, their mean, and the pixel accuracy."""
    figures = evaluation.figures
    pixels = evaluation.counts.sum(axis=1).astype(int)
    total = max(figures["pixels"], 1)
    rows = [
        [
            name,
            _percent(figures["class_IoU"][name]),
            _percent(figures["class_Dice"][name]),
            f"{100 * count / total:.1f} %",
        ]
        for name, count in zip(evaluation.source.classes, pixels, strict=True)
    ]
    measured = [x for x in figures["class_Dice"].values() if x is not None]
    mean_dice = float(np.mean(measured)) if measured else None
    rows.append(["mean", _percent(figures["mIoU"]), _percent(mean_dice), ""])
    display.table(title, ["class", "IoU", "Dice", "of the pixels"], rows)
    display.note(
        f"pixel accuracy {_percent(figures['pixel_accuracy'])} of {figures['images']} images"
    )


def print_evaluation(evaluation: Evaluation, title: str) -> None:
    """`show`, on standard output."""
    show(Display(Console()), evaluation, title)


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else round(float(value), 5)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
