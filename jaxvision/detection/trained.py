"""A detector that was trained, in use: load it, measure it, ask it about images."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from jaxvision.data.batches import open_feed
from jaxvision.data.images import read_image
from jaxvision.data.letterbox import Letterboxed, letterbox
from jaxvision.data.padded import Padded
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.detections import Detections
from jaxvision.detection.detectors import Detector, make_detector
from jaxvision.detection.found import Found, Selection
from jaxvision.detection.material import eval_batch, open_objects, open_parts
from jaxvision.detection.measures import detections_of, on_images
from jaxvision.detection.record import read_config
from jaxvision.detection.report import Evaluation, evaluate_on
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.train import run as files
from jaxvision.train.epoch import EvalEpoch
from jaxvision.train.export import load_variables
from jaxvision.train.state import Variables
from jaxvision.train.step import make_eval_step


class TrainedDetector(NamedTuple):
    """A detector and what belongs to it."""

    detector: Detector
    variables: Variables
    normalization: Normalization
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]  # of the canvas: height, width, channels

    def __call__(self, images: UInt8[Array | np.ndarray, "b h w c"]) -> Found:
        """What is in images of `image_shape`, with pixel values 0..255."""
        inputs = self.normalization(jnp.asarray(images))
        model: nn.Module = self.detector.model
        return self.detector.boxes(model.apply(self.variables, inputs, train=False)[0])


def load_detector(path: Path, selection: Selection | None = None) -> TrainedDetector:
    """The detector of the run in `path`, with the best parameters by validation.

    Args:
        path: the run's directory.
        selection: which boxes it hands out; by default as in training.

    Raises:
        FileNotFoundError: if there is no run, or none that has finished an epoch.
        ValueError: if a file of the run is damaged, or it is no detector's.
    """
    config, record = read_config(path), files.read_config(path)
    classes, image_shape = tuple(record["data"]["classes"]), tuple(record["data"]["image_shape"])
    anchors = tuple(tuple(record["anchors"][name]) for name in ("sizes", "ratios"))
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in record["options"].items()}
    detector = make_detector(
        config, len(classes), image_shape, anchors, options, selection or Selection()
    )
    if not (path / files.MODEL).is_file():
        raise FileNotFoundError(
            f"{path} has no {files.MODEL}: the run has not finished an epoch. Go on with it by "
            f"`jaxvision train --resume {path}`."
        )
    expected = jax.eval_shape(
        lambda: detector.model.init(jax.random.key(0), jnp.zeros((1, *image_shape)), train=False)
    )
    loaded = load_variables(path / files.MODEL, {"batch_stats": {}} | dict(expected))
    variables = jax.tree.map(jnp.asarray, loaded)
    normalization = Normalization(*(tuple(v) for v in record["normalization"].values()))
    return TrainedDetector(detector, variables, normalization, classes, image_shape)


def evaluate(path: Path, data: str | None = None, part: str = "test") -> Evaluation:
    """Measures the run in `path` on one part of its own data, or of others.

    Args:
        path: the run's directory.
        data: other images with boxes, as `DetectConfig.data`; None for the run's own.
        part: "train", "validation" or "test".

    Raises:
        ValueError: if the other data have other classes, or there is no such part.
    """
    trained, config = load_detector(path), read_config(path)
    source = lookup("part", part, _parts(config, data, trained.image_shape[2]))
    if tuple(source.classes) != trained.classes:
        raise ValueError(
            f"`data` must have the classes of the run, {', '.join(trained.classes)}; "
            f"{data} has {', '.join(source.classes)}."
        )
    canvas = Letterboxed(source, *trained.image_shape[:2])
    feed = open_feed(Padded(canvas), eval_batch(len(canvas)), seed=None, kind=config.feed)
    step = make_eval_step(
        trained.detector.model,
        None,
        lambda outputs, batch: {},
        trained.normalization,
        answer=trained.detector.boxes,
    )
    with closing(feed):
        _, found = EvalEpoch(step, feed)(trained.variables)
    return evaluate_on(source, on_images(found, canvas))


def predict(
    trained: TrainedDetector, images: Sequence[Path]
) -> Iterator[tuple[UInt8[np.ndarray, "h w c"], Detections]]:
    """Each image file, read when its turn comes, and what is in it, in its pixels.

    Raises:
        ImageError: if a file cannot be read as an image; names it.
    """
    height, width, channels = trained.image_shape
    program = jax.jit(trained.__call__)
    for path in images:
        image = read_image(path, channels)
        canvas, place = letterbox(image, height, width)
        (found,) = detections_of(jax.device_get(program(canvas[None])))
        boxes = place.to_image(found.boxes, clip=True)
        yield image, found._replace(boxes=boxes)


def _parts(config: DetectConfig, data: str | None, channels: int) -> dict[str, Any]:
    if data is None:
        parts = open_parts(config)._asdict()
        return {name: part for name, part in parts.items() if part is not None}
    data_dir = config.data_dir if data.startswith("tfds:") else None
    other = dataclasses.replace(config, data=data, channels=channels, data_dir=data_dir)
    return open_objects(data, other)
