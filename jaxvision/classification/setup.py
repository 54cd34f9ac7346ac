"""From a configuration to the data: splits, feeds and normalisation. `job.py` has what learns."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.job import make_network
from jaxvision.data.batches import Feed, load_resident, open_feed
from jaxvision.data.sources import Source, open_data
from jaxvision.data.splits import Splits, complete_splits
from jaxvision.data.views import Fitted, Subset
from jaxvision.models import MODELS, make_model
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization, normalization_of
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.train.tensorboard import check_installed

EVAL_BATCH = 256
STATISTICS_SAMPLE = 5_000  # images of a streamed set that the normalisation is computed from


class Feeds(NamedTuple):
    train: Feed
    validation: Feed
    test: Feed


def check_names(config: TrainConfig) -> None:
    """Refuses what can be refused before any data are read.

    Raises:
        ValueError: if the model or the optimizer is unknown, the network does not compute in this
            way, a batch cannot be gone through in so many parts, or a package is missing.
    """
    lookup("model", config.model, MODELS)
    lookup("optimizer", config.optimizer, OPTIMIZERS)
    make_network(config, num_classes=None)
    if config.tensorboard:
        check_installed()
    if config.batch_size % config.accumulate:
        raise ValueError(
            f"`accumulate` must divide the batch size, {config.batch_size}, got {config.accumulate}"
        )


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
