"""Trains a classifier from a configuration, in a run directory (`jaxvision.train.run`)."""

import re
import time
from collections.abc import Iterable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console

from jaxvision import optim
from jaxvision.classification import report
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.record import check_same_data, read_config, record_of
from jaxvision.data.batches import Feed, load_resident, open_feed
from jaxvision.data.sources import Source, open_data
from jaxvision.data.splits import Splits, complete_splits
from jaxvision.data.views import Fitted, Subset
from jaxvision.models import MODELS, make_model
from jaxvision.names import lookup
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.normalization import Normalization, normalization_of
from jaxvision.train import run as files
from jaxvision.train.checkpoint import list_checkpoints, restore_checkpoint, save_checkpoint
from jaxvision.train.display import Display
from jaxvision.train.epoch import NonFiniteError, make_eval_epoch
from jaxvision.train.export import save_variables
from jaxvision.train.fit import Progress, fit_epochs, start
from jaxvision.train.state import init_state
from jaxvision.train.step import accuracy, cross_entropy, make_eval_step, make_train_step, means

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


def train(config: TrainConfig, console: Console | None = None) -> Path:
    """Trains a classifier and tests it; returns the new run's directory.

    Raises:
        ValueError: if the configuration or the data are not usable; says why and what to do.
        FileExistsError: if `config.out` is not free.
        NonFiniteError: if the loss becomes NaN or infinite; names the step and what is kept.
    """
    if config.out is not None:
        files.check_free(config.out)  # at once, and not when the data have been read
    return _run(config, Display(console or Console()), going_on=None)


def resume(path: Path, console: Console | None = None) -> Path:
    """Goes on with the run in `path` from its newest checkpoint that can be trusted.

    Ends with the same bits as if the run had never been interrupted, on the same software, device
    and number of threads.

    Raises:
        FileNotFoundError: if there is no run in `path`.
        ValueError: if the data are no longer those that the run began with.
        CheckpointError: if there are checkpoints and all of them are damaged.
        NonFiniteError: as `train`.
    """
    config, display = read_config(path), Display(console or Console())
    if (path / files.RESULT).exists():
        display.note(f"{path} is finished already; its result is in {path / files.RESULT}")
        return path
    return _run(config, display, going_on=path)


def open_splits(config: TrainConfig, display: Display | None = None) -> Splits:
    """The three parts of the data, with images of the size that the model wants.

    What a folder holds beside images is left out; `display` says so.
    """
    dataset = open_data(config.data, channels=config.channels, data_dir=config.data_dir)
    ignored = [file for part in dataset.values() for file in getattr(part, "ignored", ())]
    if ignored and display is not None:
        display.note(f"left out: {len(ignored)} files that are no images, as {ignored[0]}")
    splits = complete_splits(
        dataset,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )
    size = config.image_size or make_model(config.model, num_classes=None).image_size
    height, width = splits.train[0]["image"].shape[:2] if size is None else (size, size)
    return Splits(*(Fitted(source, height, width) for source in splits))


def _run(config: TrainConfig, display: Display, *, going_on: Path | None) -> Path:
    """Makes a new run, or goes on with the one in `going_on`; returns its directory."""
    started = time.monotonic()
    lookup("model", config.model, MODELS)  # refused before any data are read
    make_optimizer = lookup("optimizer", config.optimizer, OPTIMIZERS)

    with display.working(f"reading {config.data}"):
        splits = open_splits(config, display)
        image_shape, classes = splits.train[0]["image"].shape, splits.train.classes
        train_feed, validation_feed, test_feed = _open_feeds(config, splits)
        normalization = _normalization(train_feed, splits.train)
    if going_on:
        check_same_data(files.read_config(going_on)["data"], splits)

    def smoothed(logits, batch):
        return categorical_cross_entropy(
            logits, batch["label"], batch["mask"], config.label_smoothing
        )

    def metrics(logits, batch):
        # The loss that is shown has no smoothing: it compares with that of validation and test.
        return {"loss": cross_entropy(logits, batch), **accuracy(logits, batch)}

    model = make_model(config.model, num_classes=len(classes))
    optimizer = make_optimizer(_learning_rate(config, train_feed))
    train_step = make_train_step(model, optimizer, smoothed, metrics, normalization)
    eval_step = make_eval_step(model, normalize=normalization)
    key = jax.random.key(config.seed)
    progress = start(init_state(model, optimizer, jnp.zeros((1, *image_shape)), key))
    if going_on:
        path = going_on
        progress = _restore(path, progress, display)
    else:
        path = config.out or files.make_numbered(Path("runs"), _name(config))
        files.create_run(path, record_of(config, splits, normalization))
    display.note(
        f"{config.model} on {config.data}: {len(splits.train)} training, {len(splits.validation)} "
        f"validation and {len(splits.test)} test images in {len(classes)} classes -> {path}"
    )
    with display.training(config.epochs, train_feed, progress.epoch) as track:
        epochs = fit_epochs(
            progress,
            train_step,
            eval_step,
            train_feed,
            validation_feed,
            epochs=config.epochs,
            patience=config.patience,
            track=track,
        )
        progress = _keep(epochs, progress, config, path, display)
    if progress.epoch < config.epochs:
        display.note(f"stopped: no better validation score for {config.patience} epochs")

    totals, logits = make_eval_epoch(eval_step, test_feed)(progress.best)
    result = {
        "test": means(totals),
        "validation": progress.history[progress.best_epoch - 1]["validation"],
        "seconds": round(time.monotonic() - started, 2),
        "steps": progress.history[-1]["step"],
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
    }
    report.draw(path, progress, logits, splits.test)
    files.write_json(path / files.RESULT, result)
    report.show_result(display, path, result, splits.test)
    return path


def _keep(
    epochs: Iterable[Progress], last: Progress, config: TrainConfig, path: Path, display: Display
) -> Progress:
    """Runs through `epochs`, writes and shows each one, and returns the last."""
    saved = time.monotonic()
    try:
        for last in epochs:
            files.write_metrics(path / files.METRICS, last.history)
            is_best = last.best_epoch == last.epoch
            if is_best:
                save_variables(path / files.MODEL, last.best)
            display.epoch(last.history[-1], config.epochs, best=is_best)
            if time.monotonic() - saved >= config.checkpoint_seconds:
                save_checkpoint(path / files.CHECKPOINTS, last)
                saved = time.monotonic()
    except NonFiniteError as error:
        raise NonFiniteError(error.step, error.loss, kept=_what_is_kept(path)) from None
    except KeyboardInterrupt:
        display.note(f"interrupted; `jaxvision train --resume {path}` goes on")
        raise
    save_checkpoint(path / files.CHECKPOINTS, last)
    return last


def _name(config: TrainConfig) -> str:
    kind, _, rest = config.data.partition(":")
    data = Path(rest).resolve().name if kind == "folder" else rest or kind
    return re.sub(r"[^\w.-]+", "-", f"{data}-{config.model}")


def _open_feeds(config: TrainConfig, splits: Splits) -> tuple[Feed, Feed, Feed]:
    def for_evaluation(source: Source) -> Feed:
        return open_feed(source, min(EVAL_BATCH, len(source)), seed=None, kind=config.feed)

    return (
        open_feed(splits.train, config.batch_size, seed=config.seed, kind=config.feed),
        for_evaluation(splits.validation),
        for_evaluation(splits.test),
    )


def _learning_rate(config: TrainConfig, feed: Feed) -> optim.ScalarOrSchedule:
    if config.schedule == "constant":
        return config.learning_rate
    return optax.cosine_decay_schedule(config.learning_rate, config.epochs * feed.steps)


def _normalization(feed: Feed, source: Source) -> Normalization:
    if feed.resident:
        images = jax.device_get(feed.data["image"])
        return normalization_of(images[i : i + 1000] for i in range(0, len(images), 1000))
    rows = np.random.default_rng(0).permutation(len(source))[:STATISTICS_SAMPLE]
    parts = np.split(rows, range(100, len(rows), 100))
    return normalization_of(load_resident(Subset(source, part))["image"] for part in parts)


def _restore(path: Path, progress: Progress, display: Display) -> Progress:
    restored, refused = restore_checkpoint(path / files.CHECKPOINTS, progress)
    for reason in refused:
        display.note(f"not used: {reason}")
    if restored is None:
        display.note(f"{path} holds no checkpoint yet: starting from its beginning")
        return progress
    display.note(f"going on after epoch {restored.epoch}")
    return restored


def _what_is_kept(path: Path) -> str:
    kept = list_checkpoints(path / files.CHECKPOINTS)[:1]
    if (path / files.MODEL).exists():
        kept.append(path / files.MODEL)
    return " and ".join(str(file) for file in kept)
