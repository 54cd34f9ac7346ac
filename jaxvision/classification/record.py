"""What a run says of itself in `config.json`: enough to use the network, and to repeat the run."""

import dataclasses
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvision.classification.config import TrainConfig
from jaxvision.data.splits import Splits
from jaxvision.ops.normalization import Normalization
from jaxvision.train import run as files


def record_of(config: TrainConfig, splits: Splits, normalization: Normalization) -> dict[str, Any]:
    """Configuration, data, normalisation, versions and device, as JSON."""
    values = dataclasses.asdict(config)
    packages = ("jaxvision", "jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "config": {k: str(v) if isinstance(v, Path) else v for k, v in values.items()},
        "data": _describe(splits),
        "normalization": normalization._asdict(),
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "device": {
            "kind": jax.devices()[0].device_kind,
            "count": jax.device_count(),
            "cpu_cores": os.cpu_count(),
        },
    }


def _describe(splits: Splits) -> dict[str, Any]:
    """What a run depends on in its data, and in what a changed data set would show."""
    labels = {name: np.asarray(part.labels, np.int32) for name, part in splits._asdict().items()}
    return {
        "classes": list(splits.train.classes),
        "image_shape": list(splits.train[0]["image"].shape),
        "examples": {name: len(part) for name, part in labels.items()},
        "labels_sha256": {
            name: hashlib.sha256(part.tobytes()).hexdigest() for name, part in labels.items()
        },
    }


def read_config(path: Path) -> TrainConfig:
    """The configuration of the run in `path`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if its `config.json` is damaged or of another version of jaxvision.
    """
    record = files.read_config(path)
    try:
        values = dict(record["config"])
        for name in ("out", "data_dir"):
            values[name] = None if values[name] is None else Path(values[name])
        return TrainConfig(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path / files.CONFIG} cannot be understood ({error}): it is damaged, or of another "
            "version of jaxvision. Train anew."
        ) from error


def check_same_data(then: dict[str, Any], splits: Splits) -> None:
    """Compares the data that a run was recorded with to those that are there now.

    Raises:
        ValueError: if they differ; names what and how.
    """
    now = _describe(splits)
    changed = [f"{key} was {then[key]} and is {now[key]}" for key in then if then[key] != now[key]]
    if changed:
        raise ValueError(
            "the data are no longer those that the run began with: "
            f"{'; '.join(changed)}. Restore them, or train anew."
        )
