"""Runs a step over every batch of a feed: one compiled scan, or a loop over the compiled step.

The choice is made here and nowhere else. On an accelerator an epoch of resident data is one
`lax.scan`: no dispatch between steps. On the CPU it is a loop: inside a loop body XLA's CPU
compiler does not rewrite the gradients of `lax`'s convolutions into their fast form, and a step
that has them takes several times as long (docs/performance.md has the figures; `ops.conv2d` needs
no rewriting). Both give the same results.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from jaxvision.ops.platform import compiler_options
from jaxvision.train.state import TrainState, Variables
from jaxvision.train.step import Totals

Track = Callable[[Iterator], Iterator]  # wraps an epoch's steps, to show progress

STEPS_AHEAD = 16  # how many steps the host may queue on the device before it reads a result


class NonFiniteError(FloatingPointError):
    """The loss of a step is NaN or infinite."""

    def __init__(self, step: int, loss: float, kept: str = ""):
        """`kept` names what was saved before, for the message."""
        self.step, self.loss = step, loss
        super().__init__(
            f"the loss is {loss} at step {step}, and training stopped there. The usual remedy is a "
            f"smaller learning rate.{f' What was good is kept: {kept}.' if kept else ''}"
        )


def untracked(steps: Iterator) -> Iterator:
    return steps


def prefers_scan(feed: Any) -> bool:
    return feed.resident and jax.default_backend() != "cpu"


def make_train_epoch(train_step: Callable, feed: Any, *, scan: bool | None = None) -> Callable:
    """Builds `(state, epoch) -> (state, totals of each step)`; the totals are NumPy arrays [steps].

    Args:
        train_step: from `make_train_step`.
        feed: where batches come from, see `jaxvision.data.batches.Feed`.
        scan: one compiled program an epoch, or a loop; None to choose what is faster here.
    """
    scan = prefers_scan(feed) if scan is None else scan

    def step(state: TrainState, data: PyTree, handle: PyTree):
        return train_step(state, feed.gather(data, handle))

    step_once = jax.jit(step, donate_argnums=0, compiler_options=compiler_options())

    @partial(jax.jit, donate_argnums=0, compiler_options=compiler_options())
    def step_through(state: TrainState, data: PyTree, handles: PyTree):
        return jax.lax.scan(lambda state, handle: step(state, data, handle), state, handles)

    def epoch_by_scan(state: TrainState, epoch: int, track: Track = untracked):
        first = int(jax.device_get(state.step))
        state, totals = step_through(state, feed.data, feed.stacked_handles(epoch))
        totals = jax.device_get(totals)
        _check_finite(totals["loss"], first)
        return state, totals

    def epoch_by_loop(state: TrainState, epoch: int, track: Track = untracked):
        first = int(jax.device_get(state.step))

        def steps() -> Iterator[Totals]:
            nonlocal state
            for handle in track(feed.handles(epoch)):
                state, totals = step_once(state, feed.data, handle)
                yield totals

        read = []
        for totals in _read_behind(steps()):
            _check_finite(totals["loss"], first + len(read))
            read.append(totals)
        return state, {name: np.stack([totals[name] for totals in read]) for name in read[0]}

    return epoch_by_scan if scan else epoch_by_loop


def make_eval_epoch(eval_step: Callable, feed: Any) -> Callable:
    """Builds `variables -> (totals, logits)`: totals summed over all examples, logits [n, ...].

    Both are on the host, the logits in the feed's order without the filling of the last batch.
    """

    @partial(jax.jit, compiler_options=compiler_options())
    def step_once(variables: Variables, data: PyTree, handle: PyTree):
        batch = feed.gather(data, handle)
        return *eval_step(variables, batch), batch["mask"]

    def epoch(variables: Variables) -> tuple[dict[str, np.float64], np.ndarray]:
        steps = (step_once(variables, feed.data, handle) for handle in feed.handles(0))
        totals, logits, masks = zip(*_read_behind(steps), strict=True)
        return sum_totals(totals), np.concatenate(logits)[np.concatenate(masks)]

    return epoch


def sum_totals(totals: Any) -> dict[str, np.float64]:
    """Adds up the totals of many steps, in double precision: a list of them, or one of arrays."""
    if not isinstance(totals, dict):
        totals = {name: [one[name] for one in totals] for name in totals[0]}
    return {name: np.sum(values, axis=0, dtype=np.float64) for name, values in totals.items()}


def _read_behind(outputs: Iterator[PyTree]) -> Iterator[PyTree]:
    """Fetches each step's outputs some steps late: the device never waits for the host to read."""
    waiting = deque()
    for output in outputs:
        waiting.append(output)
        if len(waiting) > STEPS_AHEAD:
            yield jax.device_get(waiting.popleft())
    yield from jax.device_get(list(waiting))


def _check_finite(losses: np.ndarray, first_step: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        loss = np.ravel(losses)[bad[0]]
        raise NonFiniteError(step=first_step + int(bad[0]) + 1, loss=float(loss))
