"""Trains a classifier from a configuration, in a run directory (`jaxvision.train.run`)."""

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxvision.classification import report, setup
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.job import make_job
from jaxvision.classification.pretraining import follow_pretrained
from jaxvision.classification.reading import read
from jaxvision.classification.record import read_config, record_of
from jaxvision.data.batches import Feed
from jaxvision.data.sources import Source
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.result import learned
from jaxvision.runs.session import Session
from jaxvision.runs.training import Plan, Prepared, run_training
from jaxvision.train import run as files
from jaxvision.train.display import Display
from jaxvision.train.epoch import EvalEpoch
from jaxvision.train.fit import Progress
from jaxvision.train.processes import is_first
from jaxvision.train.step import means


def train(config: TrainConfig, console: Console | None = None, **options: Any) -> Path:
    """Trains a classifier and tests it; returns the run's directory.

    `run_training` says what the `options` are (`resume`, `allow_changed`, `interruption`), what is
    promised of a run that is resumed, and the errors.

    Raises:
        ValueError: if a name is unknown; `run_training` says the rest.
    """
    config = follow_pretrained(config)
    setup.check_names(config)
    return run_training(config, _prepare, console, **options)


def resume(path: Path, console: Console | None = None, **options: Any) -> Path:
    """Goes on with the run in `path`, by its own configuration; `train` says the rest.

    Raises:
        FileNotFoundError: if there is no run in `path`.
    """
    config = dataclasses.replace(read_config(path), out=path)
    return train(config, console, resume="auto", **options)


def _prepare(config: TrainConfig, display: Display, stack: ExitStack) -> Prepared:
    splits, feeds, normalization, pretraining, sight, mesh, left_out = read(config, display, stack)
    classes, image_shape = splits.train.classes, splits.train[0]["image"].shape

    def plan(normalization: Normalization) -> Plan:
        steps = config.epochs * feeds.train.steps
        return Plan(
            make_job(
                config, len(classes), image_shape, steps, normalization, mesh, pretraining, sight
            ),
            feeds.train,
            feeds.validation,
            image_shape,
            f"{config.model} on {config.data}: {len(splits.train)} training, "
            f"{len(splits.validation)} validation and {len(splits.test)} test images in "
            f"{len(classes)} classes",
            finish=lambda session, progress, began: _finish(
                session, progress, feeds.test, splits.test, began
            ),
        )

    options = pretraining and pretraining.options
    record = record_of(config, splits, normalization, options, left_out)
    return Prepared(record, plan)


def _finish(session: Session, progress: Progress, feed: Feed, source: Source, began: float) -> None:
    """The test, once, with the best parameters; the pictures and the table."""
    totals, logits = EvalEpoch(session.job.eval_step, feed)(progress.best)
    if not is_first():
        return
    result = {
        "test": means(totals),
        "validation": progress.history[progress.best_epoch - 1]["validation"],
    } | learned(progress, began)
    report.draw(session.path, progress, logits, source)
    files.write_json(session.path / files.RESULT, result)
    report.show_result(session.display, session.path, result, source)
