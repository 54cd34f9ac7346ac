"""Lanes that have begun, on the disk, so that a sweep goes on with them and does not begin anew.

A lane is a safetensors file: its state, and as metadata its curves, how far it is in its epoch, and
a sum of all that, without which the file is not believed. It is written whole or not at all.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.checkpoint import tensors as arrays
from jaxvision.selection.lanes import LaneState
from jaxvision.selection.results import Lane
from jaxvision.selection.under_way import LaneUnderWay
from jaxvision.train.run import write_whole

SECONDS = 60.0


class Keeper:
    """The folder of such files."""

    def __init__(
        self, folder: Path, *, seconds: float = SECONDS, note: Callable[[str], None] = print
    ):
        """Args:
        folder: for the files; made when there is something to keep.
        seconds: between two times that a lane is kept while it trains.
        note: is told of a file that cannot be used.
        """
        self.folder, self.seconds, self._note = folder, seconds, note

    def keep(self, lanes: Sequence[LaneUnderWay]) -> None:
        """Writes these lanes as they are, over what there is of them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for lane in lanes:
            write_whole(self._path(lane.lane), _file_of(lane))

    def bring_back(self, lane: LaneUnderWay, like: LaneState) -> None:
        """Sets `lane` to where it was kept; leaves it as it is if it was not.

        Args:
            like: any lane's state, which gives structure, shapes and dtypes.
        """
        path = self._path(lane.lane)
        if not path.exists():
            return
        try:
            _set(lane, path, like)
        except ValueError as error:
            self._note(f"{path} cannot be used ({error}): this training begins anew")

    def forget(self, lane: Lane) -> None:
        """Deletes the file of a lane; nothing if there is none."""
        self._path(lane).unlink(missing_ok=True)

    def clear(self) -> None:
        """Deletes all that was kept."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _path(self, lane: Lane) -> Path:
        return self.folder / f"{lane.candidate}-{lane.seed}-{lane.fold or 0}.safetensors"


def _file_of(lane: LaneUnderWay) -> bytes:
    from safetensors.numpy import save

    raw = arrays.to_host(arrays.raw(arrays.flatten(lane.state)), copy=False)
    tensors = {
        name: np.ascontiguousarray(arrays.as_integers(x)).reshape(x.shape)
        for name, x in raw.items()
    }
    about = {
        "hyperparameters": lane.lane.hyperparameters,
        "history": lane.history,
        "made": lane.made,
        "sums": lane.sums,
    }
    text = json.dumps(about)
    return save(tensors, {"lane": text, "sha256": _sum(tensors, text)})


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors of a file, and what there is beside them."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in tuple(file.keys())}
            metadata = file.metadata()
    except SafetensorError as error:
        raise ValueError(f"it is damaged: {error}") from None
    if not metadata or metadata.get("sha256") != _sum(tensors, metadata.get("lane", "")):
        raise ValueError("it is damaged: its sum is another")
    return tensors, json.loads(metadata["lane"])


def _set(lane: LaneUnderWay, path: Path, like: LaneState) -> None:
    tensors, about = _read(path)
    if about["hyperparameters"] != lane.lane.hyperparameters:
        raise ValueError(f"it is of {about['hyperparameters']}")
    named = arrays.flatten(like)
    bits = {name: arrays.as_integers(np.asarray(x)) for name, x in arrays.raw(named).items()}
    if arrays.describe(bits) != arrays.describe(tensors):
        raise ValueError("it is of another network or optimizer")
    leaves = [_as(tensors[name], x) for name, x in named.items()]
    lane.state = jax.tree.unflatten(jax.tree.structure(like), leaves)
    lane.history, lane.made, lane.sums = about["history"], about["made"], about["sums"]


def _as(bits: np.ndarray, like: arrays.Tensor) -> arrays.Tensor:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(bits, impl=jax.random.key_impl(like))
    return bits.view(like.dtype)


def _sum(tensors: dict[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype}{tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
