"""Trains a chunk of lanes: as many as its programs have room for, epoch after epoch."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.selection.keeping import Keeper
from jaxvision.selection.lanes import EPOCHS, Data, LaneState
from jaxvision.selection.plan import Plan
from jaxvision.selection.programs import Programs
from jaxvision.selection.under_way import LaneUnderWay, take_lane
from jaxvision.train.epoch import TURN, Question, add_totals
from jaxvision.train.step import means

NEVER = np.iinfo(np.int32).max

Observe = Callable[[int], None]  # told of steps made, of all lanes together, from any thread


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
        keeper: Keeper | None,
    ):
        """Args:
        plan: of the sweep.
        programs: for at least as many lanes.
        lanes: all at the same place.
        hyperparameters: a value for each of these lanes.
        data: on the devices.
        keeper: keeps the lanes now and then, and when they are left; None for not.
        """
        self.plan, self.programs, self.lanes, self.data = plan, programs, lanes, data
        # What is missing to a full chunk is filled with copies of a lane.
        filled = [*lanes, *[lanes[-1]] * (programs.width - len(lanes))]
        self._pairs = [lane.rows_and_order for lane in filled]
        self._values = programs.place(
            {name: np.resize(v, len(filled)) for name, v in hyperparameters.items()}
        )
        self._validation = programs.place(plan.validation(self._pairs))
        self.state, self.stopped = self._begin(filled), np.zeros(len(filled), np.int32)
        self.histories = [list(lane.history) for lane in lanes]
        self.epoch, self.made = lanes[0].place
        self.sums = [lane.sums for lane in lanes]
        self._keeper, self._kept = keeper, time.monotonic()

    def train(self, until: int, stop: Question, observe: Observe, pace: Pace) -> None:
        """Trains until the end of epoch `until`, or until all lanes have stopped.

        Args:
            until: epochs made then, those before included.
            stop: asked often; if it says True, the lanes are left where they are.
            observe: see `Observe`.
            pace: of the chunks before; it is told of these steps.
        """
        whole = True
        while whole and self.epoch < until and not np.all(self.stopped):
            whole = self._train_epoch(stop, observe, pace)
            if whole:
                self._finish_epoch()
        self._hand_back()
        if whole and until == self.plan.epochs:
            for lane in self.lanes:
                lane.stopped = EPOCHS if lane.goes_on else lane.stopped
        elif self._keeper:
            self._keeper.keep(self.lanes)

    def _hand_back(self) -> None:
        """Sets the lanes to where they are now."""
        state = jax.device_get(self.state)
        for i, lane in enumerate(self.lanes):
            lane.state = take_lane(state, i)
            lane.history, lane.stopped = list(self.histories[i]), int(lane.state.stopped)
            lane.made, lane.sums = self.made, self.sums[i]

    def _begin(self, lanes: list[LaneUnderWay]) -> LaneState:
        place = self.programs.place
        if lanes[0].state is None:
            seeds = place(np.array([lane.lane.seed for lane in lanes], np.uint32))
            return self.programs.init(self._values, seeds, self.data)
        return place(jax.tree.map(lambda *x: _stacked(x), *[lane.state for lane in lanes]))

    def _train_epoch(self, stop: Question, observe: Observe, pace: Pace) -> bool:
        """What is left of the epoch's steps; returns whether it was not stopped."""
        order = self.programs.place(self.plan.order(self._pairs, self.epoch))
        while self.made < self.plan.steps and not np.all(self.stopped):
            if stop():
                return False
            if self._keeper and time.monotonic() - self._kept > self._keeper.seconds:
                self._hand_back()
                self._keeper.keep(self.lanes)
                self._kept = time.monotonic()
            first, began = self.made, time.monotonic()
            count = min(pace.count, self.plan.steps - first)
            self.state, totals = self.programs.steps(
                self.state, self._values, order, self.data, first, count
            )
            totals, self.stopped = jax.device_get((totals, self.state.stopped))
            pace.measure(count, time.monotonic() - began)
            for i, sums in enumerate(self.sums):
                made = {name: a[i, first : first + count] for name, a in totals.items()}
                self.sums[i] = add_totals(sums, made)
            self.made += count
            observe(count * len(self.lanes))
        return True

    def _finish_epoch(self) -> None:
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
                        "skipped": int(self.sums[i]["skipped"]),
                        "train": means(self.sums[i]),
                        "validation": means(add_totals({}, measured)),
                    }
                )
        self.epoch, self.made, self.sums = self.epoch + 1, 0, [{} for _ in self.lanes]


def _stacked(leaves: Sequence[Any]) -> Any:
    # The key of a training is an array that NumPy does not know.
    return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)
