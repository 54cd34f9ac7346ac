"""What a sweep works with: the images to compare candidates on, in folds, and the plan."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvision.classification import setup
from jaxvision.classification.axes import with_traced
from jaxvision.classification.config import Augmentation, TrainConfig
from jaxvision.classification.encoding import features_of_images, find_body, sight_of
from jaxvision.classification.job import make_job
from jaxvision.classification.pretraining import load_pretraining
from jaxvision.classification.sweep_config import Sweep
from jaxvision.data.batches import RESIDENT_BYTES, load_resident
from jaxvision.data.duplicates import check_disjoint, without_copies
from jaxvision.data.folds import Folds, repeated_subsamples, stratified_folds
from jaxvision.data.sources import ArraySource, Source
from jaxvision.data.splits import Splits
from jaxvision.models import make_model
from jaxvision.ops.normalization import Normalization, normalization_of
from jaxvision.selection.hyperparameters import Hyperparameters
from jaxvision.selection.plan import Plan
from jaxvision.selection.spaces import Candidate
from jaxvision.train.job import Job
from jaxvision.train.state import Variables


class Material(NamedTuple):
    """What a sweep works with."""

    splits: Splits
    plan: Plan
    normalization: Normalization
    options: dict[str, Any]  # attributes of a network that has learned before
    load: Callable[[Source], dict[str, np.ndarray]]  # the images of a part, or their features
    frozen: Variables  # what belongs to every network of the sweep and is not in its trainings


def read_material(
    config: TrainConfig, axes: Collection[str], asked: Sweep, note: Callable[[str], None]
) -> Material:
    """Reads the data, and makes folds of all that is not for testing.

    A body that is frozen in all trainings is applied to each image once.

    Images that are there twice are left out of the folds; `note` is told.

    Args:
        config: what all candidates have in common.
        axes: in what they differ.
        asked: how they are compared.
        note: is told what is left out.

    Raises:
        ValueError: if the data are not usable, an image is in two parts, or there are more folds
            than examples of a class.
    """
    pretraining = load_pretraining(config) if config.pretrained is not None else None
    splits = setup.open_splits(config, note)
    _check_size(splits)
    if not config.allow_copies:
        check_disjoint(splits._asdict())
    parts = [load_resident(part) for part in (splits.train, splits.validation)]
    data = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    folds = _folds(asked, config, data, len(parts[0]["label"]), splits.train.classes, note)
    normalization = pretraining and pretraining.normalization
    if normalization is None:
        rows = np.unique(folds.train)
        images = data["image"][rows[rows >= 0]]
        normalization = normalization_of(images[i : i + 1000] for i in range(0, len(images), 1000))
    load, sight, frozen = load_resident, None, {"params": {}, "batch_stats": {}}
    options = pretraining.options if pretraining else {}
    if _is_body_the_same(axes) and (
        body := find_body(config, pretraining, splits, jax.device_count())
    ):
        load = partial(features_of_images, body, normalization=normalization, flip=False)
        parts = [load(part, flip=config.flip) for part in (splits.train, splits.validation)]
        data = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        sight, frozen, pretraining = sight_of(body), body.variables, None
    classes, shape = len(splits.train.classes), data["image"].shape[1:]
    seen = shape if sight is None else shape[-1:]

    def make_run(hyperparameters: Hyperparameters, steps: int) -> Job:
        candidate = with_traced(config, hyperparameters)
        return make_job(
            candidate, classes, seen, steps, normalization, pretraining=pretraining, sight=sight
        )

    plan = Plan(
        make_run,
        data,
        folds,
        epochs=config.epochs,
        batch_size=config.batch_size,
        patience=config.patience,
        max_skipped=config.max_skipped,
    )
    return Material(splits, plan, normalization, options, load, frozen)


def _is_body_the_same(axes: Collection[str]) -> bool:
    """Whether a frozen body shows the same to all candidates."""
    changing = {field.name for field in dataclasses.fields(Augmentation)}
    return not set(axes) & (changing | {"model", "dtype", "test_flip"})


def _check_size(splits: Splits) -> None:
    size = sum(len(part) * part[0]["image"].size for part in splits)
    if size > RESIDENT_BYTES:
        raise ValueError(
            f"a sweep keeps all images on the device, and these take {size / 1e9:.1f} GB, more "
            f"than {RESIDENT_BYTES / 1e9:.0f}: choose a smaller --image-size, or train the "
            "candidates one by one with `jaxvision train`"
        )


def _folds(
    asked: Sweep,
    config: TrainConfig,
    data: dict[str, np.ndarray],
    train: int,
    classes: tuple[str, ...],
    note: Callable[[str], None],
) -> Folds:
    if asked.folds == 1 and not asked.repeats:
        rows = np.arange(len(data["label"]), dtype=np.int32)
        return Folds(rows[None, :train], rows[None, train:])
    once = without_copies(ArraySource(data["image"], data["label"], classes)).rows
    if len(once) < len(data["label"]):
        note(f"left out: {len(data['label']) - len(once)} images that are there twice")
    if asked.repeats:
        return repeated_subsamples(
            data["label"], asked.repeats, config.validation_fraction, config.split_seed, rows=once
        )
    return stratified_folds(data["label"], asked.folds, config.split_seed, rows=once)


def with_image_size(config: TrainConfig, candidates: Sequence[Candidate]) -> TrainConfig:
    """All candidates see the same images: of the size that their networks were made for.

    Raises:
        ValueError: if they were made for different ones, or one has learned before and they are
            others.
    """
    if config.pretrained is not None and "model" in candidates[0]:
        raise ValueError(
            f"`model` cannot be an axis beside `pretrained`, which is of {config.model}: leave one "
            "of them out"
        )
    models = list(dict.fromkeys(candidate.get("model", config.model) for candidate in candidates))
    sizes = {make_model(model, num_classes=None).image_size for model in models} - {None}
    if config.image_size is None and len(sizes) > 1:
        raise ValueError(
            f"the models {', '.join(models)} were made for images of different sizes "
            f"({', '.join(map(str, sorted(sizes)))} pixels a side): choose one by --image-size"
        )
    size = config.image_size or next(iter(sizes), None)
    return dataclasses.replace(config, model=models[0], image_size=size)
