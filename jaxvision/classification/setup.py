"""From a configuration to the data: splits, feeds and normalisation. `job.py` has what learns."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.job import make_network
from jaxvision.data.bad_images import without_bad
from jaxvision.data.batches import RESIDENT_BYTES, Feed, load_resident, open_feed
from jaxvision.data.duplicates import check_disjoint
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
    """The batches of each part."""

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


class Opened(NamedTuple):
    """A data set as it comes."""

    parts: dict[str, Source]
    left_out: tuple[str, ...]  # the images that cannot be read


def open_dataset(config: TrainConfig, note: Callable[[str], None] | None = None) -> Opened:
    """The parts of the data, with images as they are.

    What a folder holds beside images is left out, and so are, if `on_bad_image` is "skip", images
    that cannot be read; `note` is told.

    Raises:
        ImageError: if more images are bad than `max_bad` allows.
        ValueError: if the data are unknown, or not as their kind must be.
        FileNotFoundError: if they are not there.
    """
    note = note or (lambda text: None)
    parts = open_data(config.data, channels=config.channels, data_dir=config.data_dir)
    ignored = [file for part in parts.values() for file in getattr(part, "ignored", ())]
    if ignored:
        note(f"left out: {len(ignored)} files that are no images, as {ignored[0]}")
    if config.on_bad_image == "error":
        return Opened(parts, ())
    return Opened(*without_bad(parts, Subset, config.max_bad, note))


def open_splits(config: TrainConfig, note: Callable[[str], None] | None = None) -> Splits:
    """The three parts of the data, with images of the size that the model wants."""
    return split(config, open_dataset(config, note).parts)


def split(config: TrainConfig, parts: Mapping[str, Source]) -> Splits:
    """Holds out what is missing, and brings images to the size that the model wants.

    Raises:
        ValueError: if nothing can be held out.
    """
    splits = complete_splits(
        parts,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )
    size = config.image_size or make_model(config.model, num_classes=None).image_size
    height, width = splits.train[0]["image"].shape[:2] if size is None else (size, size)
    return Splits(*(Fitted(source, height, width) for source in splits))


def check_copies(config: TrainConfig, splits: Splits, note: Callable[[str], None]) -> None:
    """Makes sure that no image of a folder is in two parts, unless `allow_copies`.

    Images are compared as they are, pixel by pixel, whatever their files. More than are kept on
    the device would take too long at each start; `note` is told so.

    Raises:
        ValueError: if one is.
    """
    if config.allow_copies or not config.data.startswith("folder:"):
        return
    if sum(len(part) * part[0]["image"].size for part in splits) > RESIDENT_BYTES:
        note("not looked for: copies across the parts. `jaxvision data verify` finds them")
        return
    try:
        check_disjoint({name: part.source for name, part in splits._asdict().items()})
    except ValueError as error:
        raise ValueError(
            f"{error} Remove the files that are not needed, or allow copies: `allow_copies`."
        ) from error


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
