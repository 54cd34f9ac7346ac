"""Trains in a run's directory: saves, writes and shows what comes, goes on, stops at a signal."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jaxvision.checkpoint.checkpoint import list_checkpoints, restore_checkpoint
from jaxvision.checkpoint.writer import CheckpointWriter
from jaxvision.data.batches import Feed
from jaxvision.train import run as files
from jaxvision.train.display import Display
from jaxvision.train.epoch import NonFiniteError
from jaxvision.train.export import save_variables
from jaxvision.train.fit import Judge, Progress, Score, by_accuracy, fit_epochs
from jaxvision.train.interruption import InterruptedRunError, Interruption
from jaxvision.train.job import Job
from jaxvision.train.mesh import on_host
from jaxvision.train.processes import agree, gather, is_first
from jaxvision.train.profile import Profile
from jaxvision.train.watch import Watch

Resume = Literal["never", "auto", "must"]


class Session(NamedTuple):
    """What a training has once its data are read and its steps are made."""

    config: Any  # `epochs`, `patience`, `max_skipped`, and all of `runs.config.Record`
    path: Path
    display: Display
    interruption: Interruption
    job: Job
    train: Feed
    validation: Feed
    score: Score = by_accuracy  # what "better" means
    judge: Judge = lambda outputs: {}  # what is measured of all validation outputs together


def restore(session: Session, progress: Progress, resume: Resume, *, changed: bool) -> Progress:
    """The progress that the run has made.

    Args:
        session: of the run.
        progress: how it began.
        resume: "must": there must be a checkpoint.
        changed: whether something differs that matters; an epoch under way then begins anew.

    Raises:
        FileNotFoundError: if there must be a checkpoint and is none.
        CheckpointError: if there are some and all of them are damaged.
    """
    path, note = session.path, session.display.note
    restored, refused = restore_checkpoint(path / files.CHECKPOINTS, progress)
    for reason in refused:
        note(f"not used: {reason}")
    if restored is None:
        if resume == "must":
            raise FileNotFoundError(
                f"{path} holds no checkpoint to go on from: begin it with --resume auto"
            )
        note(f"{path} holds no checkpoint yet: starting from its beginning")
        return progress
    if changed and restored.steps:
        note(f"epoch {restored.epoch + 1} begins anew, because of what was changed")
        restored = restored.replace(steps=0, totals={})
    note(f"going on after epoch {restored.epoch}, step {int(restored.state.step)}")
    return restored


def train(session: Session, progress: Progress) -> Progress:
    """Trains to the end, or to the signal.

    Raises:
        NonFiniteError: if the loss stays NaN or infinite; names the step and what is kept.
        CheckpointError: if one cannot be written.
        InterruptedRunError: after a signal, with all saved.
    """
    config, path = session.config, session.path
    saved, kept = time.monotonic(), None

    def due() -> bool:
        return bool(agree(int(time.monotonic() - saved >= config.checkpoint_seconds)))

    def stop() -> bool:
        return any(gather(int(session.interruption.requested())))

    def observe(steps: int, waited: float) -> None:
        session.interruption.unsaved |= steps > 0
        watch.steps(steps, waited)

    epochs = fit_epochs(
        progress,
        session.job.train_step,
        session.job.eval_step,
        session.train,
        session.validation,
        epochs=config.epochs,
        patience=config.patience,
        score=session.score,
        judge=session.judge,
        max_skipped=config.max_skipped,
        due=due,
        stop=stop,
        observe=observe,
    )
    try:
        with ExitStack() as stack:
            folder = path / files.CHECKPOINTS
            writer = stack.enter_context(CheckpointWriter(folder, keep=config.keep))
            logs = [stack.enter_context(log) for log in _logs(session, progress)]
            watch = stack.enter_context(
                Watch(session.display, session.train, config.epochs, progress, logs)
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
        session.display.note(f"interrupted; {_how_to_go_on(path)}")
        raise
    session.interruption.unsaved = False
    if stop():
        number = session.interruption.signal or signal.SIGTERM
        raise InterruptedRunError(number, _how_to_go_on(path))
    if progress.epoch < config.epochs:
        session.display.note(f"stopped: no better validation score for {config.patience} epochs")
    return progress


def _write_epoch(path: Path, progress: Progress) -> None:
    is_best = progress.best_epoch == progress.epoch
    best = on_host(progress.best) if is_best else None
    if is_first():
        files.write_metrics(path / files.METRICS, progress.history)
        if is_best:
            save_variables(path / files.MODEL, best)


def _logs(session: Session, progress: Progress) -> list:
    if not is_first():
        return []
    logs: list[Any] = []
    if session.config.tensorboard:
        from jaxvision.train.tensorboard import TensorBoard

        logs.append(TensorBoard(session.path / files.TENSORBOARD, progress.epoch))
    if session.config.profile:
        logs.append(Profile(session.path / files.PROFILE))
    return logs


def _how_to_go_on(path: Path) -> str:
    return f"`jaxvision train --resume {path}` goes on"


def _what_is_kept(path: Path) -> str:
    kept = list_checkpoints(path / files.CHECKPOINTS)[:1]
    if (path / files.MODEL).exists():
        kept.append(path / files.MODEL)
    return " and ".join(str(file) for file in kept)
