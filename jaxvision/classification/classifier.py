"""A finished run in use: load it, measure it on data, ask it about images."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxvision.classification.job import make_network
from jaxvision.classification.record import options_of, read_config
from jaxvision.classification.setup import eval_batch, open_splits
from jaxvision.data.batches import open_feed
from jaxvision.data.images import fit_image, read_image
from jaxvision.data.sources import Source, open_data
from jaxvision.data.views import Fitted
from jaxvision.names import lookup
from jaxvision.ops.metrics import top_k
from jaxvision.ops.normalization import Normalization
from jaxvision.train import run as files
from jaxvision.train.epoch import EvalEpoch
from jaxvision.train.export import load_variables
from jaxvision.train.state import Variables
from jaxvision.train.step import make_eval_step, means


class Classifier(NamedTuple):
    """A trained network and what belongs to it."""

    model: nn.Module
    variables: Variables
    normalization: Normalization
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]  # height, width, channels

    def __call__(self, images: UInt8[Array | np.ndarray, "b h w c"]) -> Float[Array, "b classes"]:
        """The logits for images of pixel values 0..255 and of `image_shape`."""
        inputs = self.normalization(jnp.asarray(images))
        return self.model.apply(self.variables, inputs, train=False)[0]


class Prediction(NamedTuple):
    """A class and its probability."""

    name: str
    probability: float


def load_classifier(path: Path) -> Classifier:
    """The network of the run in `path`, with the best parameters by validation.

    Raises:
        FileNotFoundError: if there is no run, or none that has finished an epoch.
        ValueError: if a file of the run is damaged.
    """
    config, record = read_config(path), files.read_config(path)
    classes, image_shape = tuple(record["data"]["classes"]), tuple(record["data"]["image_shape"])
    model = make_network(config, len(classes), options_of(record))
    if not (path / files.MODEL).is_file():
        raise FileNotFoundError(
            f"{path} has no {files.MODEL}: the run has not finished an epoch. Go on with it by "
            f"`jaxvision train --resume {path}`."
        )
    expected = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, *image_shape)), train=False)
    )
    variables = load_variables(path / files.MODEL, {"batch_stats": {}} | dict(expected))
    normalization = Normalization(*(tuple(v) for v in record["normalization"].values()))
    return Classifier(model, variables, normalization, classes, image_shape)


def evaluate(
    path: Path, data: str | None = None, part: str = "test"
) -> tuple[dict[str, float], Float[np.ndarray, "n classes"], Source]:
    """Measures the run in `path` on one part of its own data set, or of another one.

    Args:
        path: the run's directory.
        data: another data set, as `TrainConfig.data`; None for the run's own.
        part: "train", "validation" or "test": of the run's own data the part that the run used
            as such; of another data set that part as the data set comes (a folder of class
            folders is all "train").

    Returns:
        (loss and accuracy, the logits of every image, the images).

    Raises:
        ValueError: if the other data set has other classes, other channels, or no such part.
    """
    classifier, config = load_classifier(path), read_config(path)
    height, width, channels = classifier.image_shape
    if data is None:
        source: Source = getattr(open_splits(config), part)
    else:
        # Files of any kind are read as the network needs them; a data set that says what it holds
        # is not converted behind anyone's back.
        parts = open_data(
            data,
            channels=channels if data.startswith("folder:") else None,
            data_dir=config.data_dir if data.startswith("tfds:") else None,
        )
        source = Fitted(lookup("part", part, parts), height, width)
    if tuple(source.classes) != classifier.classes:
        raise ValueError(
            f"`data` must have the classes of the run, {', '.join(classifier.classes)}; "
            f"{data} has {', '.join(source.classes)}."
        )
    given = source[0]["image"].shape[2]
    if given != channels:
        raise ValueError(
            f"`data` must have images of {channels} channel(s), as those that the run was trained "
            f"on, got {given}: measure on other data, or train a run with --channels {given}."
        )
    feed = open_feed(source, eval_batch(source), seed=None, kind=config.feed)
    eval_step = make_eval_step(classifier.model, normalize=classifier.normalization)
    with closing(feed):
        totals, logits = EvalEpoch(eval_step, feed)(classifier.variables)
    return means(totals), logits, source


def predict(classifier: Classifier, images: Sequence[Path], k: int = 5) -> list[list[Prediction]]:
    """The `k` most probable classes of each image file, best first.

    An image is converted to the network's channels, scaled to cover its size and centre-cropped.

    Raises:
        ImageError: if a file cannot be read as an image; names it.
    """
    height, width, channels = classifier.image_shape
    answers = []
    for path in images:
        image = fit_image(read_image(path, channels), height, width)
        probabilities, classes = jax.device_get(top_k(classifier(image[None]), k))
        answers.append(
            [
                Prediction(classifier.classes[c], float(p))
                for p, c in zip(probabilities[0], classes[0], strict=True)
            ]
        )
    return answers
