"""Trains a segmentation from a configuration, in a run directory (`jaxvision.train.run`)."""

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console

from jaxvision.models import MODELS
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.ops.segmentation_metrics import mean_iou, pixel_accuracy
from jaxvision.pretrained.named import parse_named
from jaxvision.runs.devices import mesh_of
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.runs.result import write_result
from jaxvision.runs.session import Session
from jaxvision.runs.training import Plan, Prepared, run_training
from jaxvision.segmentation import report
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.job import make_job
from jaxvision.segmentation.losses import LOSSES
from jaxvision.segmentation.material import (
    Parts,
    balanced_weights,
    longer_side,
    normalization_for,
    open_parts,
    read_material,
)
from jaxvision.segmentation.networks import NETWORKS, Segmenter, make_segmenter
from jaxvision.segmentation.record import read_config, record_of
from jaxvision.segmentation.whole import segmenting
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress
from jaxvision.train.mesh import on_host
from jaxvision.train.processes import is_first
from jaxvision.transfer.backbone import load_backbone


def train_segmenter(config: SegmentConfig, console: Console | None = None, **options: Any) -> Path:
    """Trains a network to segment and measures it; returns the run's directory.

    `run_training` says what the `options` are (`resume`, `allow_changed`, `interruption`), what is
    promised of a run that is resumed, and the errors.

    Raises:
        ValueError: if a name is unknown; `run_training` says the rest.
    """
    config = follow_pretrained(config)
    lookup("model", config.model, dict.fromkeys(NETWORKS))
    lookup("loss", config.loss, LOSSES)
    lookup("optimizer", config.optimizer, OPTIMIZERS)
    if config.backbone is not None:
        lookup("backbone", config.backbone, MODELS)
    return run_training(config, _prepare, console, **options)


def resume_segmenter(path: Path, console: Console | None = None, **options: Any) -> Path:
    """Goes on with the run in `path`, by its own configuration; `train_segmenter` says the rest."""
    config = dataclasses.replace(read_config(path), out=path)
    return train_segmenter(config, console, resume="auto", **options)


def follow_pretrained(config: SegmentConfig) -> SegmentConfig:
    """The configuration with the backbone whose weights it names.

    Raises:
        ValueError: if another backbone was asked for beside them, or images are grey.
    """
    if config.pretrained is None:
        return config
    named = parse_named(config.pretrained)
    if config.backbone not in (None, named.model):
        raise ValueError(
            f"`backbone` must be left out beside `pretrained`, which is of {named.model}, got "
            f"{config.backbone}"
        )
    if config.channels == 1 or (config.channels is None and config.data == "scenes"):
        raise ValueError(
            f"`channels` must be 3, as {config.pretrained} has learned with: give --channels 3"
        )
    asked = ":".join(str(part) for part in named if part is not None)
    return dataclasses.replace(config, backbone=named.model, pretrained=asked)


def _prepare(config: SegmentConfig, display: Display, stack: ExitStack) -> Prepared:
    pretraining = None
    if config.pretrained is not None:
        with display.working(f"reading the weights of {config.pretrained}"):
            pretraining = load_backbone(config.pretrained, config.channels or 3)
    options = pretraining.options if pretraining else {}
    mesh = mesh_of(config)
    with display.working(f"reading {config.data}"):
        parts = open_parts(config, display.note)
        classes, channels = parts.train.classes, parts.train[0]["image"].shape[2]
        segmenter = make_segmenter(config, len(classes), channels, options)
        material = read_material(config, parts, segmenter, mesh)
    for feed in (material.train, material.validation):
        stack.callback(feed.close)
    normalization = pretraining and pretraining.normalization
    normalization = normalization or normalization_for(material.train, material.learned)
    weights = None
    if config.class_weights == "balanced":
        weights = balanced_weights(material.train, material.learned)
    record = record_of(config, material, normalization, options)
    shape = material.image_shape
    test = f" and {len(parts.test)} test" if parts.test else ""

    def plan(normalization: Normalization) -> Plan:
        steps = config.epochs * material.train.steps

        def finish(session: Session, progress: Progress, began: float) -> None:
            _finish(session, parts, segmenter, normalization, progress, began)

        return Plan(
            make_job(config, segmenter, shape, steps, normalization, weights, mesh, pretraining),
            material.train,
            material.validation,
            shape,
            f"{config.model} on {config.data}: {len(parts.train)} training, "
            f"{len(parts.validation)} validation{test} images in {len(classes)} classes, seen as "
            f"{shape[0]} x {shape[1]}",
            finish=finish,
            score=lambda metrics: metrics["mIoU"],
            judge=judge,
        )

    return Prepared(record, plan)


def judge(counts: Float[np.ndarray, "n classes classes"]) -> dict[str, float]:
    """Mean IoU and pixel accuracy, of all pixels together.

    Args:
        counts: of each image, as `confusion_counts` has them.
    """
    total = counts.sum(axis=0, dtype=np.float64)
    return {"mIoU": float(mean_iou(total)), "pixel_accuracy": float(pixel_accuracy(total))}


def _finish(
    session: Session,
    parts: Parts,
    segmenter: Segmenter,
    normalization: Normalization,
    progress: Progress,
    began: float,
) -> None:
    """The test, once, with the best parameters, or validation where there is none; the pictures."""
    variables = on_host(progress.best)
    if not is_first():
        return
    part, source = ("test", parts.test) if parts.test else ("validation", parts.validation)
    segment = segmenting(segmenter, variables, normalization, longer_side(session.config))
    evaluation = report.evaluate_on(source, segment)
    write_result(session, progress, began, part, evaluation, report)
