"""The course of any training: hold the directory, read, begin or go on, learn, measure, write.

A task says what is its own: how it reads its data (`Prepare`), what it learns (`Plan`).
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
from rich.console import Console

from jaxvision.data.batches import Feed
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
from jaxvision.train.fit import Judge, Progress, Score, by_accuracy, start
from jaxvision.train.interruption import Interruption
from jaxvision.train.job import Job
from jaxvision.train.processes import is_first


class Plan(NamedTuple):
    """What is learned, from what, and what becomes of it."""

    job: Job
    train: Feed
    validation: Feed
    image_shape: tuple[int, ...]  # of a training image, for a message
    summary: str  # of model and data, in a line
    finish: Callable[[Session, Progress, float], None]  # test, pictures, result; began, in seconds
    score: Score = by_accuracy  # what "better" means
    judge: Judge = lambda outputs: {}  # what is measured of all validation outputs together


class Prepared(NamedTuple):
    """What is known once the data are read."""

    record: dict[str, Any]  # what config.json says; with "normalization"
    plan: Callable[[Normalization], Plan]  # given the record's, or that of the run gone on with


Prepare: TypeAlias = Callable[[Any, Display, ExitStack], Prepared]


def run_training(
    config: Any,
    prepare: Prepare,
    console: Console | None = None,
    *,
    resume: Resume = "never",
    allow_changed: Sequence[str] = (),
    interruption: Interruption | None = None,
) -> Path:
    """Trains in a run's directory and measures what was learned; returns the directory.

    A run that is resumed ends with the same bits as if it had never been interrupted, on the same
    software, devices and number of threads.

    Args:
        config: all that decides what comes out; it has `runs.config`'s settings, `data`, `model`,
            `batch_size`, `epochs`, `patience`, `seed` and `out`.
        prepare: reads the data, given the configuration, where to show what is done, and a stack
            whose end closes what was opened.
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
    began = time.monotonic()
    display = Display(console or Console(), quiet=not is_first())
    going_on = find_run(config.out, resume)
    check_mesh(config)
    if config.compilation_cache:
        cache_programs()
    with ExitStack() as stack:
        stack.enter_context(hold(config.out, going_on=going_on))
        if going_on and (config.out / files.RESULT).exists():
            display.note(f"{config.out} is finished already; its result is in {files.RESULT} there")
            return config.out
        prepared = prepare(config, display, stack)
        remarks = tuple(display.notes)  # of the readers: what was left out, cut or held out
        normalization, changed = _same_as_before(config, prepared, display, allow_changed, going_on)
        plan = prepared.plan(normalization)
        # What cannot work is refused here: nothing is written before.
        progress = start(plan.job.init(jax.random.key(config.seed)))
        path = config.out or make_directory(config.data, config.model, stack)
        session = Session(
            config,
            path,
            display,
            interruption or Interruption(),
            plan.job,
            plan.train,
            plan.validation,
            plan.score,
            plan.judge,
        )
        if going_on:
            progress = runs.restore(session, progress, resume, changed=changed)
        if is_first() and (not going_on or changed):
            files.write_json(path / files.CONFIG, prepared.record | {"remarks": remarks})
        display.note(f"{plan.summary} -> {path}")
        with memory_explained(config.batch_size, plan.image_shape):
            progress = runs.train(session, progress)
            plan.finish(session, progress, began)
    return path


def _same_as_before(
    config: Any,
    prepared: Prepared,
    display: Display,
    allow_changed: Sequence[str],
    going_on: bool,
) -> tuple[Normalization, bool]:
    """The normalisation to go on with, and whether anything that matters is not as it was."""
    record, changed = prepared.record, False
    if going_on:
        then = files.read_config(config.out)
        changed, notes = check_same(then, record, allow_changed)
        for note in notes:
            display.note(note)
        record = then
    return Normalization(*(tuple(v) for v in record["normalization"].values())), changed
