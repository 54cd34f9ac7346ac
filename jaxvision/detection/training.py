"""Trains a detector from a configuration, in a run directory (`jaxvision.train.run`)."""

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxvision.detection import report
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.detectors import BACKBONES, DETECTORS, anchors_of, levels_of, make_detector
from jaxvision.detection.found import Found
from jaxvision.detection.job import load_pretraining, make_job
from jaxvision.detection.material import (
    Material,
    normalization_for,
    open_parts,
    read_material,
    training_boxes,
)
from jaxvision.detection.measures import detections_of, on_images
from jaxvision.detection.record import read_config, record_of
from jaxvision.detection.voc_precision import mean_average_precision
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.pretrained.named import parse_named
from jaxvision.runs.devices import mesh_of
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.runs.result import write_result
from jaxvision.runs.session import Session
from jaxvision.runs.training import Plan, Prepared, run_training
from jaxvision.train.display import Display
from jaxvision.train.epoch import EvalEpoch
from jaxvision.train.fit import Progress
from jaxvision.train.processes import is_first


def train_detector(config: DetectConfig, console: Console | None = None, **options: Any) -> Path:
    """Trains a detector and measures it; returns the run's directory.

    `run_training` says what the `options` are (`resume`, `allow_changed`, `interruption`), what is
    promised of a run that is resumed, and the errors.

    Raises:
        ValueError: if a name is unknown; `run_training` says the rest.
    """
    config = follow_pretrained(config)
    lookup("model", config.model, dict.fromkeys(DETECTORS))
    lookup("backbone", config.backbone, BACKBONES)
    lookup("optimizer", config.optimizer, OPTIMIZERS)
    return run_training(config, _prepare, console, **options)


def resume_detector(path: Path, console: Console | None = None, **options: Any) -> Path:
    """Goes on with the run in `path`, by its own configuration; `train_detector` says the rest."""
    config = dataclasses.replace(read_config(path), out=path)
    return train_detector(config, console, resume="auto", **options)


def follow_pretrained(config: DetectConfig) -> DetectConfig:
    """The configuration with the backbone whose weights it names.

    Raises:
        ValueError: if another backbone was asked for beside them.
    """
    if config.pretrained is None:
        return config
    named = parse_named(config.pretrained)
    if config.backbone not in (DetectConfig.backbone, named.model):
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


def _prepare(config: DetectConfig, display: Display, stack: ExitStack) -> Prepared:
    pretraining = None
    if config.pretrained is not None:
        with display.working(f"reading the weights of {config.pretrained}"):
            pretraining = load_pretraining(config)
    mesh = mesh_of(config)
    with display.working(f"reading {config.data}"):
        material = read_material(config, open_parts(config, display.note), mesh)
    for feed in (material.train, material.validation, material.test):
        if feed is not None:
            stack.callback(feed.close)
    canvases = material.canvases
    options = pretraining.options if pretraining else {}
    anchors: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    if config.model == "faster_rcnn":
        image_shape = canvases.train[0]["image"].shape
        anchors = anchors_of(
            config, training_boxes(canvases.train), levels_of(config, image_shape, options)
        )
    normalization = pretraining and pretraining.normalization
    normalization = normalization or normalization_for(material.train, canvases.train)
    record = record_of(config, canvases, normalization, anchors, options)
    image_shape, classes = tuple(record["data"]["image_shape"]), len(canvases.train.classes)
    test = f" and {len(canvases.test)} test" if canvases.test else ""

    def plan(normalization: Normalization) -> Plan:
        detector = make_detector(config, classes, image_shape, anchors, options)
        steps = config.epochs * material.train.steps
        return Plan(
            make_job(config, detector, image_shape, steps, normalization, mesh, pretraining),
            material.train,
            material.validation,
            image_shape,
            f"{config.model} on {config.data}: {len(canvases.train)} training, "
            f"{len(canvases.validation)} validation{test} images of {image_shape[0]} x "
            f"{image_shape[1]} with {classes} classes of objects",
            finish=lambda session, progress, began: _finish(session, material, progress, began),
            score=lambda metrics: metrics["mAP"],
            judge=judge_of(material),
        )

    return Prepared(record, plan)


def judge_of(material: Material) -> Callable[[Found], dict[str, float]]:
    """Measures what was found in all validation images: the mean average precision at IoU 0.5."""
    canvas = material.canvases.validation
    truth = [canvas.objects(i) for i in range(len(canvas))]

    def judge(found: Found) -> dict[str, float]:
        return {"mAP": mean_average_precision(truth, detections_of(found), canvas.classes)}

    return judge


def _finish(session: Session, material: Material, progress: Progress, began: float) -> None:
    """The test, once, with the best parameters, or validation where there is none; the pictures."""
    is_test = material.test is not None
    feed = material.test if is_test else material.validation
    canvas = material.canvases.test if is_test else material.canvases.validation
    _, found = EvalEpoch(session.job.eval_step, feed)(progress.best)
    if not is_first():
        return
    part = "test" if is_test else "validation"
    evaluation = report.evaluate_on(canvas.source, on_images(found, canvas))
    write_result(session, progress, began, part, evaluation, report)
