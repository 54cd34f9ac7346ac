"""What a restorer's run says of itself in `config.json`: enough to use it, and to repeat it."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from jaxvision.data.pictures import PictureSource
from jaxvision.ops.normalization import Normalization
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.restoration.material import Parts
from jaxvision.runs.record import environment
from jaxvision.train import run as files

TASKS = {"denoising": DenoiseConfig, "super_resolution": SuperResolveConfig}
LOOKED_AT = 16  # pictures of each part, spread over it, whose pixels a changed data set is known by


def record_of(
    task: str,
    config: DenoiseConfig | SuperResolveConfig,
    parts: Parts,
    normalization: Normalization,
) -> dict[str, Any]:
    """Configuration, data, normalisation, versions and device, as JSON."""
    values = dataclasses.asdict(config)
    del values["out"]  # a run is where it is, also after it was moved
    return {
        "task": task,
        "config": {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
        "data": _describe(parts),
        "normalization": normalization._asdict(),
    } | environment()


def read_config(path: Path) -> DenoiseConfig | SuperResolveConfig:
    """The configuration of the run in `path`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if its `config.json` is damaged, of another task, or of another version.
    """
    record = files.read_config(path)
    try:
        values = dict(record["config"])
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return TASKS[record["task"]](**values)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path / files.CONFIG} cannot be understood ({error}): it is damaged, of a run that "
            "is neither a denoiser's nor a super-resolver's, or of another version of jaxvision. "
            "Train anew."
        ) from error


def _describe(parts: Parts) -> dict[str, Any]:
    """What a run depends on in its data, and in what a changed data set would show."""
    there = {name: part for name, part in parts._asdict().items() if part is not None}
    return {
        "channels": parts.train.channels,
        "pictures": {name: len(part) for name, part in there.items()},
        "pixels_sha256": {name: _hash_pixels(part) for name, part in there.items()},
    }


def _hash_pixels(part: PictureSource) -> str:
    rows = np.unique(np.linspace(0, len(part) - 1, LOOKED_AT).astype(int))
    digest = hashlib.sha256()
    for row in rows:
        image = part[int(row)]["image"]
        digest.update(str(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
