"""From a configuration to what the loop takes: data, feeds, network, optimizer and steps."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxvision import augment, optim
from jaxvision.classification.config import TrainConfig
from jaxvision.data.batches import Feed, load_resident, open_feed
from jaxvision.data.sources import Source, open_data
from jaxvision.data.splits import Splits, complete_splits
from jaxvision.data.views import Fitted, Subset
from jaxvision.models import MODELS, Network, make_model
from jaxvision.names import lookup
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.normalization import Normalization, normalization_of
from jaxvision.train.mesh import gather_on, make_mesh, parse_mesh, shardings_on
from jaxvision.train.state import TrainState, init_state
from jaxvision.train.step import (
    Augment,
    accuracy,
    cross_entropy,
    make_eval_step,
    make_train_step,
    mirrored,
)
from jaxvision.train.tensorboard import check_installed

OPTIMIZERS = {
    "adadelta": optim.adadelta,
    "adagrad": optim.adagrad,
    "adam": optim.adam,
    "adam_uncorrected": optim.adam_uncorrected,
    "adamax": optim.adamax,
    "adamw": optim.adamw,
    "centered_rmsprop": optim.centered_rmsprop,
    "ema_momentum": optim.ema_momentum,
    "heavy_ball": optim.heavy_ball,
    "momentum": optim.momentum,
    "nadam": optim.nadam,
    "nesterov": optim.nesterov,
    "rmsprop": optim.rmsprop,
    "sgd": optim.sgd,
}
EVAL_BATCH = 256
STATISTICS_SAMPLE = 5_000  # images of a streamed set that the normalisation is computed from


class Feeds(NamedTuple):
    train: Feed
    validation: Feed
    test: Feed


class Job(NamedTuple):
    """What is trained, by what steps."""

    init: Callable[[], TrainState]
    train_step: Callable
    eval_step: Callable


def check_names(config: TrainConfig) -> None:
    """Refuses what can be refused before any data are read.

    Raises:
        ValueError: if the model or the optimizer is unknown, the network does not compute in this
            way, the mesh is not of these devices, or a package is missing.
    """
    lookup("model", config.model, MODELS)
    lookup("optimizer", config.optimizer, OPTIMIZERS)
    make_network(config, num_classes=None)
    if config.tensorboard:
        check_installed()
    mesh = mesh_of(config)
    if mesh is not None and config.batch_size % (mesh.size * config.accumulate):
        raise ValueError(
            f"`batch_size` must be a multiple of the {mesh.size} devices times the "
            f"{config.accumulate} part(s) that each batch is gone through in, got "
            f"{config.batch_size}"
        )
    if config.batch_size % config.accumulate:
        raise ValueError(
            f"`accumulate` must divide the batch size, {config.batch_size}, got {config.accumulate}"
        )


def mesh_of(config: TrainConfig) -> Mesh | None:
    """The mesh that the configuration names, or one of all devices; None for one device."""
    if config.mesh is not None:
        return make_mesh(parse_mesh(config.mesh))
    return make_mesh({"data": jax.device_count()}) if jax.device_count() > 1 else None


def open_splits(config: TrainConfig, note: Callable[[str], None] | None = None) -> Splits:
    """The three parts of the data, with images of the size that the model wants.

    What a folder holds beside images is left out; `note` is told.
    """
    dataset = open_data(config.data, channels=config.channels, data_dir=config.data_dir)
    ignored = [file for part in dataset.values() for file in getattr(part, "ignored", ())]
    if ignored and note is not None:
        note(f"left out: {len(ignored)} files that are no images, as {ignored[0]}")
    splits = complete_splits(
        dataset,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )
    size = config.image_size or make_model(config.model, num_classes=None).image_size
    height, width = splits.train[0]["image"].shape[:2] if size is None else (size, size)
    return Splits(*(Fitted(source, height, width) for source in splits))


def open_feeds(config: TrainConfig, splits: Splits, mesh: Mesh | None) -> Feeds:
    """Where the batches of each part come from."""

    def feed(source: Source, batch_size: int, seed: int | None) -> Feed:
        return open_feed(
            source, batch_size, seed=seed, kind=config.feed, mesh=mesh, workers=config.workers
        )

    return Feeds(
        feed(splits.train, config.batch_size, config.seed),
        *(feed(part, eval_batch(part, mesh), None) for part in (splits.validation, splits.test)),
    )


def eval_batch(source: Source, mesh: Mesh | None = None) -> int:
    """The largest batch up to `EVAL_BATCH` that there are examples and devices for.

    Raises:
        ValueError: if there are fewer examples than devices.
    """
    devices = 1 if mesh is None else mesh.size
    size = min(max(EVAL_BATCH, devices), len(source)) // devices * devices
    if size == 0:
        raise ValueError(
            f"{devices} devices cannot share {len(source)} images to evaluate on: hold more out, "
            "or use fewer devices."
        )
    return size


def normalization_for(feed: Feed, source: Source) -> Normalization:
    """Of all training images, or of a sample of those that are streamed."""
    if not isinstance(feed.data, dict):
        rows = np.random.default_rng(0).permutation(len(source))[:STATISTICS_SAMPLE]
        parts = np.split(rows, range(100, len(rows), 100))
        return normalization_of(load_resident(Subset(source, part))["image"] for part in parts)
    images = jax.device_get(feed.data["image"])
    return normalization_of(images[i : i + 1000] for i in range(0, len(images), 1000))


def make_network(config: TrainConfig, num_classes: int | None) -> Network:
    """The network, that computes as the configuration says.

    Raises:
        ValueError: if the network has no bfloat16 or no remat.
    """
    options = {}
    if config.dtype != "float32":
        options["dtype"] = jnp.dtype(config.dtype)
    if config.remat:
        options["remat"] = True
    fields = {field.name for field in dataclasses.fields(make_model(config.model, num_classes))}
    for option in options:
        if option not in fields:
            raise ValueError(
                f"`{option}` cannot be chosen for {config.model}: leave it out, or take another "
                "network"
            )
    return make_model(config.model, num_classes, **options)


def make_job(
    config: TrainConfig,
    splits: Splits,
    feed: Feed,
    normalization: Normalization,
    mesh: Mesh | None,
) -> Job:
    """The steps, and how the state begins."""
    classes = len(splits.train.classes)
    image_shape = splits.train[0]["image"].shape

    def smoothed(logits, batch):
        return categorical_cross_entropy(
            logits, batch["label"], batch["mask"], config.label_smoothing
        )

    def metrics(logits, batch):
        # The loss that is shown has no smoothing: it compares with that of validation and test.
        return {"loss": cross_entropy(logits, batch), **accuracy(logits, batch)}

    model = make_network(config, classes)
    optimizer = OPTIMIZERS[config.optimizer](_learning_rate(config, feed))
    if config.weight_decay:
        optimizer = optax.chain(optim.l2(config.weight_decay), optimizer)
    averaged = {} if config.average_decay is None else {"average_decay": config.average_decay}
    whole = {} if mesh is None else {"gather": gather_on(mesh)}
    train_step = make_train_step(
        model,
        optimizer,
        smoothed,
        metrics,
        normalization,
        augment=augmentation(config, classes, image_shape[2]),
        accumulate=config.accumulate,
        **averaged,
        **whole,
    )
    views = (mirrored,) if config.test_flip else ()
    eval_step = make_eval_step(model, normalize=normalization, views=views)

    def init() -> TrainState:
        return init_state(
            model,
            optimizer,
            jnp.zeros((1, *image_shape)),
            jax.random.key(config.seed),
            average=bool(averaged),
            shardings=None if mesh is None else shardings_on(mesh),
        )

    return Job(init, train_step, eval_step)


def augmentation(config: TrainConfig, classes: int, channels: int) -> Augment | None:
    """What the configuration asks for, in the order of its fields; None for nothing."""
    single, mixing = [], []
    if config.flip:
        single.append(augment.horizontal_flip())
    if config.crop_padding:
        single.append(augment.pad_and_crop(config.crop_padding, "reflect"))
    if config.shift or config.zoom or config.rotation or config.shear:
        affine = (config.shift, config.zoom, config.rotation, config.shear)
        single.append(augment.random_affine(*affine))
    if config.color:
        saturation = config.color if channels == 3 else 0.0
        single.append(augment.color_jitter(config.color, config.color, saturation))
    if config.erase:
        single.append(augment.random_erasing(config.erase))
    if config.mixup:
        mixing.append(augment.mixup(config.mixup, classes))
    if config.cutmix:
        mixing.append(augment.cutmix(config.cutmix, classes))
    if not single and not mixing:
        return None
    alone = [augment.per_example(augment.compose(*single))] if single else []
    return augment.compose(*alone, *mixing)


def _learning_rate(config: TrainConfig, feed: Feed) -> optim.ScalarOrSchedule:
    if config.schedule == "constant":
        return config.learning_rate
    return optim.schedules.cosine(config.learning_rate, config.epochs * feed.steps)
