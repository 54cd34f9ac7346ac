"""Trains a chunk of lanes: as many as its programs have room for, epoch after epoch."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxvision.selection.lanes import DIVERGED, EPOCHS, HALVED, PATIENCE, RUNS, Data, LaneState
from jaxvision.selection.plan import Plan
from jaxvision.selection.programs import Programs
from jaxvision.selection.results import Lane, LaneResult
from jaxvision.train.epoch import TURN, Question, add_totals
from jaxvision.train.step import means

ENDED = {PATIENCE: "patience", DIVERGED: "diverged", HALVED: "halved", EPOCHS: "epochs"}
NEVER = np.iinfo(np.int32).max

Observe = Callable[[int], None]  # told of steps made, of all lanes together, from any thread


@dataclasses.dataclass
class LaneUnderWay:
    """A lane, and how far it is."""

    lane: Lane
    state: LaneState | None = None  # on the host; None before it has begun
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    stopped: int = RUNS

    @property
    def rows_and_order(self) -> tuple[int, int]:
        """(fold, seed): what decides the examples that it sees."""
        return self.lane.fold or 0, self.lane.seed

    @property
    def goes_on(self) -> bool:
        return self.stopped == RUNS

    def take(self, result: LaneResult) -> None:
        """Makes it a lane that has ended like this."""
        self.history = list(result.history)
        self.stopped = {text: code for code, text in ENDED.items()}[result.ended]

    def result(self) -> LaneResult:
        """What came out, once it has ended."""
        best_epoch = 0 if self.state is None else int(self.state.best_epoch)
        return LaneResult(self.lane, tuple(self.history), best_epoch, ENDED[self.stopped])


class Pace:
    """How many steps a program shall make, so that the host gets its turn about twice a second.

    Chunks share one, in whatever threads they are: the number changes no bit.
    """

    def __init__(self, *, loops: bool):
        """Args: whether a program can make more than one."""
        self._loops, self.count = loops, 1

    def measure(self, steps: int, seconds: float) -> None:
        if self._loops:
            self.count = max(1, int(TURN * steps / seconds))


def train_chunk(
    plan: Plan,
    programs: Programs,
    lanes: list[LaneUnderWay],
    hyperparameters: dict[str, np.ndarray],
    data: Data,
    until: int,
    stop: Question,
    observe: Observe,
    pace: "Pace",
) -> bool:
    """Trains these lanes until the end of epoch `until`, or until they stop; updates them in place.

    Args:
        lanes: all with the same number of epochs made; at most as many as `programs` are for.
        hyperparameters: of these lanes, a value each.
        data: on the devices.
        stop: asked often; if it says True, what was not finished is left as it was.
        pace: of the chunks before; it is told of these steps.

    Returns:
        whether it came to the end.
    """
    # What is missing to a full chunk is filled with copies of a lane that are stopped already.
    filled = [*lanes, *[lanes[-1]] * (programs.width - len(lanes))]
    idle = np.arange(len(filled)) >= len(lanes)
    values = {name: np.resize(v, len(filled)) for name, v in hyperparameters.items()}
    values = programs.place(values)
    pairs = [lane.rows_and_order for lane in filled]
    validation = programs.place(plan.validation(pairs))
    state = _begin(programs, filled, values, data)
    state = state.replace(stopped=programs.place(np.where(idle, HALVED, state.stopped)))
    patience = NEVER if plan.patience is None else plan.patience
    histories = [list(lane.history) for lane in lanes]
    for epoch in range(len(lanes[0].history), until):
        order, sums, first = programs.place(plan.order(pairs, epoch)), [{} for _ in lanes], 0
        while first < plan.steps:
            if stop():
                return False
            count = min(pace.count, plan.steps - first)
            began = time.monotonic()
            state, totals = programs.steps(state, values, order, data, first, count)
            totals, stopped = jax.device_get((totals, state.stopped))
            pace.measure(count, time.monotonic() - began)
            for i in range(len(lanes)):
                made = {name: a[i, first : first + count] for name, a in totals.items()}
                sums[i] = add_totals(sums[i], made)
            observe(count * len(lanes))
            first += count
            if np.all(stopped):
                break
        state, measured = programs.finish(state, values, validation, data, patience)
        measured, epochs, steps, stopped = jax.device_get(
            (measured, state.epoch, state.train.step, state.stopped)
        )
        for i, history in enumerate(histories):
            if epochs[i] > len(history):
                record = {
                    "epoch": len(history) + 1,
                    "step": int(steps[i]),
                    "skipped": int(sums[i]["skipped"]),
                    "train": means(sums[i]),
                    "validation": means(add_totals({}, {n: a[i] for n, a in measured.items()})),
                }
                history.append(record)
        if np.all(stopped):
            break
    state = jax.device_get(state)
    for i, lane in enumerate(lanes):
        lane.state = jax.tree.map(lambda x, i=i: x[i], state)
        lane.history, lane.stopped = histories[i], int(lane.state.stopped)
        if lane.goes_on and until == plan.epochs:
            lane.stopped = EPOCHS
    return True


def _begin(programs: Programs, lanes: list[LaneUnderWay], values: PyTree, data: Data) -> LaneState:
    if lanes[0].state is None:
        seeds = programs.place(np.array([lane.lane.seed for lane in lanes], np.uint32))
        return programs.init(values, seeds, data)
    return programs.place(jax.tree.map(lambda *x: _stacked(x), *[lane.state for lane in lanes]))


def _stacked(leaves: Sequence[Any]) -> Any:
    # The key of a training is an array that NumPy does not know.
    return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)
