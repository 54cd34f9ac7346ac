"""Trains a classifier from a configuration, in a run directory (`jaxvision.train.run`)."""

import dataclasses
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
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
from jaxvision.runs import session as runs
from jaxvision.runs.devices import check_mesh
from jaxvision.runs.directory import find_run, hold, make_directory
from jaxvision.runs.memory import memory_explained
from jaxvision.runs.record import check_same
from jaxvision.runs.session import Resume, Session
from jaxvision.train import run as files
from jaxvision.train.compilation import cache_programs
from jaxvision.train.display import Display
from jaxvision.train.epoch import EvalEpoch
from jaxvision.train.fit import Progress, start
from jaxvision.train.interruption import Interruption
from jaxvision.train.processes import is_first
from jaxvision.train.step import means


def train(
    config: TrainConfig,
    console: Console | None = None,
    *,
    resume: Resume = "never",
    allow_changed: Sequence[str] = (),
    interruption: Interruption | None = None,
) -> Path:
    """Trains a classifier and tests it; returns the run's directory.

    A run that is resumed ends with the same bits as if it had never been interrupted, on the same
    software, devices and number of threads.

    Args:
        config: all that decides what comes out.
        console: where it is shown.
        resume: what to do if `config.out` holds a run: "never" go on with one; "auto" go on if
            there is one, else begin; "must": there must be one, with a checkpoint.
        allow_changed: fields of the configuration, or "data", in which the run that is gone on with
            may differ from what it began with.
        interruption: entered, it ends the run at the next step after a signal, with all saved.

    Raises:
        ValueError: if the configuration or the data are not usable, or not those that the run began
            with; says why and what to do.
        FileExistsError: if `config.out` is not free.
        FileNotFoundError: if there must be a run and is none.
        LockedError: if another process is at it.
        CheckpointError: if there are checkpoints and all of them are damaged, or one cannot be
            written.
        NonFiniteError: if the loss stays NaN or infinite; names the step and what is kept.
        MemoryError: if the device's memory does not suffice; says what needs less.
        InterruptedRunError: after a signal.
    """
    display = Display(console or Console(), quiet=not is_first())
    going_on = find_run(config.out, resume)
    config = follow_pretrained(config)
    setup.check_names(config)
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


def resume(path: Path, console: Console | None = None, **options: Any) -> Path:
    """Goes on with the run in `path`, by its own configuration; `train` says the rest.

    Raises:
        FileNotFoundError: if there is no run in `path`.
    """
    config = dataclasses.replace(read_config(path), out=path)
    return train(config, console, resume="auto", **options)


def _run(
    config: TrainConfig,
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
    splits, feeds, normalization, pretraining, sight, mesh = read(config, display, stack)
    record = record_of(config, splits, normalization, pretraining and pretraining.options)
    if resume:
        then = files.read_config(config.out)
        changed, notes = check_same(then, record, allow_changed)
        for note in notes:
            display.note(note)
        normalization = Normalization(*(tuple(v) for v in then["normalization"].values()))
    job = make_job(
        config,
        len(splits.train.classes),
        splits.train[0]["image"].shape,
        config.epochs * feeds.train.steps,
        normalization,
        mesh,
        pretraining,
        sight,
    )
    progress = start(
        job.init(jax.random.key(config.seed))
    )  # what cannot work is refused here: nothing is written before
    path = config.out or make_directory(config.data, config.model, stack)
    session = Session(config, path, display, interruption, job, feeds.train, feeds.validation)
    if resume:
        progress = runs.restore(session, progress, resume, changed=changed)
    if is_first() and (not resume or changed):
        files.write_json(path / files.CONFIG, record)
    display.note(
        f"{config.model} on {config.data}: {len(splits.train)} training, "
        f"{len(splits.validation)} validation and {len(splits.test)} test images in "
        f"{len(splits.train.classes)} classes -> {path}"
    )
    with memory_explained(config.batch_size, splits.train[0]["image"].shape):
        progress = runs.train(session, progress)
        _finish(session, progress, feeds.test, splits.test, began)
    return path


def _finish(session: Session, progress: Progress, feed: Feed, source: Source, began: float) -> None:
    """The test, once, with the best parameters; the pictures and the table."""
    totals, logits = EvalEpoch(session.job.eval_step, feed)(progress.best)
    if not is_first():
        return
    result = {
        "test": means(totals),
        "validation": progress.history[progress.best_epoch - 1]["validation"],
        "seconds": round(time.monotonic() - began, 2),
        "steps": progress.history[-1]["step"],
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
    }
    report.draw(session.path, progress, logits, source)
    files.write_json(session.path / files.RESULT, result)
    report.show_result(session.display, session.path, result, source)
