"""TensorFlow.js: a model.json, and binary shards beside it.

"weightsManifest" is a list of groups, {"paths": [...], "weights": [{"name", "shape", "dtype"}]}.
The shards of a group, end to end, are its weights in order, little-endian and without gaps
(https://www.tensorflow.org/js/guide/save_load; tfjs-core's io/types.ts).
"""

import json
from itertools import accumulate
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from jaxvision.pretrained.claims import WeightsError, check_number

MAX_JSON = 8 * 2**20  # bytes; ResNet-50's has 109,312
MAX_RANK = 32
DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "u1", "bool": "?"}


def read_tensorflowjs(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Reads the weights that a model.json names, from shards that lie beside it.

    Raises:
        FileNotFoundError: if a shard does not exist.
        WeightsError: as `read_tensors`.
    """
    groups = _manifest(path)
    names = [weight["name"] for group in groups for weight in group["weights"]]
    files = [PurePosixPath(name) for group in groups for name in group["paths"]]
    check_number(path, len(names))
    if len(set(files)) < len(files) or len(set(names)) < len(names):
        raise WeightsError(f"{path}: names a shard or a weight twice. Convert the model again.")
    shards = [[_shard(path, name) for name in group["paths"]] for group in groups]
    stored = sum(shard.stat().st_size for group in shards for shard in group)
    if stored > limit:
        raise WeightsError(
            f"{path}: its shards have {stored:,} bytes, and `limit` allows {limit:,}. Raise "
            "`limit` if you trust them."
        )
    tensors = {}
    for group, files in zip(groups, shards, strict=True):
        tensors |= _read_group(path, group["weights"], files)
    return tensors


def _read_group(
    path: Path, weights: list[dict[str, Any]], files: list[Path]
) -> dict[str, np.ndarray]:
    ends = list(accumulate((_size(path, weight) for weight in weights), initial=0))
    stored = sum(file.stat().st_size for file in files)
    if ends[-1] != stored:
        raise WeightsError(
            f"{path}: claims {ends[-1]:,} bytes of weights in {len(files)} shards, which have "
            f"{stored:,}. Fetch all files of the model again."
        )
    content = memoryview(b"".join(file.read_bytes() for file in files))
    return {
        weight["name"]: np.frombuffer(content[start:end], DTYPES[weight["dtype"]]).reshape(
            weight["shape"]
        )
        for weight, start, end in zip(weights, ends[:-1], ends[1:], strict=True)
    }


def _manifest(path: Path) -> list[dict[str, Any]]:
    """The groups, whose fields have the types that they should."""
    if path.stat().st_size > MAX_JSON:
        raise WeightsError(
            f"{path}: is larger than {MAX_JSON:,} bytes, so it is not the model.json of a network. "
            "Give that file, which lies beside the shards."
        )
    try:
        groups = json.loads(path.read_bytes())["weightsManifest"]
        sound = all(isinstance(shard, str) for group in groups for shard in group["paths"]) and all(
            isinstance(weight["name"], str)
            and isinstance(weight["dtype"], str)
            and len(weight["shape"]) <= MAX_RANK
            and all(type(side) is int and side >= 0 for side in weight["shape"])
            for group in groups
            for weight in group["weights"]
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise WeightsError(
            f"{path}: is damaged, or not the model.json of TensorFlow.js: it has no sound "
            '"weightsManifest". Fetch it again, or give that file.'
        )
    return groups


def _shard(path: Path, name: str) -> Path:
    """The path of a shard, which must exist, and in the folder of `path`."""
    shard = path.parent / name
    try:
        is_inside = shard.resolve().is_relative_to(path.parent.resolve())
        is_there = shard.is_file()
    except (OSError, ValueError):  # the name is too long, or has a zero
        is_inside = False
    if not is_inside or ".." in Path(name).parts:
        raise WeightsError(
            f"{path}: names the shard {name[:100]!r}, which is not in the folder of model.json, "
            "and was not read. Put the shards there, and not links to them."
        )
    if not is_there:
        raise FileNotFoundError(
            f"{path}: the shard {name!r} is not beside it. Fetch all files of the model."
        )
    return shard


def _size(path: Path, weight: dict[str, Any]) -> int:
    if "quantization" in weight:
        raise WeightsError(
            f"{path}: {weight['name']!r} is quantized ({weight['quantization']!r}), which loses "
            "digits and is not read. Convert the model again without quantization."
        )
    if weight["dtype"] not in DTYPES:
        raise WeightsError(
            f"{path}: {weight['name']!r} is {weight['dtype']}, and this reads {', '.join(DTYPES)}. "
            "Convert it to float32."
        )
    return prod(weight["shape"]) * np.dtype(DTYPES[weight["dtype"]]).itemsize
