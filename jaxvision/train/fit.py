"""The loop: an epoch of training, a look at the validation set, keep the best, stop in time.

Early stopping as in Prechelt, "Early Stopping -- But When?", 1998: train until the validation score
has not improved for `patience` epochs, and answer with the parameters that had the best.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from jaxvision.train.epoch import (
    MAX_SKIPPED,
    EvalEpoch,
    Observe,
    Question,
    TrainEpoch,
    add_totals,
    never,
    unobserved,
)
from jaxvision.train.state import TrainState, Variables
from jaxvision.train.step import means

Metric: TypeAlias = float | Float[Array, ""]  # an array where a program decides (a sweep's)
Score = Callable[[dict[str, Metric]], Any]  # validation metrics -> what is to be large
Judge = Callable[[PyTree], dict[str, float]]  # all validation outputs -> what is no mean of theirs


def by_accuracy(metrics: dict[str, Metric]) -> tuple[Metric, Metric]:
    """Higher accuracy is better; of equal accuracies, the one with the lower loss."""
    return metrics["accuracy"], -metrics["loss"]


def by_loss(metrics: dict[str, Metric]) -> Metric:
    """Lower loss is better."""
    return -metrics["loss"]


def ranked(score: Any) -> tuple[float, ...]:
    """A score on the host as what compares with any other: its parts, with NaN below all numbers.

    Nothing is larger than NaN, so an epoch that scored it would be the best for good.

    >>> ranked((float("nan"), 3.0))
    (-inf, 3.0)
    """
    return tuple(-math.inf if math.isnan(x) else float(x) for x in jax.tree.leaves(score))


@flax.struct.dataclass
class Progress:
    """All that the loop must remember; what a run needs to go on as if it had never stopped.

    `history` has a dict an epoch: {"epoch": 1, "step": ..., "skipped": ..., "train": {"loss": ...,
    "accuracy": ...}, "validation": {...}}; "skipped" are the epoch's steps that were left out.
    """

    state: TrainState
    best: Variables  # of the epoch with the best validation score
    best_epoch: int = flax.struct.field(pytree_node=False, default=0)  # from 1; 0: none yet
    history: tuple[dict, ...] = flax.struct.field(pytree_node=False, default=())
    # Of the epoch under way: steps made, their totals, and how many in a row were just left out.
    steps: int = flax.struct.field(pytree_node=False, default=0)
    totals: dict[str, float] = flax.struct.field(pytree_node=False, default_factory=dict)
    skipped: int = flax.struct.field(pytree_node=False, default=0)

    @property
    def epoch(self) -> int:
        """Epochs made."""
        return len(self.history)


def start(state: TrainState) -> Progress:
    """The progress of a run that has not begun."""
    return Progress(state=state, best=_copy(state.eval_variables))


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
    judge: Judge = lambda outputs: {},
    max_skipped: int = MAX_SKIPPED,
    due: Question = never,
    stop: Question = never,
    observe: Observe = unobserved,
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
        score: what "better" means; a tuple compares part by part, and NaN is below all numbers.
        judge: measures all outputs of the validation set together, as an average precision; what
            it finds joins the means.
        max_skipped: so many steps in a row may be left out because they are not finite.
        due: asked about twice a second in an epoch, or after each longer step; if it says True,
            progress is yielded there and then, with `progress.steps` of the next epoch made.
        stop: asked likewise, and in evaluation too; after a True one more progress is yielded, from
            where it is, and it is the last.
        observe: told of the steps made, and of the seconds that were waited for their data.
        scan: see `TrainEpoch`.

    Raises:
        NonFiniteError: see `TrainEpoch`. What was yielded last is the last good progress.
        ValueError: if `epochs`, `patience` or `max_skipped` is less than 1.
    """
    limits = {"epochs": epochs, "patience": patience, "max_skipped": max_skipped}
    for name, value in limits.items():
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")
    if not _goes_on(progress, epochs, patience):
        return
    train_epoch = TrainEpoch(train_step, train_feed, scan=scan)
    eval_epoch = EvalEpoch(eval_step, validation_feed)
    _compile(train_epoch, eval_epoch, progress.state)

    while _goes_on(progress, epochs, patience):
        if progress.steps < train_feed.steps:
            state, totals = train_epoch(
                progress.state,
                progress.epoch,
                progress.steps,
                skipped=progress.skipped,
                max_skipped=max_skipped,
                pause=lambda: due() or stop(),
                observe=observe,
            )
            progress = _after_steps(progress, state, totals)
        if progress.steps == train_feed.steps:
            evaluated = eval_epoch(progress.state.eval_variables, stop)
            if evaluated is not None:
                totals, outputs = evaluated
                progress = _after_epoch(progress, means(totals) | judge(outputs), score)
        yield progress
        if stop():
            return


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
    return progress.state.with_variables(progress.best), progress.history


def evaluate(variables: Variables, eval_step: Callable, feed: Any) -> dict[str, float]:
    """The mean loss and metrics over all examples of `feed`, each counted once.

    Args:
        variables: of the model: `state.variables`, or `state.eval_variables` where there are
            averages.
        eval_step: of `make_eval_step`.
        feed: of `jaxvision.data.open_feed`.
    """
    totals, _ = EvalEpoch(eval_step, feed)(variables)
    return means(totals)


def _goes_on(progress: Progress, epochs: int, patience: int | None) -> bool:
    out_of_patience = patience and progress.epoch - progress.best_epoch >= patience
    return progress.epoch < epochs and not out_of_patience


def _compile(train_epoch: TrainEpoch, eval_epoch: EvalEpoch, state: TrainState) -> None:
    """Compiles both programs side by side, before the first step: later there is nothing to wait
    for, and a signal that comes while the compiler works finds nothing that is not saved."""
    lowered = (train_epoch.lower(state), eval_epoch.lower(state.eval_variables))
    with ThreadPoolExecutor() as pool:
        train_epoch.program, eval_epoch.program = pool.map(lambda one: one.compile(), lowered)


def _after_steps(progress: Progress, state: TrainState, totals: dict) -> Progress:
    skipped = progress.skipped
    for left_out in totals["skipped"]:
        skipped = skipped + 1 if left_out else 0
    return progress.replace(
        state=state,
        steps=progress.steps + len(totals["skipped"]),
        totals=add_totals(progress.totals, totals),
        skipped=skipped,
    )


def _after_epoch(progress: Progress, validation: dict[str, float], score: Score) -> Progress:
    record = {
        "epoch": progress.epoch + 1,
        "step": int(jax.device_get(progress.state.step)),
        "skipped": int(progress.totals["skipped"]),
        "train": means(progress.totals),
        "validation": validation,
    }
    progress = progress.replace(history=(*progress.history, record), steps=0, totals={})
    best = progress.history[progress.best_epoch - 1] if progress.best_epoch else None
    if best is None or ranked(score(validation)) > ranked(score(best["validation"])):
        variables = _copy(progress.state.eval_variables)
        progress = progress.replace(best=variables, best_epoch=record["epoch"])
    return progress


@jax.jit
def _copy(variables: PyTree) -> PyTree:
    # The step will be given these buffers to overwrite.
    return jax.tree.map(jnp.copy, variables)
