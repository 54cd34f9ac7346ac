"""The loop: an epoch of training, a look at the validation set, keep the best, stop in time.

Early stopping as in Prechelt, "Early Stopping -- But When?", 1998: train until the validation score
has not improved for `patience` epochs, and answer with the parameters that had the best.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from jaxvision.train.epoch import (
    Track,
    make_eval_epoch,
    make_train_epoch,
    sum_totals,
    untracked,
)
from jaxvision.train.state import TrainState, Variables
from jaxvision.train.step import means

Score = Callable[
    [dict[str, float]], Any
]  # validation metrics -> what is to be as large as possible


def by_accuracy(metrics: dict[str, float]) -> tuple[float, float]:
    """Higher accuracy is better; of equal accuracies, the one with the lower loss."""
    return metrics["accuracy"], -metrics["loss"]


def by_loss(metrics: dict[str, float]) -> float:
    """Lower loss is better."""
    return -metrics["loss"]


@flax.struct.dataclass
class Progress:
    """All that the loop must remember between two epochs; what a run needs to go on as if never
    stopped.

    `history` has a dict an epoch: {"epoch": 1, "step": ..., "train": {"loss": ..., "accuracy":
    ...}, "validation": {...}}.
    """

    state: TrainState
    best: Variables  # of the epoch with the best validation score
    best_epoch: int = flax.struct.field(pytree_node=False, default=0)  # from 1; 0: none yet
    history: tuple[dict, ...] = flax.struct.field(pytree_node=False, default=())

    @property
    def epoch(self) -> int:
        """Epochs made."""
        return len(self.history)


def start(state: TrainState) -> Progress:
    """The progress of a run that has not begun."""
    return Progress(state=state, best=_copy(state.variables))


def fit_epochs(
    progress: Progress,
    train_step: Callable,
    eval_step: Callable,
    train_feed: Any,
    validation_feed: Any,
    *,
    epochs: int,
    patience: int | None = None,
    score: Score = by_accuracy,
    track: Track = untracked,
    scan: bool | None = None,
) -> Iterator[Progress]:
    """Trains, and yields the progress after each epoch: to print, to plot, to save.

    Ends after `epochs` epochs in all, or when `patience` epochs in a row have brought no better
    validation score. The state yielded is donated to the next epoch: copy what must outlive it.

    Args:
        progress: `start(state)`, or what a checkpoint held.
        train_step: from `make_train_step`.
        eval_step: from `make_eval_step`.
        train_feed: where batches come from, see `jaxvision.data.batches`.
        validation_feed: likewise.
        epochs: at most so many, those of `progress` included.
        patience: None never to stop early.
        score: what "better" means.
        track: wraps the iterator over an epoch's steps, to show progress.
        scan: see `make_train_epoch`.

    Raises:
        NonFiniteError: as soon as a step's loss is NaN or infinite; names the step. What was
            yielded last is the last good progress.
        ValueError: if `epochs` or `patience` is less than 1.
    """
    for name, value in (("epochs", epochs), ("patience", patience)):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")
    train_epoch = make_train_epoch(train_step, train_feed, scan=scan)
    eval_epoch = make_eval_epoch(eval_step, validation_feed)

    while progress.epoch < epochs and not (
        patience and progress.epoch - progress.best_epoch >= patience
    ):
        state, totals = train_epoch(progress.state, progress.epoch, track)
        validation_totals, _ = eval_epoch(state.variables)
        record = {
            "epoch": progress.epoch + 1,
            "step": int(jax.device_get(state.step)),
            "train": means(sum_totals(totals)),
            "validation": means(validation_totals),
        }
        progress = progress.replace(state=state, history=(*progress.history, record))
        if progress.best_epoch == 0 or score(record["validation"]) > score(
            progress.history[progress.best_epoch - 1]["validation"]
        ):
            progress = progress.replace(best=_copy(state.variables), best_epoch=record["epoch"])
        yield progress


def fit(
    state: TrainState,
    train_step: Callable,
    eval_step: Callable,
    train_feed: Any,
    validation_feed: Any,
    *,
    epochs: int,
    patience: int | None = None,
    score: Score = by_accuracy,
) -> tuple[TrainState, tuple[dict, ...]]:
    """Trains to the end: (the state with the *best* parameters by validation, the history).

    `state` is donated. `fit_epochs` describes the arguments and the errors, and is the door for
    whoever wants to see, save or stop something on the way.
    """
    epochs_made = fit_epochs(
        start(state),
        train_step,
        eval_step,
        train_feed,
        validation_feed,
        epochs=epochs,
        patience=patience,
        score=score,
    )
    progress = deque(epochs_made, maxlen=1).pop()  # only the last: the others' memory is let go
    return progress.state.replace(**progress.best), progress.history


def evaluate(variables: Variables, eval_step: Callable, feed: Any) -> dict[str, float]:
    """The mean loss and metrics over all examples of `feed`, each counted once."""
    totals, _ = make_eval_epoch(eval_step, feed)(variables)
    return means(totals)


def _copy(variables: PyTree) -> PyTree:
    # The step will be given these buffers to overwrite.
    return jax.tree.map(jnp.copy, variables)
