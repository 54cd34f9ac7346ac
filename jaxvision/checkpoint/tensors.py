"""The arrays of a checkpoint: named, copied off the device, one .npy file each.

A name is the path in the tree, "state.params.c1.kernel": plain names outlive the classes they are
of. The file is called after it, so that the name of a damaged file says what is damaged, and
`numpy.load` reads it. An array that lies on the devices of several processes has a file a piece,
each written by a process that holds it.

Why not Orbax: when one of its writes fails, others go on in its threads after the error has been
raised, and make anew what has just been cleared away; and a small network takes it 50 ms.
"""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

FOLDER = "tensors"
THREADS = 4  # copying into the kernel and waiting for the disk
# NumPy has Python parse a file's header, and the parser of Python 3.11 is not safe in threads.
_HEADER = threading.Lock()
Tensor = np.ndarray | jax.Array
Index = tuple[slice, ...]
Files = dict[str, str]  # the files of an array, and the place of each in it: {"...": "0:4,0:8"}


def flatten(tree: PyTree) -> dict[str, Tensor]:
    """All leaves by name.

    Raises:
        ValueError: if a leaf is no array, or two leaves have one name.
    """
    tensors: dict[str, Tensor] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if not isinstance(leaf, Tensor):
            raise ValueError(f"`{name}` is {leaf!r}: only arrays can be saved; make it one.")
        if name in tensors:
            raise ValueError(f"two leaves have the name `{name}`: rename one of them.")
        tensors[name] = leaf
    return tensors


def describe(tensors: dict[str, Tensor]) -> dict[str, str]:
    """Dtype and shape by name, as "float32[5, 5, 1, 6]"."""
    return {name: f"{x.dtype}{list(x.shape)}" for name, x in tensors.items()}


def raw(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """PRNG keys as the integers that they are made of; all else as it is."""
    return {name: jax.random.key_data(x) if _is_key(x) else x for name, x in tensors.items()}


def to_host(tensors: dict[str, Tensor], *, copy: bool) -> dict[str, np.ndarray]:
    """NumPy arrays; without `copy` some are views of the buffers that the next step overwrites."""
    for x in tensors.values():
        if isinstance(x, jax.Array):
            x.copy_to_host_async()  # all of them at once
    return {name: np.array(x, copy=copy or None) for name, x in tensors.items()}


def files_of(tensors: dict[str, Tensor]) -> dict[str, Files]:
    """The files of each array; every process of a computation finds the same."""
    files = {}
    for number, (name, x) in enumerate(tensors.items()):
        # As any file system takes it; the number keeps what has become alike apart.
        stem = f"{number:04d}.{re.sub('[^A-Za-z0-9._-]', '_', name)[:150]}"
        places = sorted({_place(index, x.shape) for index in _pieces(x)})
        of_each = [f"{stem}.{place.replace(':', '-').replace(',', '_')}.npy" for place in places]
        files[name] = dict(
            zip([f"{stem}.npy"] if len(places) == 1 else of_each, places, strict=True)
        )
    return files


def write(
    folder: Path, tensors: dict[str, Tensor], files: dict[str, Files], *, first: bool
) -> None:
    """Writes raw arrays into `folder`, or the pieces of them that are this process' to write.

    Args:
        first: whether this is the process that writes what all have.
    """

    def write_own(name: str) -> None:
        file_at = {place: file for file, place in files[name].items()}
        for index, piece in _own_pieces(tensors[name], first=first):
            _write(folder / file_at[_place(index, tensors[name].shape)], np.asarray(piece))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write_own, tensors))


def read(folder: Path, like: dict[str, Tensor], files: dict[str, Files]) -> dict[str, Tensor]:
    """Reads arrays, each to the devices that its like is on."""
    with ThreadPoolExecutor(THREADS) as pool:
        plain = raw(like)
        whole = pool.map(lambda name: _read(folder, plain[name], files[name]), plain)
        return {name: _to_devices(x, like[name]) for name, x in zip(plain, whole, strict=True)}


def _pieces(x: Tensor) -> list[Index]:
    if not isinstance(x, jax.Array) or x.is_fully_addressable:
        return [(slice(None),) * x.ndim]
    return list(x.sharding.devices_indices_map(x.shape).values())


def _own_pieces(x: Tensor, *, first: bool) -> Iterator[tuple[Index, Tensor]]:
    if not isinstance(x, jax.Array) or x.is_fully_addressable:
        if first:
            yield (slice(None),) * x.ndim, x
        return
    for shard in x.addressable_shards:
        if shard.replica_id == 0:
            yield shard.index, shard.data


def _write(path: Path, x: np.ndarray) -> None:
    bits = as_integers(np.ascontiguousarray(x).reshape(x.shape))  # 0-d would have become 1-d
    with path.open("xb") as file:
        header = np.lib.format.header_data_from_array_1_0(bits)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bits.reshape(-1).view(np.uint8))  # unlike tofile, it says why it fails


def _read(folder: Path, like: Tensor, files: Files) -> np.ndarray:
    whole = np.empty(like.shape, like.dtype)
    for file, place in files.items():
        index = tuple(slice(*map(int, part.split(":"))) for part in place.split(",") if part)
        whole[index] = _load(folder / file).view(whole.dtype)
    return whole


def _load(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        with _HEADER:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return np.fromfile(file, dtype).reshape(shape)


def _to_devices(x: np.ndarray, like: Tensor) -> Tensor:
    if not isinstance(like, jax.Array):
        return x
    sharding = jax.random.key_data(like).sharding if _is_key(like) else like.sharding
    y = jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
    return jax.random.wrap_key_data(y, impl=jax.random.key_impl(like)) if _is_key(like) else y


def as_integers(x: np.ndarray) -> np.ndarray:
    """Dtypes that NumPy's files have no name for, such as bfloat16, as integers of their size."""
    return x if x.dtype.isbuiltin == 1 else x.view(f"u{x.dtype.itemsize}")


def _place(index: Index, shape: tuple[int, ...]) -> str:
    ranges = (part.indices(size) for part, size in zip(index, shape, strict=True))
    return ",".join(f"{start}:{stop}" for start, stop, _ in ranges)


def _is_key(x: Tensor) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
