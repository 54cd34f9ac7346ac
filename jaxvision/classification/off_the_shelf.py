"""Features of a data set by a network that has learned before, and how far classifiers get on them.

Sharif Razavian et al., "CNN Features off-the-shelf: an Astounding Baseline for Recognition", 2014.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.job import make_network
from jaxvision.classification.pretraining import follow_pretrained, load_pretraining
from jaxvision.classification.setup import normalization_for, open_feeds, open_splits
from jaxvision.data.folds import stratified_folds
from jaxvision.transfer import cache_folder, extract_features, to_unit_length
from jaxvision.transfer.classifiers import CLASSIFIERS
from jaxvision.transfer.head import remove_head
from jaxvision.transfer.stages import features_of, find_feature

PARTS = ("train", "validation", "test")


class Features(NamedTuple):
    """Features of the three parts of a data set, by the parts' names."""

    feature: str
    of: dict[str, Float[np.ndarray, "n d"]]
    labels: dict[str, Int[np.ndarray, " n"]]
    classes: tuple[str, ...]


class Score(NamedTuple):
    """How far a classifier got: accuracies in [0, 1]."""

    name: str
    setting: str
    cross_validation: float
    validation: float
    test: float


def compute_features(
    config: TrainConfig,
    feature: str | None = None,
    pool: str = "average",
    *,
    unit_length: bool = True,
    note: Callable[[str], None] | None = None,
) -> Features:
    """A feature of all images, from the cache where it is there.

    Args:
        config: `pretrained`, and which data; nothing is trained.
        feature: of the network; by default the last, which the head sees.
        pool: a key of `transfer.POOLS`, for a feature that has a height and a width.
        unit_length: whether each is divided by its length.
        note: is told what was left out.

    Raises:
        ValueError: if the weights or the data are not usable, or there is no such feature.
    """
    config = follow_pretrained(config)
    pretraining = load_pretraining(config)
    splits = open_splits(config, note)
    normalization = pretraining.normalization
    if normalization is None:
        feeds = open_feeds(config, splits, None)
        normalization = normalization_for(feeds.train, splits.train)
        for feed in feeds:
            feed.close()
    model = make_network(config, None, pretraining.options)
    variables = remove_head(pretraining.variables)
    image = jax.ShapeDtypeStruct((1, *splits.train[0]["image"].shape), jnp.float32)
    names = list(features_of(model, variables, image))
    chosen = names[-1] if feature is None else find_feature(feature, names)
    of = {
        name: extract_features(
            model,
            variables,
            part,
            chosen,
            pool=pool,
            normalize=normalization,
            cache=cache_folder(),
        )
        for name, part in splits._asdict().items()
    }
    if unit_length:
        of = {name: to_unit_length(x) for name, x in of.items()}
    labels = {name: np.asarray(part.labels) for name, part in splits._asdict().items()}
    return Features(chosen, of, labels, tuple(splits.train.classes))


def compare_classifiers(features: Features, folds: int = 5, seed: int = 0) -> list[Score]:
    """Trains every classifier of `transfer.classifiers` on the training part, its setting chosen by
    cross-validation there, and measures it on the two others.

    Raises:
        ValueError: if there are more folds than examples of the rarest class.
    """
    labels = features.labels["train"]
    split = stratified_folds(labels, folds, seed)
    scores = []
    for name, learn in CLASSIFIERS.items():
        learned = learn(features.of["train"], labels, len(features.classes), split)
        measured = [
            float(np.mean(learned.classify(features.of[part]) == features.labels[part]))
            for part in PARTS[1:]
        ]
        scores.append(Score(name, learned.setting, learned.accuracy, *measured))
    return scores


def check_free(file: Path) -> None:
    """Raises ValueError or FileExistsError if `save_features` could not write there."""
    if file.suffix != ".npz":
        raise ValueError(f"`out` must end in .npz, got {file}")
    if file.exists():
        raise FileExistsError(f"{file} is there already: choose another name by --out")


def save_features(file: Path, features: Features) -> None:
    """Writes a new .npz file: "train", "train_labels", "validation", ..., and "classes".

    Raises:
        ValueError: if the file has another ending.
        FileExistsError: if it is there already.
    """
    check_free(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: features.of[name] for name in PARTS}
    arrays |= {f"{name}_labels": features.labels[name] for name in PARTS}
    with file.open("xb") as opened:
        np.savez(opened, classes=np.array(features.classes), **arrays)
