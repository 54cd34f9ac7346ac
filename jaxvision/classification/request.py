"""What pictures of a network are asked for: of which images, which feature, which class."""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.pretraining import follow_pretrained, is_run
from jaxvision.classification.record import read_config
from jaxvision.classification.setup import open_splits
from jaxvision.classification.subject import Subject
from jaxvision.data.pictures import photographs
from jaxvision.data.sources import Source
from jaxvision.data.views import Fitted
from jaxvision.inspect import summarize_model
from jaxvision.inspect.features import Feature

EXAMPLES = 512  # of a data set, that are looked through
SHOWN = 4  # images of a data set, if none are named
CHANNELS = 8  # of a feature, if none is named


class Request(NamedTuple):
    """What is looked at, and through what."""

    subject: Subject
    files: tuple[Path, ...] = ()
    feature: str | None = None
    channel: int | None = None
    of_class: str | None = None
    data: str | None = None
    seed: int = 0

    def pixels(self) -> Float[Array, "b h w c"]:
        """The images that are named; or some of the data; or the two photographs."""
        files = self.files
        if not files and (self.data is not None or is_run(self.subject.name)):
            source = self.source()
            images = np.stack([source[i]["image"] for i in _spread(len(source), SHOWN)])
        else:
            images = self.subject.read(files or photographs())
        return jnp.asarray(images, jnp.float32)

    def source(self) -> Source:
        """The test part of the data, in images of the network's size.

        Raises:
            ValueError: if there are none, or their channels are others.
        """
        name, (height, width, channels) = self.subject.name, self.subject.image_shape
        if is_run(name) and self.data is None:
            return open_splits(read_config(Path(name))).test
        if self.data is None:
            raise ValueError(
                "`--data` must name a data set for this picture: digits, folder:PATH or tfds:NAME"
            )
        config = follow_pretrained(TrainConfig(pretrained=name, data=self.data))
        source = Fitted(open_splits(config).test, height, width)
        given = source[0]["image"].shape[2]
        if given != channels:
            raise ValueError(
                f"`--data` must have images of {channels} channel(s), got {given}: inspect with "
                "a folder, whose images are converted"
            )
        return source

    def examples(self, most: int | None = None) -> dict[str, np.ndarray]:
        """{"image": uint8 [n, h, w, c], "label": [n]}, spread over the data, EXAMPLES at most."""
        source = self.source()
        items = [source[i] for i in _spread(len(source), most or EXAMPLES)]
        images = np.stack([item["image"] for item in items])
        return {"image": images, "label": np.array([item["label"] for item in items])}

    def classes(self, pixels: Float[Array, "b h w c"]) -> Int[np.ndarray, " b"]:
        """Of each image the class that is asked for, or the most probable one.

        Raises:
            ValueError: if there is no such class, or the network knows none.
        """
        self.require_classes()
        if self.of_class is not None:
            return np.full(len(pixels), self.subject.find_class(self.of_class))
        return np.asarray(self.subject(pixels)[0].argmax(axis=1))

    def require_classes(self) -> None:
        """Raises ValueError if the network knows none."""
        if not self.subject.has_head:
            raise ValueError(
                f"`NETWORK` must know classes for this picture, the weights of {self.subject.name} "
                "have none: ask for filters, features, deconvolution, field or visualization"
            )

    def channels(self, feature: str) -> list[int]:
        """Which channels of `feature` to show: the one that was asked for, or some of all.

        Raises:
            ValueError: if it has no such channel.
        """
        width = self.subject.shapes()[feature][-1]
        if self.channel is None:
            return np.linspace(0, width - 1, min(CHANNELS, width)).astype(int).tolist()
        if not 0 <= self.channel < width:
            raise ValueError(
                f"`--channel` must be in [0, {width - 1}] for {feature}, got {self.channel}"
            )
        return [self.channel]

    def theory(self, feature: str) -> Feature:
        """What the program of the network says about a feature."""
        summary = summarize_model(self.subject.model, self.subject.image_shape)
        return next(found for found in summary.features if found.name == feature)


def _spread(length: int, most: int) -> list[int]:
    """Rows from the first to the last: data may come sorted by class."""
    return np.linspace(0, length - 1, min(most, length)).astype(int).tolist()
