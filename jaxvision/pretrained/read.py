"""Reads the weights that other libraries write, without running anything that they may hold.

    .safetensors                  safetensors
    .npz                          NumPy, without pickled objects
    .h5 .hdf5 (.weights.h5)       Keras, if h5py is installed
    .json                         TensorFlow.js: a model.json beside its shards
    .pth .pt .th .bin             PyTorch's state dict, if PyTorch is installed
    .ckpt .pkl .pickle            a pickled dict of NumPy arrays, read by an interpreter of our own

The suffix decides. Names and layouts are the file's, with "/" between the names of nested dicts or
groups. bfloat16, which NumPy lacks, becomes float32, which is exact.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxvision.pretrained.claims import LIMIT, WeightsError, check_file
from jaxvision.pretrained.keras_h5 import read_keras_h5
from jaxvision.pretrained.npz import read_npz
from jaxvision.pretrained.safetensors_file import read_safetensors
from jaxvision.pretrained.tensorflowjs import read_tensorflowjs
from jaxvision.pretrained.torch_file import read_torch
from jaxvision.pretrained.unpickle import read_pickled_arrays

READERS: dict[str, Callable[[Path, int], dict[str, np.ndarray]]] = {
    ".safetensors": read_safetensors,
    ".npz": read_npz,
    **dict.fromkeys((".h5", ".hdf5"), read_keras_h5),
    ".json": read_tensorflowjs,
    **dict.fromkeys((".pth", ".pt", ".th", ".bin"), read_torch),
    **dict.fromkeys((".ckpt", ".pkl", ".pickle"), read_pickled_arrays),
}
HEAD, TAIL = 400, 300  # characters of a long message that are kept: what is wrong, and the remedy


def read_tensors(path: str | Path, limit: int = LIMIT) -> dict[str, np.ndarray]:
    """Reads every tensor of a file of weights; the module lists the kinds.

    Args:
        path: the file.
        limit: the most bytes that the file, and its tensors in memory, may have.

    Raises:
        FileNotFoundError: if the file, or a shard that it names, does not exist.
        ValueError: if the file is of another kind, damaged, cut short, or claims more than it
            holds; if it holds what is no tensor, or leads to other files; if the library that
            reads its kind is not installed; or if `limit` is below 1. Each message names the file,
            what is wrong, and the remedy.
    """
    path = Path(path).expanduser()
    if limit < 1:
        raise ValueError(f"`limit` must be at least 1, got {limit}: give a number of bytes.")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file of weights. Check the path.")
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        kind = f"has the suffix {path.suffix!r}" if path.is_file() else "is no file"
        raise WeightsError(
            f"{path}: {kind}, and weights are read from files named {' '.join(READERS)}. Give one, "
            "under the name that its library gave it."
        )
    try:
        check_file(path, limit)
        return reader(path, limit)
    except WeightsError as error:
        raise WeightsError(f"{path}: {_legible(str(error).removeprefix(f'{path}: '))}") from None
    except PermissionError as error:
        raise WeightsError(
            f"{error.filename or path}: may not be read. Change its permissions."
        ) from None


def _legible(message: str) -> str:
    """One line that a terminal can show: names come from the file, of any length and content."""
    line = "".join(c if c.isprintable() else " " for c in message)
    return line if len(line) <= HEAD + TAIL else f"{line[:HEAD]} ... {line[-TAIL:]}"
