"""What a segmentation's run says of itself in `config.json`: enough to use it, and to repeat it."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvision.data.masks import MaskedSource
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.record import environment
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.material import Material
from jaxvision.train import run as files

TASK = "segmentation"
LOOKED_AT = 16  # images of each part, spread over it, that a changed data set is known by


def record_of(
    config: SegmentConfig,
    material: Material,
    normalization: Normalization,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Configuration, data, normalisation, versions and device, as JSON; with the `options` of the
    backbone that come with pretrained weights."""
    values = dataclasses.asdict(config)
    del values["out"]  # a run is where it is, also after it was moved
    return {
        "task": TASK,
        "config": values,
        "data": _describe(material),
        "normalization": normalization._asdict(),
        "options": dict(options),
    } | environment()


def read_config(path: Path) -> SegmentConfig:
    """The configuration of the run in `path`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if its `config.json` is damaged, of another task, or of another version.
    """
    record = files.read_config(path)
    try:
        if record["task"] != TASK:
            raise KeyError(record["task"])
        return SegmentConfig(**record["config"])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path / files.CONFIG} cannot be understood ({error}): it is damaged, of a run that "
            "is no segmentation's, or of another version of jaxvision. Train anew."
        ) from error


def _describe(material: Material) -> dict[str, Any]:
    """What a run depends on in its data, and in what a changed data set would show."""
    parts = {name: part for name, part in material.parts._asdict().items() if part is not None}
    described: dict[str, Any] = {
        "classes": list(material.parts.train.classes),
        "image_shape": list(material.image_shape),
        "examples": {name: len(part) for name, part in parts.items()},
        "pixels_sha256": {name: _hash(part) for name, part in parts.items()},
    }
    if isinstance(material.train.data, dict):  # all masks are at hand, and none changes unseen
        fed = {"train": material.train, "validation": material.validation}
        described["masks_sha256"] = {
            name: hashlib.sha256(jax.device_get(feed.data["segmentation"]).tobytes()).hexdigest()
            for name, feed in fed.items()
            if isinstance(feed.data, dict)
        }
    return described


def _hash(part: MaskedSource) -> str:
    rows = np.unique(np.linspace(0, len(part) - 1, LOOKED_AT).astype(int))
    digest = hashlib.sha256()
    for row in rows:
        item = part[int(row)]
        digest.update(item["image"].tobytes() + item["segmentation"].tobytes())
    return digest.hexdigest()
