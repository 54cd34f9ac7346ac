"""A lane that is being trained, as the host knows it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.selection.lanes import DIVERGED, EPOCHS, HALVED, PATIENCE, RUNS, LaneState
from jaxvision.selection.results import Lane, LaneResult

ENDED = {PATIENCE: "patience", DIVERGED: "diverged", HALVED: "halved", EPOCHS: "epochs"}


@dataclasses.dataclass
class LaneUnderWay:
    """A lane, and how far it is."""

    lane: Lane
    state: LaneState | None = None  # on the host; None before it has begun
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    made: int = 0  # steps of the epoch that it is in
    sums: dict[str, float] = dataclasses.field(default_factory=dict)  # of these steps' totals
    stopped: int = RUNS

    @property
    def rows_and_order(self) -> tuple[int, int]:
        """(fold, seed): what decides the examples that it sees."""
        return self.lane.fold or 0, self.lane.seed

    @property
    def place(self) -> tuple[int, int]:
        """(epochs made, steps of the next): lanes of a chunk are at the same place."""
        return len(self.history), self.made

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


def take_lane(states: LaneState, number: int) -> LaneState:
    """One of several lanes' states on the host: copied, for theirs is the memory of the next."""

    def one(x):
        # The key of a training is an array that NumPy does not know.
        return jnp.copy(x[number]) if isinstance(x, jax.Array) else np.array(x[number])

    return jax.tree.map(one, states)
