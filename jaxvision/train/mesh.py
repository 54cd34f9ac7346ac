"""Many devices: how parameters and optimizer state lie on a mesh of them.

    data=8           every device has the whole state and an eighth of each batch
    data=4,model=2   every batch is split over all eight; the arrays of the state are split in two,
                     and each half lies on four devices

The second is fully sharded data parallelism (Zhao et al., "PyTorch FSDP", VLDB 2023,
https://arxiv.org/abs/2304.11277; Rajbhandari et al., "ZeRO", SC 2020): a device keeps, and the
optimizer updates, its part of each array only; the step puts a parameter together when the model
needs it. Nothing here sends anything: the arrays say where they lie, and XLA's partitioner puts the
collectives into the one program. So batch statistics are those of the whole batch, as on one
device.
"""

import math
from collections.abc import Callable

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

AXES = ("data", "model")
SMALLEST_SPLIT = 2**10  # elements: what is smaller is cheaper to keep whole than to put together


def parse_mesh(text: str) -> dict[str, int]:
    """Reads "data=4,model=2" as {"data": 4, "model": 2}.

    Raises:
        ValueError: if it is not of this form, or its axes are others than data and model.
    """
    try:
        pairs = [part.split("=") for part in text.split(",")]
        axes = {name.strip(): int(size) for name, size in pairs}
    except ValueError:
        axes = {}
    known = "data" in axes and set(axes) <= set(AXES) and len(axes) == text.count("=")
    if not known or min(axes.values()) < 1:
        raise ValueError(
            f"`mesh` must be data=N or data=N,model=M with numbers from 1 on, got {text!r}: "
            "data=8 splits each batch over eight devices."
        )
    return axes


def make_mesh(axes: dict[str, int]) -> Mesh:
    """The mesh of all devices, of all processes.

    Raises:
        ValueError: if there are more or fewer devices than the axes name.
    """
    wanted, found = math.prod(axes.values()), jax.device_count()
    if wanted != found:
        raise ValueError(
            f"`mesh` names {wanted} devices, and there are {found} ({jax.default_backend()}). On a "
            f"CPU, XLA_FLAGS=--xla_force_host_platform_device_count={wanted} makes as many of it."
        )
    types = (AxisType.Auto,) * len(axes)
    return jax.make_mesh(tuple(axes.values()), tuple(axes), axis_types=types)


def shardings_on(mesh: Mesh) -> Callable[[PyTree], PyTree]:
    """The `shardings` of `init_state`: how the arrays of a state lie on the devices of `mesh`.

    Each is split along its longest axis that the mesh's `model` axis divides; what has none, or is
    small, is whole on every device.
    """
    return lambda shapes: jax.tree.map(lambda x: _sharding(x, mesh), shapes)


def gather_on(mesh: Mesh) -> Callable[[PyTree], PyTree]:
    """The `gather` of `make_train_step`: puts parameters together for the model."""
    whole = NamedSharding(mesh, PartitionSpec())

    def gather(params: PyTree) -> PyTree:
        return jax.lax.with_sharding_constraint(params, whole)

    return gather


def on_host(tree: PyTree) -> PyTree:
    """Every array whole, as NumPy; of several processes, all must ask together."""
    if all(x.is_fully_addressable for x in jax.tree.leaves(tree)):
        return jax.device_get(tree)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(tree, tiled=True)


def _sharding(x: jax.ShapeDtypeStruct, mesh: Mesh) -> NamedSharding:
    parts = mesh.shape.get("model", 1)
    splittable = [axis for axis in range(x.ndim) if x.shape[axis] % parts == 0]
    if parts == 1 or not splittable or x.size < SMALLEST_SPLIT:
        return NamedSharding(mesh, PartitionSpec())
    longest = max(splittable, key=lambda axis: x.shape[axis])
    return NamedSharding(mesh, PartitionSpec(*[None] * longest, "model"))
