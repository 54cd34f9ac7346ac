"""What a run says of itself in `config.json`: enough to use the network, and to repeat the run."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvision.classification.config import TrainConfig
from jaxvision.data.sources import Source
from jaxvision.data.splits import Splits
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.record import environment
from jaxvision.train import run as files

LOOKED_AT = 64  # images of each part, spread over it, whose pixels a changed data set is known by


def record_of(
    config: TrainConfig,
    splits: Splits,
    normalization: Normalization,
    options: Mapping[str, Any] | None = None,
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Configuration, data, normalisation, versions and device, as JSON; with the `options` of the
    network that come with pretrained weights, and the images that are left out."""
    values = dataclasses.asdict(config)
    del values["out"]  # a run is where it is, also after it was moved
    return {
        "config": {k: str(v) if isinstance(v, Path) else v for k, v in values.items()},
        "data": _describe(splits) | ({"left_out": list(left_out)} if left_out else {}),
        "normalization": normalization._asdict(),
        "options": dict(options or {}),
    } | environment()


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
        ValueError: if its `config.json` is damaged or of another version of jaxvision, or the run
            is of another task.
    """
    record = files.read_config(path)
    task = record.get("task") if isinstance(record, dict) else None
    if task is not None:
        raise ValueError(
            f"{path} is a run of {task}, and a classifier's is needed here: what evaluate "
            "and predict do with it is all that there is"
        )
    try:
        return config_of(record)
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
