"""Keras' HDF5 files: groups in groups, and datasets with the weights at their ends.

    layers/conv2d/vars/0                  Keras 3, `.weights.h5`, numbered in the layer's order
    model_weights/conv1/conv1/kernel:0    Keras 1 and 2, and the legacy `.h5` of Keras 3

Names are the paths in the file. HDF5 can also keep data in other files (external links, external
storage, virtual datasets), lead in circles (soft and hard links), ask for code (filters that are
plugins) and claim data that is not there; Keras writes none of this. The whole tree is walked, and
all of that refused, before the first tensor is read. Attributes are never read.
"""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from jaxvision.pretrained.claims import WeightsError, check_claims, check_number

DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3  # HDF5's own numbers of its own filters
MAX_DEPTH = 32


def read_keras_h5(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Reads every dataset of an HDF5 file.

    Raises:
        WeightsError: as `read_tensors`.
    """
    try:
        import h5py
    except ImportError:
        raise WeightsError(
            f"{path}: needs h5py, which is not installed. Install it: pip install h5py"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            datasets = _walk(path, file)
            claimed = {name: _claim(path, name, dataset) for name, dataset in datasets.items()}
            check_claims(path, claimed, limit)
            arrays = {name: np.asarray(dataset[()]) for name, dataset in datasets.items()}
    except WeightsError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise WeightsError(
            f"{path}: is damaged or no HDF5 file ({error}). Fetch it again."
        ) from None
    return {name: x.astype(x.dtype.newbyteorder("="), copy=False) for name, x in arrays.items()}


def _walk(path: Path, file: Any) -> dict[str, Any]:
    """Every dataset by its path; every object is reached once, and by a hard link."""
    import h5py

    datasets, seen = {}, {_address(file)}

    def visit(group: Any, prefix: str, depth: int) -> None:
        for key in group:
            name = prefix + key
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise _refuse(path, name, "a link to elsewhere")
            item = group[key]
            if _address(item) in seen:
                raise _refuse(path, name, "a second name of something")
            seen.add(_address(item))
            check_number(path, len(seen))
            if isinstance(item, h5py.Dataset):
                datasets[name] = item
            elif isinstance(item, h5py.Group) and depth < MAX_DEPTH:
                visit(item, f"{name}/", depth + 1)
            else:
                raise _refuse(path, name, "neither group nor dataset, or too deep")

    visit(file, "", 1)
    return datasets


def _address(item: Any) -> int:
    import h5py

    return h5py.h5o.get_info(item.id).addr


def _claim(path: Path, name: str, dataset: Any) -> int:
    """The bytes that reading `dataset` takes; refuses what Keras would not write."""
    if dataset.external:
        raise _refuse(path, name, "stored in another file")
    if dataset.is_virtual:
        raise _refuse(path, name, "a virtual dataset, made of other files")
    if dataset.shape is None or dataset.dtype.kind not in "fiub":
        raise _refuse(path, name, f"of the dtype {dataset.dtype}, not of numbers")
    settings = dataset.id.get_create_plist()
    filters = {settings.get_filter(i)[0] for i in range(settings.get_nfilters())}
    if not filters <= {DEFLATE, SHUFFLE, FLETCHER32}:
        raise _refuse(path, name, f"compressed by the HDF5 filters {sorted(filters)}")
    size = prod(dataset.shape) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if stored < size and DEFLATE not in filters:
        raise _refuse(path, name, f"claimed to have {size:,} bytes, and {stored:,} are stored")
    return max(size, prod(dataset.chunks or ()) * dataset.dtype.itemsize)


def _refuse(path: Path, name: str, what: str) -> WeightsError:
    return WeightsError(
        f"{path}: {name!r} is {what}, which is not how Keras writes weights. It was not read: use "
        "a file that Keras wrote."
    )
