"""Settings files, damaged: they are read, or refused in one line that names the file (case 34)."""

import json
from pathlib import Path

from jaxvision.classification.config import TrainConfig
from jaxvision.detection.config import DetectConfig
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.runs.config_file import read_settings
from jaxvision.segmentation.config import SegmentConfig

CONFIGS = (TrainConfig, DetectConfig, SegmentConfig, DenoiseConfig, SuperResolveConfig)
TOML = """# a comment, and a name: Ångström
learning_rate = 1e-3
epochs = 5
flip = true
data = "folder:pets"
schedule = "constant"
out = "runs/first"
"""
LISTS = """[config]
anchor_sizes = [8, 16.5, 32.0]
sigma = [5.0, 50.0]
seed = 4294967295
data_dir = '''here'''
"""
SETTINGS = {
    "learning_rate": 1e-3,
    "batch_size": 32,
    "patience": None,
    "flip": False,
    "anchor_ratios": [0.5, 1, 2],
    "average_decay": 0.999,
    "out": "runs/é",
}


def corpus() -> list[tuple[str, bytes]]:
    record = {"task": "classification", "config": SETTINGS, "versions": {"jax": "0.10.2"}}
    return [
        (".toml", TOML.encode()),
        (".toml", LISTS.encode()),
        (".json", json.dumps(SETTINGS, indent=2).encode()),
        (".json", json.dumps(record, ensure_ascii=False).encode()),
        (".json", b'{"epochs": 3, "nested": [[[[{"a": {"b": [NaN, -Infinity, 1e400]}}]]]]}'),
    ]


def check(suffix: str, data: bytes, folder: Path) -> None:
    """Raises if the file is neither read as settings nor refused as it ought to be."""
    path = folder / f"settings{suffix}"
    path.write_bytes(data)
    config = CONFIGS[len(data) % len(CONFIGS)]  # the same for the same file
    try:
        values = read_settings(path, config)
    except ValueError as error:
        message = str(error)
        assert str(path) in message, f"the message does not name the file: {message}"
        assert message.isprintable() and len(message) < 20_000, f"no line to print: {message!r}"
    else:
        config(**values)
