"""Where the arrays of a feed lie: on the one device, or on the devices of a mesh.

A batch is split over all axes of the mesh, what belongs to no example is whole on each device.
Arrays are made of what lies in this process only: no process sends data to another.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree


class Placement:
    """Puts host arrays where they belong.

    Attributes:
        whole: how an array lies that each device has whole; None for the one default device.
    """

    def __init__(self, mesh: Mesh | None = None):
        self.mesh = mesh
        self.whole = None if mesh is None else NamedSharding(mesh, PartitionSpec())
        # Of arrays [steps, b, ...].
        self._split = mesh and NamedSharding(mesh, PartitionSpec(None, mesh.axis_names))

    def replicate(self, tree: PyTree) -> PyTree:
        """Host arrays or numbers, whole on each device."""
        if self.whole is None:
            return jax.device_put(tree)
        return jax.tree.map(lambda x: _from_this_process(np.asarray(x), self.whole), tree)

    def split(self, tree: PyTree) -> PyTree:
        """Host arrays [steps, b, ...] that every process has whole, split along b."""
        if self._split is None:
            return jax.device_put(tree)
        return jax.tree.map(lambda x: _from_this_process(np.asarray(x), self._split), tree)

    def split_own(self, tree: PyTree, batch_size: int) -> PyTree:
        """Host arrays [steps, own, ...] of this process's rows, as [steps, batch_size, ...]."""
        if self._split is None:
            return jax.device_put(tree)

        def put(x: np.ndarray) -> Array:
            shape = (x.shape[0], batch_size, *x.shape[2:])
            return jax.make_array_from_process_local_data(self._split, x, shape)

        return jax.tree.map(put, tree)

    def own_rows(self, batch_size: int) -> Sequence[int]:
        """The places in a batch whose examples this process must bring."""
        if self._split is None:
            return range(batch_size)
        slices = self._split.addressable_devices_indices_map((1, batch_size)).values()
        return sorted({i for _, rows in slices for i in range(*rows.indices(batch_size))})

    def shape(self, shape: Sequence[int], dtype: np.dtype | type) -> jax.ShapeDtypeStruct:
        """What `split` makes of an array of this shape, for a program to be compiled for."""
        return jax.ShapeDtypeStruct(shape, dtype, sharding=self._split)

    def check(self, batch_size: int) -> None:
        """Raises ValueError if a batch cannot be split evenly."""
        if self.mesh is not None and batch_size % self.mesh.size:
            raise ValueError(
                f"`batch_size` must be a multiple of the {self.mesh.size} devices of the mesh, got "
                f"{batch_size}: choose {-(-batch_size // self.mesh.size) * self.mesh.size}."
            )


def _from_this_process(array: np.ndarray, sharding: NamedSharding) -> Array:
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
