"""Trains a chunk of lanes: as many as its programs have room for, epoch after epoch."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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


class Chunk:
    """Some lanes on their way through an epoch after the other."""

    def __init__(
        self,
        plan: Plan,
        programs: Programs,
        lanes: list[LaneUnderWay],
        hyperparameters: dict[str, np.ndarray],
        data: Data,
    ):
        """Args:
        plan: of the sweep.
        programs: for at least as many lanes.
        lanes: all with the same number of epochs made.
        hyperparameters: a value for each of these lanes.
        data: on the devices.
        """
        self.plan, self.programs, self.lanes, self.data = plan, programs, lanes, data
        # What is missing to a full chunk is filled with copies of a lane that are stopped already.
        filled = [*lanes, *[lanes[-1]] * (programs.width - len(lanes))]
        idle = np.arange(len(filled)) >= len(lanes)
        self._pairs = [lane.rows_and_order for lane in filled]
        self._values = programs.place(
            {name: np.resize(v, len(filled)) for name, v in hyperparameters.items()}
        )
        self._validation = programs.place(plan.validation(self._pairs))
        state = self._begin(filled)
        self.state = state.replace(stopped=programs.place(np.where(idle, HALVED, state.stopped)))
        self.stopped = idle
        self.histories = [list(lane.history) for lane in lanes]

    def train(self, until: int, stop: Question, observe: Observe, pace: Pace) -> bool:
        """Trains until the end of epoch `until`, or until all lanes have stopped.

        Args:
            until: epochs made then, those before included.
            stop: asked often; if it says True, the lanes are left as they were.
            observe: see `Observe`.
            pace: of the chunks before; it is told of these steps.

        Returns:
            whether it came to the end; then the lanes are where this is.
        """
        for epoch in range(len(self.histories[0]), until):
            sums = self._train_epoch(epoch, stop, observe, pace)
            if sums is None:
                return False
            self._finish_epoch(sums)
            if np.all(self.stopped):
                break
        state = jax.device_get(self.state)
        for i, lane in enumerate(self.lanes):
            lane.state = jax.tree.map(lambda x, i=i: x[i], state)
            lane.history, lane.stopped = self.histories[i], int(lane.state.stopped)
            if lane.goes_on and until == self.plan.epochs:
                lane.stopped = EPOCHS
        return True

    def _begin(self, lanes: list[LaneUnderWay]) -> LaneState:
        place = self.programs.place
        if lanes[0].state is None:
            seeds = place(np.array([lane.lane.seed for lane in lanes], np.uint32))
            return self.programs.init(self._values, seeds, self.data)
        return place(jax.tree.map(lambda *x: _stacked(x), *[lane.state for lane in lanes]))

    def _train_epoch(
        self, epoch: int, stop: Question, observe: Observe, pace: Pace
    ) -> list[dict[str, float]] | None:
        """The totals of each lane; None if it was stopped."""
        order = self.programs.place(self.plan.order(self._pairs, epoch))
        sums, first = [{} for _ in self.lanes], 0
        while first < self.plan.steps and not np.all(self.stopped):
            if stop():
                return None
            count, began = min(pace.count, self.plan.steps - first), time.monotonic()
            self.state, totals = self.programs.steps(
                self.state, self._values, order, self.data, first, count
            )
            totals, self.stopped = jax.device_get((totals, self.state.stopped))
            pace.measure(count, time.monotonic() - began)
            for i in range(len(self.lanes)):
                made = {name: a[i, first : first + count] for name, a in totals.items()}
                sums[i] = add_totals(sums[i], made)
            observe(count * len(self.lanes))
            first += count
        return sums

    def _finish_epoch(self, sums: list[dict[str, float]]) -> None:
        patience = NEVER if self.plan.patience is None else self.plan.patience
        self.state, totals = self.programs.finish(
            self.state, self._values, self._validation, self.data, patience
        )
        totals, epochs, steps, self.stopped = jax.device_get(
            (totals, self.state.epoch, self.state.train.step, self.state.stopped)
        )
        for i, history in enumerate(self.histories):
            if epochs[i] > len(history):  # else it had stopped before the end
                measured = {name: a[i] for name, a in totals.items()}
                history.append(
                    {
                        "epoch": len(history) + 1,
                        "step": int(steps[i]),
                        "skipped": int(sums[i]["skipped"]),
                        "train": means(sums[i]),
                        "validation": means(add_totals({}, measured)),
                    }
                )


def _stacked(leaves: Sequence[Any]) -> Any:
    # The key of a training is an array that NumPy does not know.
    return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)
