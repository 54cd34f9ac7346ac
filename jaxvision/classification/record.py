"""What a run says of itself in `config.json`: enough to use the network, and to repeat the run."""

import dataclasses
import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvision.classification.config import FREE, TrainConfig
from jaxvision.data.sources import Source
from jaxvision.data.splits import Splits
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.train import run as files

LOOKED_AT = 64  # images of each part, spread over it, whose pixels a changed data set is known by


def record_of(
    config: TrainConfig,
    splits: Splits,
    normalization: Normalization,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Configuration, data, normalisation, versions and device, as JSON; with the `options` of the
    network that come with pretrained weights."""
    values = dataclasses.asdict(config)
    del values["out"]  # a run is where it is, also after it was moved
    packages = ("jaxvision", "jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "config": {k: str(v) if isinstance(v, Path) else v for k, v in values.items()},
        "data": _describe(splits),
        "normalization": normalization._asdict(),
        "options": dict(options or {}),
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "device": {
            "kind": jax.devices()[0].device_kind,
            "count": jax.device_count(),
            "processes": jax.process_count(),
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
        "pixels_sha256": {name: _hash_pixels(part) for name, part in splits._asdict().items()},
    }


def _hash_pixels(source: Source) -> str:
    rows = np.unique(np.linspace(0, len(source) - 1, LOOKED_AT).astype(int))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(source[int(row)]["image"].tobytes())
    return digest.hexdigest()


def read_config(path: Path) -> TrainConfig:
    """The configuration of the run in `path`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if its `config.json` is damaged or of another version of jaxvision.
    """
    try:
        return config_of(files.read_config(path))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path / files.CONFIG} cannot be understood ({error}): it is damaged, or of another "
            "version of jaxvision. Train anew."
        ) from error


def config_of(record: dict[str, Any]) -> TrainConfig:
    """The configuration in a record.

    Raises:
        KeyError, TypeError: if there is none, or one of other fields.
    """
    values = dict(record["config"])
    if values["data_dir"] is not None:
        values["data_dir"] = Path(values["data_dir"])
    return TrainConfig(**values)


def options_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the network in a record."""
    options = record.get("options", {})
    return {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}


def check_same(
    then: dict[str, Any], now: dict[str, Any], allowed: Sequence[str]
) -> tuple[bool, list[str]]:
    """Compares what a run was recorded with (`record_of`) to what it would go on with.

    Args:
        then: of the run.
        now: of this process.
        allowed: fields of the configuration that may differ, and "data".

    Returns:
        (whether anything that matters differs, what is to be said about it).

    Raises:
        ValueError: if anything differs that is not allowed to: names each, old and new.
    """
    fields = sorted(then["config"].keys() | now["config"].keys())
    for name in allowed:
        lookup("allow_changed", name, dict.fromkeys(fields))
    changed = {
        name: f"{name} was {then['config'].get(name)} and is {now['config'].get(name)}"
        for name in fields
        if name not in FREE and then["config"].get(name) != now["config"].get(name)
    }
    data = [
        f"{key} was {_short(then['data'].get(key))} and is {_short(value)}"
        for key, value in now["data"].items()
        if then["data"].get(key) != value
    ]
    if data:
        changed.setdefault("data", f"the data are no longer the same: {'; '.join(data)}")
    refused = [name for name in changed if name not in allowed]
    if refused:
        raise ValueError(
            f"the run began with other settings or data: "
            f"{'; '.join(changed[name] for name in refused)}. Give it what it had, or say "
            f"--allow-changed {' '.join(refused)}, or begin a new run"
        )
    notes = [f"changed, as allowed: {text}" for text in changed.values()]
    for what in ("versions", "device"):
        if then[what] != now[what]:
            notes.append(
                f"the bits may differ from an uninterrupted run's: the {what} were "
                f"{_differences(then[what], now[what])}"
            )
    return bool(changed), notes


def _differences(then: dict[str, Any], now: dict[str, Any]) -> str:
    keys = [key for key in now if then.get(key) != now[key]]
    return ", ".join(f"{key} {then.get(key)} and are {now[key]}" for key in keys)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
