"""A network that was trained to segment, in use: load it, measure it, ask it about images."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32, UInt8

from jaxvision.data.images import read_image
from jaxvision.data.masks import MaskedSource
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.material import longer_side, open_masked, open_parts
from jaxvision.segmentation.networks import Segmenter, make_segmenter
from jaxvision.segmentation.record import read_config
from jaxvision.segmentation.report import Evaluation, evaluate_on
from jaxvision.segmentation.whole import Segment, segmenting
from jaxvision.train import run as files
from jaxvision.train.export import load_variables
from jaxvision.train.state import Variables


class TrainedSegmenter(NamedTuple):
    """A network and what belongs to it."""

    segmenter: Segmenter
    variables: Variables
    normalization: Normalization
    classes: tuple[str, ...]
    channels: int  # of the images
    segment: Segment

    def __call__(self, image: UInt8[np.ndarray, "h w c"]) -> Int32[np.ndarray, "h w"]:
        """The class of each pixel of an image of any size, an index into `classes`."""
        return self.segment(image)


def load_segmenter(path: Path) -> TrainedSegmenter:
    """The network of the run in `path`, with the best parameters by validation.

    Raises:
        FileNotFoundError: if there is no run, or none that has finished an epoch.
        ValueError: if a file of the run is damaged, or it is no segmentation's.
    """
    config, record = read_config(path), files.read_config(path)
    classes, image_shape = tuple(record["data"]["classes"]), tuple(record["data"]["image_shape"])
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in record["options"].items()}
    segmenter = make_segmenter(config, len(classes), image_shape[2], options)
    if not (path / files.MODEL).is_file():
        raise FileNotFoundError(
            f"{path} has no {files.MODEL}: the run has not finished an epoch. Go on with it by "
            f"`jaxvision train --resume {path}`."
        )
    expected = jax.eval_shape(
        lambda: segmenter.model.init(jax.random.key(0), jnp.zeros((1, *image_shape)), train=False)
    )
    loaded = load_variables(path / files.MODEL, {"batch_stats": {}} | dict(expected))
    variables = jax.tree.map(jnp.asarray, loaded)
    normalization = Normalization(*(tuple(v) for v in record["normalization"].values()))
    segment = segmenting(segmenter, variables, normalization, longer_side(config))
    return TrainedSegmenter(segmenter, variables, normalization, classes, image_shape[2], segment)


def evaluate(path: Path, data: str | None = None, part: str = "test") -> Evaluation:
    """Measures the run in `path` on one part of its own data, or of others.

    Args:
        path: the run's directory.
        data: other images with masks, as `SegmentConfig.data`; None for the run's own.
        part: "train", "validation" or "test".

    Raises:
        ValueError: if the other data have other classes, or there is no such part.
    """
    trained, config = load_segmenter(path), read_config(path)
    source = lookup("part", part, _parts(config, data, trained.channels))
    if tuple(source.classes) != trained.classes:
        raise ValueError(
            f"`data` must have the classes of the run, {', '.join(trained.classes)}; "
            f"{data} has {', '.join(source.classes)}."
        )
    return evaluate_on(source, trained.segment)


def predict(
    trained: TrainedSegmenter, images: Sequence[Path]
) -> Iterator[tuple[UInt8[np.ndarray, "h w c"], Int32[np.ndarray, "h w"]]]:
    """Each image file, read when its turn comes, and the class of each of its pixels.

    Raises:
        ImageError: if a file cannot be read as an image; names it.
    """
    for path in images:
        image = read_image(path, trained.channels)
        yield image, trained(image)


def _parts(config: SegmentConfig, data: str | None, channels: int) -> dict[str, MaskedSource]:
    if data is None:
        parts: dict[str, Any] = open_parts(config)._asdict()
        return {name: part for name, part in parts.items() if part is not None}
    return open_masked(data, dataclasses.replace(config, data=data, channels=channels))
