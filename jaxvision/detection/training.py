"""Trains a detector from a configuration, in a run directory (`jaxvision.train.run`)."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from jaxvision.detection import report
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.detectors import BACKBONES, DETECTORS, anchors_of, make_detector
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
from jaxvision.runs import session as runs
from jaxvision.runs.devices import check_mesh, mesh_of
from jaxvision.runs.directory import find_run, hold, make_directory
from jaxvision.runs.memory import memory_explained
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.runs.record import check_same
from jaxvision.runs.session import Resume, Session
from jaxvision.train import run as files
from jaxvision.train.compilation import cache_programs
from jaxvision.train.display import Display
from jaxvision.train.epoch import EvalEpoch
from jaxvision.train.fit import Progress, start
from jaxvision.train.interruption import Interruption
from jaxvision.train.processes import is_first


def train_detector(
    config: DetectConfig,
    console: Console | None = None,
    *,
    resume: Resume = "never",
    allow_changed: Sequence[str] = (),
    interruption: Interruption | None = None,
) -> Path:
    """Trains a detector and measures it; returns the run's directory.

    Arguments and errors are those of `jaxvision.classification.training.train`, and so is what is
    promised of a run that is resumed.
    """
    display = Display(console or Console(), quiet=not is_first())
    going_on = find_run(config.out, resume)
    config = follow_pretrained(config)
    lookup("model", config.model, dict.fromkeys(DETECTORS))
    lookup("backbone", config.backbone, BACKBONES)
    lookup("optimizer", config.optimizer, OPTIMIZERS)
    check_mesh(config)
    if config.compilation_cache:
        cache_programs()
    with ExitStack() as stack:
        stack.enter_context(hold(config.out, going_on=going_on))
        return _run(
            config,
            display,
            interruption or Interruption(),
            stack,
            resume if going_on else None,
            allow_changed,
        )


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


def _run(
    config: DetectConfig,
    display: Display,
    interruption: Interruption,
    stack: ExitStack,
    resume: Resume | None,
    allow_changed: Sequence[str],
) -> Path:
    """Makes a new run (`resume` None), or goes on with the one that is there."""
    began = time.monotonic()
    if resume and (config.out / files.RESULT).exists():
        display.note(f"{config.out} is finished already; its result is in {files.RESULT} there")
        return config.out
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
    normalization = pretraining and pretraining.normalization
    normalization = normalization or normalization_for(material.train, canvases.train)
    anchors: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    if config.model == "faster_rcnn":
        anchors = anchors_of(config, training_boxes(canvases.train))
    options = pretraining.options if pretraining else {}
    record = record_of(config, canvases, normalization, anchors, options)
    changed = False
    if resume:
        then = files.read_config(config.out)
        changed, notes = check_same(then, record, allow_changed)
        for note in notes:
            display.note(note)
        normalization = Normalization(*(tuple(v) for v in then["normalization"].values()))
    classes = canvases.train.classes
    image_shape = tuple(record["data"]["image_shape"])
    detector = make_detector(config, len(classes), image_shape, anchors, options)
    steps = config.epochs * material.train.steps
    job = make_job(config, detector, image_shape, steps, normalization, mesh, pretraining)
    progress = start(job.init(jax.random.key(config.seed)))
    path = config.out or make_directory(config.data, config.model, stack)
    session = Session(
        config,
        path,
        display,
        interruption,
        job,
        material.train,
        material.validation,
        score=lambda metrics: metrics["mAP"],
        judge=judge_of(material),
    )
    if resume:
        progress = runs.restore(session, progress, resume, changed=changed)
    if is_first() and (not resume or changed):
        files.write_json(path / files.CONFIG, record)
    test = f" and {len(canvases.test)} test" if canvases.test else ""
    display.note(
        f"{config.model} on {config.data}: {len(canvases.train)} training, "
        f"{len(canvases.validation)} validation{test} images of {image_shape[0]} x "
        f"{image_shape[1]} with {len(classes)} classes of objects -> {path}"
    )
    with memory_explained(config.batch_size, image_shape):
        progress = runs.train(session, progress)
        _finish(session, material, progress, began)
    return path


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
    result: dict[str, Any] = {
        part: evaluation.figures,
        "best": progress.history[progress.best_epoch - 1]["validation"],
        "seconds": round(time.monotonic() - began, 2),
        "steps": progress.history[-1]["step"],
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
    }
    report.draw(session.path, evaluation, progress)
    files.write_json(session.path / files.RESULT, result)
    report.show(session.display, evaluation, f"{session.path}: {part}")
    session.display.note(
        f"best epoch {progress.best_epoch} of {progress.epoch}, {result['steps']} steps, "
        f"{result['seconds']:.1f} s"
    )
    session.display.note(
        f"{session.path}: {', '.join(report.PICTURES)}, result.json, model.safetensors"
    )


def resume_detector(path: Path, console: Console | None = None, **options: Any) -> Path:
    """Goes on with the run in `path`, by its own configuration; `train_detector` says the rest."""
    config = dataclasses.replace(read_config(path), out=path)
    return train_detector(config, console, resume="auto", **options)
