"""`train` and `sweep` with their options, as tyro reads them off the functions' signatures.

All but the most important options are in a `group`, which is shown or not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxvision.classification import config as options
from jaxvision.classification.sweep_config import Sweep
from jaxvision.cli.training import detect_or_resume, sweep_or_resume, train_or_resume
from jaxvision.detection import config as detection


def classifier_trainer(group: Any, given: frozenset[str]) -> Callable[..., None]:
    """`train` for classifiers; `given` are the options on the command line."""

    def train_classifier(
        main: Annotated[options.Main, tyro.conf.arg(name="")],
        reading: Annotated[options.Data, group],
        transfer: Annotated[options.Transfer, group],
        augmentation: Annotated[options.Augmentation, group],
        training: Annotated[options.Training, group],
        compute: Annotated[options.Compute, group],
        record: Annotated[options.Record, group],
        task: str = "classification",
        config: Path | None = None,
        resume: str = "never",
        allow_changed: tuple[str, ...] = (),
    ) -> None:
        """Train an image classifier, test it, and keep everything in a run's directory.

        --help-all shows the other options: data, transfer, augmentation, training, compute, record.
        `--task detection --help` shows those of detectors.

        Args:
            task: classification, or detection: images with boxes.
            config: Settings from a file, JSON or TOML, by the options' names; options win.
            resume: RUN: go on with the run in this directory, by its own configuration. Or what to
                do if --out holds a run: never or must go on with it, or auto: if there is one.
            allow_changed: Settings in which the run may differ from what it began with.
        """
        groups = (main, reading, transfer, augmentation, training, compute, record)
        values = {name: value for group in groups for name, value in vars(group).items()}
        train_or_resume(options.TrainConfig(**values), given, config, resume, allow_changed)

    return train_classifier


def detector_trainer(group: Any, given: frozenset[str]) -> Callable[..., None]:
    """`train` for detectors; `given` likewise."""

    def train_detector(
        main: Annotated[detection.Main, tyro.conf.arg(name="")],
        reading: Annotated[detection.Data, group],
        detector: Annotated[detection.Detector, group],
        augmentation: Annotated[detection.Augmentation, group],
        training: Annotated[detection.Training, group],
        compute: Annotated[detection.Compute, group],
        record: Annotated[detection.Record, group],
        task: str = "detection",
        config: Path | None = None,
        resume: str = "never",
        allow_changed: tuple[str, ...] = (),
    ) -> None:
        """Train a detector of objects, test it, and keep everything in a run's directory.

        --help-all shows the other options: data, detector, augmentation, training, compute, record.

        Args:
            task: detection; without it, classification.
            config: Settings from a file, JSON or TOML, by the options' names; options win.
            resume: RUN: go on with the run in this directory, by its own configuration. Or what to
                do if --out holds a run: never or must go on with it, or auto: if there is one.
            allow_changed: Settings in which the run may differ from what it began with.
        """
        groups = (main, reading, detector, augmentation, training, compute, record)
        values = {name: value for group in groups for name, value in vars(group).items()}
        detect_or_resume(detection.DetectConfig(**values), given, config, resume, allow_changed)

    return train_detector


def sweeper(group: Any, given: frozenset[str]) -> Callable[..., None]:
    """`sweep`; `given` likewise."""

    def sweep(
        search: Annotated[Sweep, tyro.conf.arg(name="")],
        main: Annotated[options.Main, tyro.conf.arg(name="")],
        reading: Annotated[options.Data, group],
        transfer: Annotated[options.Transfer, group],
        augmentation: Annotated[options.Augmentation, group],
        training: Annotated[options.Training, group],
        compute: Annotated[options.Compute, group],
        record: Annotated[options.Record, group],
        config: Path | None = None,
        resume: Path | None = None,
    ) -> None:
        """Train an image classifier with many settings at once, choose the best, and test it.

        --help-all shows the other options: data, transfer, augmentation, training, compute, record.

        Args:
            config: Settings from a file, JSON or TOML, by the options' names; options win.
            resume: Go on with the sweep in this directory, as it began; other options are refused.
        """
        groups = (main, reading, transfer, augmentation, training, compute, record)
        values = {name: value for group in groups for name, value in vars(group).items()}
        sweep_or_resume(search, options.TrainConfig(**values), given, config, resume)

    return sweep
