"""What a detector's run says of itself in `config.json`: enough to use it, and to repeat it."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvision.data.objects import AnnotatedSource
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.material import Parts
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.record import environment
from jaxvision.train import run as files

TASK = "detection"
LOOKED_AT = 16  # images of each part, spread over it, whose pixels a changed data set is known by


def record_of(
    config: DetectConfig,
    canvases: Parts,
    normalization: Normalization,
    anchors: tuple[tuple[float, ...], tuple[float, ...]],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Configuration, data, normalisation, versions and device, as JSON; with the anchors, and the
    `options` of the backbone that come with pretrained weights."""
    values = dataclasses.asdict(config)
    del values["out"]  # a run is where it is, also after it was moved
    return {
        "task": TASK,
        "config": {name: _as_json(value) for name, value in values.items()},
        "data": _describe(canvases),
        "normalization": normalization._asdict(),
        "anchors": dict(zip(("sizes", "ratios"), anchors, strict=True)),
        "options": dict(options),
    } | environment()


def read_config(path: Path) -> DetectConfig:
    """The configuration of the run in `path`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if its `config.json` is damaged, of another task, or of another version.
    """
    record = files.read_config(path)
    try:
        values = dict(record["config"])
        if values["data_dir"] is not None:
            values["data_dir"] = Path(values["data_dir"])
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return DetectConfig(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path / files.CONFIG} cannot be understood ({error}): it is damaged, of a run that "
            "is no detector's, or of another version of jaxvision. Train anew."
        ) from error


def _as_json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _describe(canvases: Parts) -> dict[str, Any]:
    """What a run depends on in its data, and in what a changed data set would show."""
    parts = {name: part for name, part in canvases._asdict().items() if part is not None}
    return {
        "classes": list(canvases.train.classes),
        "image_shape": list(canvases.train[0]["image"].shape),
        "examples": {name: len(part) for name, part in parts.items()},
        "objects_sha256": {name: _hash_objects(part) for name, part in parts.items()},
        "pixels_sha256": {name: _hash_pixels(part) for name, part in parts.items()},
    }


def _hash_objects(part: AnnotatedSource) -> str:
    digest = hashlib.sha256()
    for i in range(len(part)):
        objects = part.objects(i)
        digest.update(objects.boxes.tobytes() + objects.labels.tobytes())
    return digest.hexdigest()


def _hash_pixels(part: AnnotatedSource) -> str:
    rows = np.unique(np.linspace(0, len(part) - 1, LOOKED_AT).astype(int))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(part[int(row)]["image"].tobytes())
    return digest.hexdigest()
