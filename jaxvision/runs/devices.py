"""The devices that a run is spread over."""

from typing import Protocol, runtime_checkable

import jax
from jax.sharding import Mesh

from jaxvision.train.mesh import make_mesh, parse_mesh


@runtime_checkable
class Settings(Protocol):
    """Of a configuration, what matters here."""

    mesh: str | None
    batch_size: int
    accumulate: int


def check_mesh(config: Settings) -> None:
    """Raises ValueError if the mesh is not of these devices, or they cannot share the batches."""
    mesh = mesh_of(config)
    if mesh is not None and config.batch_size % (mesh.size * config.accumulate):
        raise ValueError(
            f"`batch_size` must be a multiple of the {mesh.size} devices times the "
            f"{config.accumulate} part(s) that each batch is gone through in, got "
            f"{config.batch_size}"
        )


def mesh_of(config: Settings) -> Mesh | None:
    """The mesh that the configuration names, or one of all devices; None for one device."""
    if config.mesh is not None:
        return make_mesh(parse_mesh(config.mesh))
    return make_mesh({"data": jax.device_count()}) if jax.device_count() > 1 else None
