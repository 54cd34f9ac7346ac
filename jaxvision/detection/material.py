"""From a detector's configuration to its data: sources, canvases of one size, feeds."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxvision.data.bad_images import without_bad
from jaxvision.data.batches import Feed, load_resident, open_feed
from jaxvision.data.coco import open_coco
from jaxvision.data.letterbox import Letterboxed
from jaxvision.data.objects import AnnotatedSource
from jaxvision.data.padded import Padded
from jaxvision.data.part import Part, hold_out
from jaxvision.data.scenes import scenes
from jaxvision.data.tfds_objects import open_tfds_objects
from jaxvision.data.voc import open_voc
from jaxvision.detection.config import DetectConfig
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization, normalization_of

EVAL_BATCH = 64
STATISTICS_SAMPLE = 500  # images of a streamed set that the normalisation is computed from
KINDS = {"scenes": None, "voc:PATH": "voc:cells", "coco:PATH": "coco:coco", "tfds:NAME": "tfds:voc"}


class Parts(NamedTuple):
    """Images of any size; or the same on canvases of one size."""

    train: AnnotatedSource
    validation: AnnotatedSource
    test: AnnotatedSource | None


class Material(NamedTuple):
    """What a detector is trained on and measured by."""

    parts: Parts
    canvases: Parts
    train: Feed
    validation: Feed
    test: Feed | None


def open_parts(config: DetectConfig, note: Callable[[str], None] = lambda text: None) -> Parts:
    """The three parts of the data; `note` is told what the readers remark, and what is left out.

    Without a validation part one is held out; without a test part there is none.

    Raises:
        ImageError: if more images are bad than `max_bad` allows.
        ValueError: if the data are unknown, or not as their kind must be.
        FileNotFoundError: if they are not there.
    """
    found = open_objects(config.data, config)
    remarks = [remark for part in found.values() for remark in getattr(part, "remarks", ())]
    if remarks:
        note(f"{len(remarks)} boxes were not as they should be, as: {remarks[0]}")
    if config.on_bad_image == "skip":
        found, _ = without_bad(found, Part, config.max_bad, note)
    if "train" not in found:
        raise ValueError(f"{config.data}: has the parts {', '.join(found)}, and none to train on.")
    train, validation = found["train"], found.get("validation")
    if validation is None:
        train, validation = hold_out(train, config.validation_fraction, config.split_seed)
        note(f"no validation part: {len(validation)} of the training images are held out for it")
    return Parts(train, validation, found.get("test"))


def open_objects(data: str, config: DetectConfig) -> dict[str, AnnotatedSource]:
    """Opens images with boxes by their name: scenes, voc:PATH, coco:PATH or tfds:NAME.

    Raises:
        ValueError, FileNotFoundError: as `open_parts`.
    """
    kind, colon, name = data.partition(":")
    form = {"voc:": "voc:PATH", "coco:": "coco:PATH", "tfds:": "tfds:NAME"}.get(kind + colon, data)
    example = lookup("data", form, KINDS)
    if example and not name:
        raise ValueError(f"`data` is {data!r}, with nothing after the colon. Try {example!r}.")
    if config.data_dir is not None and kind != "tfds":
        raise ValueError(
            f"`data_dir` is where TFDS data sets lie, but `data` is {data!r}. Leave it out."
        )
    channels = config.channels or (1 if kind == "scenes" else 3)
    if kind == "scenes":
        side = canvas_of(config)
        return dict(scenes(min(side), channels, train=config.scenes))
    if kind == "voc":
        return dict(open_voc(Path(name), channels=channels))
    if kind == "coco":
        return dict(open_coco(Path(name), channels))
    return dict(open_tfds_objects(name, config.data_dir, channels))


def canvas_of(config: DetectConfig) -> tuple[int, int]:
    """Height and width of what the detector sees."""
    default = 128 if config.data == "scenes" else 320
    if config.model in ("yolo_v1", "fast_yolo"):
        default = 448
    height = config.height or config.width or default
    return height, config.width or height


def read_material(config: DetectConfig, parts: Parts, mesh: Mesh | None) -> Material:
    """Images on their canvases, and where batches of them come from.

    Raises:
        ValueError: if an image has more objects than `max_boxes`.
    """
    canvas = canvas_of(config)
    canvases = Parts(*(part and Letterboxed(part, *canvas) for part in parts))
    padded = [part and Padded(part, config.max_boxes) for part in canvases]
    most = max(part.most for part in padded if part)

    def feed(part: AnnotatedSource | None, *, learning: bool = False) -> Feed | None:
        if part is None:
            return None
        return open_feed(
            Padded(part, config.max_boxes or most),
            config.batch_size if learning else eval_batch(len(part), mesh),
            seed=config.seed if learning else None,
            kind=config.feed,
            mesh=mesh,
            workers=config.workers,
        )

    train, validation, test = canvases
    return Material(parts, canvases, feed(train, learning=True), feed(validation), feed(test))


def eval_batch(images: int, mesh: Mesh | None = None) -> int:
    """The largest batch up to `EVAL_BATCH` that there are images and devices for.

    Raises:
        ValueError: if there are fewer images than devices.
    """
    devices = 1 if mesh is None else mesh.size
    size = min(max(EVAL_BATCH, devices), images) // devices * devices
    if size == 0:
        raise ValueError(
            f"{devices} devices cannot share {images} images to evaluate on: hold more out, or use "
            "fewer devices."
        )
    return size


def training_boxes(canvas: AnnotatedSource) -> Float[np.ndarray, "n 4"]:
    """The boxes of all objects that are learned."""
    boxes = []
    for i in range(len(canvas)):
        objects = canvas.objects(i)
        boxes.append(objects.boxes[~(objects.difficult | objects.crowd)])
    return np.concatenate(boxes)


def normalization_for(feed: Feed, canvas: AnnotatedSource) -> Normalization:
    """Of all training images, or of a sample of those that are streamed."""
    if isinstance(feed.data, dict):
        images = jax.device_get(feed.data["image"])
        return normalization_of(images[i : i + 500] for i in range(0, len(images), 500))
    rows = np.random.default_rng(0).permutation(len(canvas))[:STATISTICS_SAMPLE]
    parts = np.split(rows, range(50, len(rows), 50))
    return normalization_of(load_resident(Padded(Part(canvas, part)))["image"] for part in parts)
