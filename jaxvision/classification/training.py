"""Trains a classifier from a configuration, in a run directory (`jaxvision.train.run`)."""

import dataclasses
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
from rich.console import Console

from jaxvision.checkpoint.checkpoint import list_checkpoints, restore_checkpoint
from jaxvision.checkpoint.writer import CheckpointWriter
from jaxvision.classification import report, setup
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.directory import find_run, make_directory, new_run
from jaxvision.classification.job import make_job
from jaxvision.classification.memory import memory_explained
from jaxvision.classification.pretraining import follow_pretrained
from jaxvision.classification.reading import read
from jaxvision.classification.record import check_same, read_config, record_of
from jaxvision.data.splits import Splits
from jaxvision.ops.normalization import Normalization
from jaxvision.train import run as files
from jaxvision.train.compilation import cache_programs
from jaxvision.train.display import Display
from jaxvision.train.epoch import EvalEpoch, NonFiniteError
from jaxvision.train.export import save_variables
from jaxvision.train.fit import Progress, fit_epochs, start
from jaxvision.train.interruption import InterruptedRunError, Interruption
from jaxvision.train.job import Job
from jaxvision.train.lock import lock_run
from jaxvision.train.mesh import on_host
from jaxvision.train.processes import agree, gather, is_first
from jaxvision.train.profile import Profile
from jaxvision.train.step import means
from jaxvision.train.watch import Watch

Resume = Literal["never", "auto", "must"]


class Run(NamedTuple):
    """What a run has once its data are read and its steps are made."""

    config: TrainConfig
    path: Path
    display: Display
    interruption: Interruption
    splits: Splits
    feeds: setup.Feeds
    job: Job


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
    setup.check_mesh(config)
    if config.compilation_cache:
        cache_programs()
    with ExitStack() as stack:
        path = config.out
        if path is not None and is_first():
            stack.enter_context(lock_run(path) if going_on else new_run(path))
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
    path = config.out or make_directory(config, stack)
    run = Run(config, path, display, interruption, splits, feeds, job)
    if resume:
        progress = _restore(run, progress, resume, changed)
    if is_first() and (not resume or changed):
        files.write_json(path / files.CONFIG, record)
    with memory_explained(config, splits.train[0]["image"].shape):
        progress = _train(run, progress)
        _finish(run, progress, began)
    return path


def _restore(run: Run, progress: Progress, resume: Resume, changed: bool) -> Progress:
    restored, refused = restore_checkpoint(run.path / files.CHECKPOINTS, progress)
    for reason in refused:
        run.display.note(f"not used: {reason}")
    if restored is None:
        if resume == "must":
            raise FileNotFoundError(
                f"{run.path} holds no checkpoint to go on from: begin it with --resume auto"
            )
        run.display.note(f"{run.path} holds no checkpoint yet: starting from its beginning")
        return progress
    if changed and restored.steps:
        run.display.note(f"epoch {restored.epoch + 1} begins anew, because of what was changed")
        restored = restored.replace(steps=0, totals={})
    run.display.note(f"going on after epoch {restored.epoch}, step {int(restored.state.step)}")
    return restored


def _train(run: Run, progress: Progress) -> Progress:
    """Trains to the end, or to the signal; saves, writes and shows what comes."""
    config, path, display = run.config, run.path, run.display
    display.note(
        f"{config.model} on {config.data}: {len(run.splits.train)} training, "
        f"{len(run.splits.validation)} validation and {len(run.splits.test)} test images in "
        f"{len(run.splits.train.classes)} classes -> {path}"
    )
    saved, kept = time.monotonic(), None

    def due() -> bool:
        return bool(agree(int(time.monotonic() - saved >= config.checkpoint_seconds)))

    def stop() -> bool:
        return any(gather(int(run.interruption.requested())))

    def observe(steps: int, waited: float) -> None:
        run.interruption.unsaved |= steps > 0
        watch.steps(steps, waited)

    epochs = fit_epochs(
        progress,
        run.job.train_step,
        run.job.eval_step,
        run.feeds.train,
        run.feeds.validation,
        epochs=config.epochs,
        patience=config.patience,
        max_skipped=config.max_skipped,
        due=due,
        stop=stop,
        observe=observe,
    )
    try:
        with ExitStack() as stack:
            folder = path / files.CHECKPOINTS
            writer = stack.enter_context(CheckpointWriter(folder, keep=config.keep))
            logs = [stack.enter_context(log) for log in _logs(config, path, progress)]
            watch = stack.enter_context(
                Watch(display, run.feeds.train, config.epochs, progress, logs)
            )
            for progress in epochs:
                if progress.steps == 0:
                    _write_epoch(path, progress)
                    watch.epoch(progress)
                if due() or stop():
                    writer.save(progress)
                    saved, kept = time.monotonic(), progress
            if kept is not progress:
                writer.save(progress)
    except NonFiniteError as error:
        error.kept = _what_is_kept(path)
        raise
    except KeyboardInterrupt:
        display.note(f"interrupted; {_how_to_go_on(path)}")
        raise
    run.interruption.unsaved = False
    if stop():
        raise InterruptedRunError(run.interruption.signal or signal.SIGTERM, _how_to_go_on(path))
    if progress.epoch < config.epochs:
        display.note(f"stopped: no better validation score for {config.patience} epochs")
    return progress


def _write_epoch(path: Path, progress: Progress) -> None:
    is_best = progress.best_epoch == progress.epoch
    best = on_host(progress.best) if is_best else None
    if is_first():
        files.write_metrics(path / files.METRICS, progress.history)
        if is_best:
            save_variables(path / files.MODEL, best)


def _logs(config: TrainConfig, path: Path, progress: Progress) -> list:
    if not is_first():
        return []
    logs = []
    if config.tensorboard:
        from jaxvision.train.tensorboard import TensorBoard

        logs.append(TensorBoard(path / files.TENSORBOARD, progress.epoch))
    if config.profile:
        logs.append(Profile(path / files.PROFILE))
    return logs


def _finish(run: Run, progress: Progress, began: float) -> None:
    """The test, once, with the best parameters; the pictures and the table."""
    totals, logits = EvalEpoch(run.job.eval_step, run.feeds.test)(progress.best)
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
    report.draw(run.path, progress, logits, run.splits.test)
    files.write_json(run.path / files.RESULT, result)
    report.show_result(run.display, run.path, result, run.splits.test)


def _how_to_go_on(path: Path) -> str:
    return f"`jaxvision train --resume {path}` goes on"


def _what_is_kept(path: Path) -> str:
    kept = list_checkpoints(path / files.CHECKPOINTS)[:1]
    if (path / files.MODEL).exists():
        kept.append(path / files.MODEL)
    return " and ".join(str(file) for file in kept)
