"""The compiled programs of a sweep: a lane's functions, for as many lanes as the layout says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from jaxvision.ops.platform import compiler_options
from jaxvision.selection.lanes import Data, LaneFunctions, LaneState
from jaxvision.selection.layout import Layout

LANES = "lanes"


class Programs:
    """`init`, `steps` and `finish` of `lanes.py`, with an axis of lanes in front of all but data.

    Everything is compiled when this is made, side by side.
    """

    def __init__(
        self,
        functions: LaneFunctions,
        layout: Layout,
        data: Data,
        hyperparameters: dict[str, np.ndarray],
        order: dict[str, np.ndarray],
        validation: dict[str, np.ndarray],
    ):
        """Args: what a chunk of `layout.width` lanes is given, of which only the shapes matter."""
        self._split, self._whole = _placements(layout.devices)
        self.width = layout.width
        seeds = np.zeros(layout.width, np.uint32)
        compiled = partial(_lowered, layout=layout, split=self._split)
        init = compiled(functions.init, (hyperparameters, seeds), (data,))
        lanes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self._split), init.out_info
        )
        zero = np.int32(0)
        steps = compiled(
            functions.steps, (lanes, hyperparameters, order), (data, zero, zero), donate=True
        )
        finish = compiled(
            functions.finish, (lanes, hyperparameters, validation), (data, zero), donate=True
        )
        with ThreadPoolExecutor() as pool:
            programs = pool.map(lambda one: one.compile(), (init, steps, finish))
        self._init, self._steps, self._finish = programs
        self._data_bytes = sum(a.nbytes for a in data.values())

    @property
    def bytes_needed(self) -> int:
        """Of a device's memory, while steps are made, without the data."""
        memory = self._steps.memory_analysis()
        if memory is None:
            return 0
        return int(
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            - memory.alias_size_in_bytes
            + memory.temp_size_in_bytes
            - self._data_bytes  # which are there already
        )

    def place(self, tree: PyTree) -> PyTree:
        """Host arrays with an axis of lanes, on the devices."""
        return jax.device_put(tree, self._split)

    def init(self, hyperparameters: PyTree, seeds: PyTree, data: Data) -> LaneState:
        return self._init(hyperparameters, seeds, data)

    def steps(
        self, lanes: LaneState, hyperparameters: PyTree, order: PyTree, data: Data, *turn: int
    ) -> tuple[LaneState, PyTree]:
        turn = jax.device_put(tuple(map(np.int32, turn)), self._whole)
        return self._steps(lanes, hyperparameters, order, data, *turn)

    def finish(
        self, lanes: LaneState, hyperparameters: PyTree, rows: PyTree, data: Data, patience: int
    ) -> tuple[LaneState, PyTree]:
        patience = jax.device_put(np.int32(patience), self._whole)
        return self._finish(lanes, hyperparameters, rows, data, patience)


def put_whole(data: dict[str, np.ndarray], devices: int) -> Data:
    """The data, on each of so many devices."""
    return jax.device_put(data, _placements(devices)[1])


def _placements(devices: int) -> tuple[Any, Any]:
    """How arrays with an axis of lanes lie, and how the others; None on the default device."""
    if devices == 1:
        return None, None
    mesh = Mesh(np.array(jax.local_devices()[:devices]), (LANES,))
    return NamedSharding(mesh, PartitionSpec(LANES)), NamedSharding(mesh, PartitionSpec())


def _lowered(
    function: Callable,
    by_lane: tuple,
    shared: tuple,
    *,
    layout: Layout,
    split: Any,
    donate: bool = False,
) -> Any:
    """The program of a function of a lane: its first arguments have an axis of lanes, and its
    results."""
    count, local = len(by_lane), layout.width // layout.devices

    def together(*arguments):
        if local > 1:
            axes = (0,) * count + (None,) * len(shared)
            return jax.vmap(function, in_axes=axes)(*arguments)
        # A batch of one would still be a batch, and its convolutions grouped ones.
        first = jax.tree.map(lambda x: x[0], arguments[:count])
        return jax.tree.map(lambda x: x[None], function(*first, *arguments[count:]))

    program = together
    if split is not None:
        spec = (PartitionSpec(LANES),) * count + (PartitionSpec(),) * len(shared)
        program = jax.shard_map(
            together,
            mesh=split.mesh,
            in_specs=spec,
            out_specs=PartitionSpec(LANES),
            check_vma=False,  # it would have the run mark its constants as varying over devices
        )
    where = {}
    if split is not None:
        whole = NamedSharding(split.mesh, PartitionSpec())
        in_shardings = (split,) * count + (whole,) * len(shared)
        where = {"in_shardings": in_shardings, "out_shardings": split}
    return jax.jit(
        program,
        donate_argnums=0 if donate else (),
        compiler_options=compiler_options(),
        **where,
    ).lower(*by_lane, *shared)
