"""The lanes that one set of compiled programs trains: those whose fixed hyperparameters agree."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import jax
import numpy as np

from jaxvision.ops.platform import slow_in_loops
from jaxvision.selection.chunk import Chunk, Observe, Pace
from jaxvision.selection.hyperparameters import check_all_read
from jaxvision.selection.keeping import Keeper
from jaxvision.selection.lanes import Data, LaneFunctions, LaneState
from jaxvision.selection.layout import Layout, choose_layout, memory_left, narrower
from jaxvision.selection.plan import Plan
from jaxvision.selection.programs import Programs, put_whole
from jaxvision.selection.spaces import Candidate, Value
from jaxvision.selection.under_way import LaneUnderWay, take_lane
from jaxvision.train.epoch import Question


class Group:
    """Some lanes, and the programs that they share."""

    def __init__(
        self,
        plan: Plan,
        fixed: dict[str, Value],
        lanes: list[LaneUnderWay],
        chunk: int | None,
        placed: dict[int, Data],
    ):
        """Args:
        plan: of the sweep.
        fixed: the hyperparameters that all lanes have in common.
        lanes: in the order in which they are trained.
        chunk: at most so many a program; None to choose.
        placed: the data on so many devices, for all groups to share.
        """
        self.plan, self.fixed, self.lanes, self.chunk = plan, fixed, lanes, chunk
        self._placed = placed
        self.programs: Programs | None = None
        self.layout: Layout | None = None
        self.pace = Pace(loops=True)

    def values(self, lanes: Sequence[LaneUnderWay]) -> dict[str, np.ndarray]:
        """The hyperparameters of these lanes that are no part of the program."""
        every = [lane.lane.hyperparameters for lane in self.lanes]
        names = [name for name in every[0] if name not in self.fixed]
        kinds = {name: _kind([one[name] for one in every]) for name in names}
        return {
            name: np.array([lane.lane.hyperparameters[name] for lane in lanes], kinds[name])
            for name in names
        }

    def prepare(self, lanes: Sequence[LaneUnderWay]) -> None:
        """Compiles what so many lanes need; nothing if what there is fits."""
        layout = choose_layout(len(lanes), self.chunk)
        if self.programs is not None and layout.width >= self.layout.width:
            return
        with self._explained(lanes[0]):
            functions = self._functions(lanes[0])
            while layout is not None:
                self.layout = layout
                self.programs = self._programs(functions, lanes)
                check_all_read(lanes[0].lane.hyperparameters, functions.read)
                layout = narrower(layout, self.programs.bytes_needed, memory_left())

    def _programs(self, functions: LaneFunctions, lanes: Sequence[LaneUnderWay]) -> Programs:
        some = [lanes[i % len(lanes)] for i in range(self.layout.width)]
        pairs = [lane.rows_and_order for lane in some]
        devices = self.layout.devices
        if devices not in self._placed:
            self._placed[devices] = put_whole(self.plan.data, devices)
        self.data = self._placed[devices]
        return Programs(
            functions,
            self.layout,
            self.data,
            self.values(some),
            self.plan.order(pairs, 0),
            self.plan.validation(pairs),
        )

    def train(
        self,
        lanes: list[LaneUnderWay],
        until: int,
        stop: Question,
        observe: Observe,
        keeper: Keeper | None,
    ) -> None:
        """Trains a chunk of these lanes, see `Chunk`; nothing if it is to stop already."""
        if not stop():
            values = self.values(lanes)
            chunk = Chunk(self.plan, self.programs, lanes, values, self.data, keeper)
            chunk.train(until, stop, observe, self.pace)

    def chunks(self, lanes: Sequence[LaneUnderWay]) -> list[list[LaneUnderWay]]:
        """Of lanes that are at the same place."""
        places: dict[tuple[int, int], list[LaneUnderWay]] = {}
        for lane in lanes:
            places.setdefault(lane.place, []).append(lane)
        width = self.layout.width
        return [some[i : i + width] for some in places.values() for i in range(0, len(some), width)]

    def first_state(self) -> LaneState:
        """Some lane's state before its first step."""
        some = [self.lanes[i % len(self.lanes)] for i in range(self.layout.width)]
        seeds = np.array([lane.lane.seed for lane in some], np.uint32)
        placed = self.programs.place((self.values(some), seeds))
        state = jax.device_get(self.programs.init(*placed, self.data))
        return take_lane(state, 0)

    def _functions(self, lane: LaneUnderWay) -> LaneFunctions:
        functions = self.plan.functions(self.fixed, loops=True)
        values, batch = _only(self.values([lane])), self.plan.batch()
        if not slow_in_loops(functions.once, values, batch):
            return functions
        self.pace = Pace(loops=False)
        return self.plan.functions(self.fixed, loops=False)

    @contextmanager
    def _explained(self, lane: LaneUnderWay) -> Iterator[None]:
        """Names the axis whose value the program's building depends on."""
        try:
            yield
        except TypeError as error:
            names = list(self.values([lane]))
            if self._can_be_traced(lane, names):
                raise  # the axes are not to blame
            for name in names:
                if self._can_be_traced(lane, [other for other in names if other != name]):
                    raise ValueError(
                        f"the axis `{name}` changes shapes, or what the program does: its value "
                        f"must be known while the program is built. Name it as fixed "
                        f"(`fixed=({name!r},)`), and each of its values gets a program of its own."
                    ) from error
            raise

    def _can_be_traced(self, lane: LaneUnderWay, names: list[str]) -> bool:
        """Whether these hyperparameters may be arguments of the program, the others fixed."""
        values = lane.lane.hyperparameters
        fixed = {name: value for name, value in values.items() if name not in names}
        traced = {name: value[0] for name, value in self.values([lane]).items() if name in names}
        functions = self.plan.functions(self.fixed | fixed, loops=True)
        try:
            jax.eval_shape(functions.once, traced, self.plan.batch())
        except TypeError:
            return False
        return True


def group_lanes(
    plan: Plan, lanes: Sequence[LaneUnderWay], fixed: frozenset[str], chunk: int | None
) -> list[Group]:
    """Puts together the lanes whose fixed hyperparameters agree.

    Args:
        fixed: names of hyperparameters that change the program; words always do.
    """
    groups: dict[tuple, list[LaneUnderWay]] = {}
    for lane in lanes:
        groups.setdefault(_fixed_part(lane.lane.hyperparameters, fixed), []).append(lane)
    placed: dict[int, Data] = {}
    return [Group(plan, dict(part), some, chunk, placed) for part, some in groups.items()]


def _fixed_part(candidate: Candidate, fixed: frozenset[str]) -> tuple[tuple[str, Value], ...]:
    return tuple(
        (name, value)
        for name, value in candidate.items()
        if name in fixed or isinstance(value, str)
    )


def _only(values: dict[str, np.ndarray]) -> dict[str, np.generic]:
    """The values of the one lane that there is."""
    return {name: value[0] for name, value in values.items()}


def _kind(values: list[Value]) -> np.dtype:
    whole = all(isinstance(value, int) for value in values)
    return np.dtype(np.int32) if whole else jax.numpy.result_type(float)
