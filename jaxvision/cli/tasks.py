"""The tasks that `jaxvision train` knows: what can be set for each, and who does it."""

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from jaxvision.classification import config as classification
from jaxvision.detection import config as detection
from jaxvision.names import lookup
from jaxvision.restoration import config as restoration
from jaxvision.segmentation import config as segmentation

# Any task's configuration: the settings of `jaxvision.runs.config`, and its own.
Config: TypeAlias = Any


class Task(NamedTuple):
    """One of them."""

    config: type
    groups: tuple[type, ...]  # that the configuration is made of, the most important first
    what: str  # that is trained, for the help
    package: str  # with the modules training, record, trained, report and pictures
    trainer: str  # the name of what trains in `training`
    names: dict[str, tuple[str, str]]  # of a setting: the module and constant of what it may be

    def module(self, name: str) -> ModuleType:
        """One of the package, imported now: JAX with it."""
        return import_module(f"{self.package}.{name}")

    def follow_pretrained(self, config: Config) -> Config:
        """The configuration with what the weights that it names decide."""
        if getattr(config, "pretrained", None) is None:
            return config
        return self.module("training").follow_pretrained(config)


OPTIMIZER = {"optimizer": ("jaxvision.runs.optimizer", "OPTIMIZERS")}
TASKS = {
    "classification": Task(
        classification.TrainConfig,
        classification.GROUPS,
        "an image classifier",
        "jaxvision.classification",
        "train",
        {"model": ("jaxvision.models", "MODELS")} | OPTIMIZER,
    ),
    "detection": Task(
        detection.DetectConfig,
        detection.GROUPS,
        "a detector of objects",
        "jaxvision.detection",
        "train_detector",
        {
            "model": ("jaxvision.detection.detectors", "DETECTORS"),
            "backbone": ("jaxvision.detection.detectors", "BACKBONES"),
        }
        | OPTIMIZER,
    ),
    "segmentation": Task(
        segmentation.SegmentConfig,
        segmentation.GROUPS,
        "a network that says of every pixel what it belongs to",
        "jaxvision.segmentation",
        "train_segmenter",
        {
            "model": ("jaxvision.segmentation.networks", "NETWORKS"),
            "backbone": ("jaxvision.models", "MODELS"),
            "loss": ("jaxvision.segmentation.losses", "LOSSES"),
        }
        | OPTIMIZER,
    ),
    "denoising": Task(
        restoration.DenoiseConfig,
        restoration.DENOISE_GROUPS,
        "a network that takes noise away",
        "jaxvision.restoration",
        "train_denoiser",
        {"model": ("jaxvision.restoration.problem", "DENOISERS")} | OPTIMIZER,
    ),
    "super_resolution": Task(
        restoration.SuperResolveConfig,
        restoration.SUPER_RESOLVE_GROUPS,
        "a network that makes pictures larger",
        "jaxvision.restoration",
        "train_super_resolver",
        {"model": ("jaxvision.restoration.problem", "SUPER_RESOLVERS")} | OPTIMIZER,
    ),
}
DEFAULT = "classification"


def task_of(arguments: Sequence[str]) -> str:
    """What `jaxvision train` shall train: as --task says, or the run that is gone on with.

    Raises:
        ValueError: if there is no such task.
    """
    said = dict.fromkeys(("--task", "--resume"), "")
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in said:
            said[name] = value if equals else following
    if said["--task"]:
        lookup("--task", said["--task"], TASKS)
        return said["--task"]
    return task_of_run(Path(said["--resume"])) if said["--resume"] else DEFAULT


def task_of_run(run: Path) -> str:
    """The task of the run in `run`; of what is no run, or a damaged one, the first: whoever reads
    it then says what is wrong."""
    try:
        task = json.loads((run / "config.json").read_text()).get("task", DEFAULT)
    except (OSError, ValueError, AttributeError):
        return DEFAULT
    return task if task in TASKS else DEFAULT
