"""From a configuration to its data: sources, canvases of one size, feeds, statistics."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, Int32

from jaxvision.data.batches import Feed, load_resident, open_feed
from jaxvision.data.digit_masks import digit_masks
from jaxvision.data.mask_folder import open_masks
from jaxvision.data.masks import MaskedPart, MaskedSource, hold_out_masks
from jaxvision.names import lookup
from jaxvision.ops.dense_losses import border_weights
from jaxvision.ops.normalization import Normalization, normalization_of
from jaxvision.segmentation.canvas import Canvas, Canvases, scaled_size
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.networks import Segmenter

EVAL_PIXELS = 2**20  # of a batch
STATISTICS_SAMPLE = 500  # images of a streamed set that statistics are computed from
SCENE = 64  # pixels
KINDS = {"scenes": None, "masks:PATH": "masks:cells"}


class Parts(NamedTuple):
    """Images of any size."""

    train: MaskedSource
    validation: MaskedSource
    test: MaskedSource | None


class Material(NamedTuple):
    """What a network learns from and is measured by."""

    parts: Parts
    train: Feed
    validation: Feed
    learned: Canvases  # the training images as they are fed
    image_shape: tuple[int, int, int]  # of what the network sees in training


def open_parts(config: SegmentConfig, note: Callable[[str], None] = lambda text: None) -> Parts:
    """The three parts of the data; `note` is told what is left out, and what is held out.

    Without a validation part one is held out; without a test part there is none.

    Raises:
        ValueError: if the data are unknown, or not as their kind must be.
        FileNotFoundError: if they are not there.
    """
    found = open_masked(config.data, config, note)
    train, validation = found["train"], found.get("validation")
    if validation is None:
        train, validation = hold_out_masks(train, config.validation_fraction, config.split_seed)
        note(f"no validation part: {len(validation)} of the training images are held out for it")
    return Parts(train, validation, found.get("test"))


def open_masked(
    data: str, config: SegmentConfig, note: Callable[[str], None] = lambda text: None
) -> dict[str, MaskedSource]:
    """Opens images with masks by their name: scenes, or masks:PATH.

    Raises:
        ValueError, FileNotFoundError: as `open_parts`.
    """
    kind, colon, name = data.partition(":")
    example = lookup("data", "masks:PATH" if kind + colon == "masks:" else data, KINDS)
    if example and not name:
        raise ValueError(f"`data` is {data!r}, with nothing after the colon. Try {example!r}.")
    if kind == "scenes":
        size = config.image_size or SCENE
        return dict(digit_masks(size, config.channels or 1, train=config.scenes))
    max_bad = config.max_bad if config.on_bad_image == "skip" else None
    return dict(open_masks(Path(name), config.channels or 3, max_bad=max_bad, note=note))


def canvas_for(part: MaskedSource, config: SegmentConfig, segmenter: Segmenter) -> Canvas:
    """The smallest that has room for every image of a part, in a size that the network takes."""
    sizes = _sizes(part, config)
    height, width = (segmenter.fit(max(sides)) for sides in zip(*sizes, strict=True))
    return Canvas(height, width, segmenter.margin, longer_side(config))


def longer_side(config: SegmentConfig) -> int | None:
    """What images are scaled to; None for not at all. Scenes are made in their size."""
    return None if config.data == "scenes" else config.image_size


def check_patch(part: MaskedSource, config: SegmentConfig, segmenter: Segmenter) -> None:
    """Raises ValueError if the network does not take the patch, or an image is smaller than it."""
    patch = config.patch
    if patch is None:
        return
    if segmenter.fit(patch) != patch:
        above = segmenter.fit(patch)
        near = [s for s in (above - segmenter.stride, above) if s > 0 and segmenter.fit(s) == s]
        rule = f"a multiple of {segmenter.stride}"
        if segmenter.margin:
            rule += f", and 4 (it sees {2 * segmenter.margin} pixels more)"
        raise ValueError(
            f"`patch` must be {rule}, for {config.model} with depth {config.depth}, got {patch}: "
            f"take {' or '.join(map(str, near))}."
        )
    for i, size in enumerate(_sizes(part, config)):
        if min(size) < patch:
            scaled = "" if longer_side(config) is None else ", scaled,"
            raise ValueError(
                f"{part.describe(i)}: is {size[0]} x {size[1]} pixels{scaled} and so smaller than "
                f"`patch` = {patch}. Choose a smaller patch, or leave the image out."
            )


def read_material(
    config: SegmentConfig, parts: Parts, segmenter: Segmenter, mesh: Mesh | None
) -> Material:
    """Images on their canvases, and where batches of them come from.

    Raises:
        ValueError: if there is no room for the patch (`check_patch`), or the batch has more images
            than there are.
    """
    check_patch(parts.train, config, segmenter)
    weigh = _weigh(config)

    def feed(part: MaskedSource, *, learning: bool) -> tuple[Feed, Canvases]:
        canvas = canvas_for(part, config, segmenter)
        canvases = Canvases(part, canvas, weigh)
        size = config.batch_size if learning else eval_batch(len(part), canvas, mesh)
        seed = config.seed if learning else None
        opened = open_feed(
            canvases,
            size,
            seed=seed,
            kind=config.feed,
            mesh=mesh,
            workers=config.workers,
            times=config.patches if learning else 1,
        )
        return opened, canvases

    train, learned = feed(parts.train, learning=True)
    validation, _ = feed(parts.validation, learning=False)
    canvas, channels = learned.canvas, parts.train[0]["image"].shape[2]
    sides = (config.patch or side for side in canvas[:2])
    height, width = (side + 2 * segmenter.margin for side in sides)
    return Material(parts, train, validation, learned, (height, width, channels))


def eval_batch(images: int, canvas: Canvas, mesh: Mesh | None = None) -> int:
    """As many images as have about `EVAL_PIXELS`, and as there are images and devices for.

    Raises:
        ValueError: if there are fewer images than devices.
    """
    devices = 1 if mesh is None else mesh.size
    pixels = (canvas.height + 2 * canvas.margin) * (canvas.width + 2 * canvas.margin)
    size = min(max(EVAL_PIXELS // pixels, devices), images) // devices * devices
    if size == 0:
        raise ValueError(
            f"{devices} devices cannot share {images} images to evaluate on: hold more out, or use "
            "fewer devices."
        )
    return size


def normalization_for(feed: Feed, canvases: Canvases) -> Normalization:
    """Of all training images, as they lie on their canvases, or of a sample of a streamed set."""
    images = _read(feed, canvases)["image"]
    return normalization_of(images[i : i + 100] for i in range(0, len(images), 100))


def balanced_weights(feed: Feed, canvases: Canvases) -> Float32[np.ndarray, " classes"]:
    """n / (classes n_c) for n_c of the n pixels in class c: in the mean over the pixels 1.

    A class that no pixel has weighs nothing.
    """
    labels = _read(feed, canvases)["segmentation"]
    counts = np.bincount(labels[labels >= 0].ravel(), minlength=len(canvases.classes))
    there = counts > 0
    weights = np.where(there, counts.sum() / (there.sum() * np.maximum(counts, 1)), 0)
    return weights.astype(np.float32)


def _read(feed: Feed, canvases: Canvases) -> dict[str, np.ndarray]:
    if isinstance(feed.data, dict):
        return jax.device_get(feed.data)
    rows = np.random.default_rng(0).permutation(len(canvases))[:STATISTICS_SAMPLE]
    return load_resident(Canvases(MaskedPart(canvases.source, rows), canvases.canvas))


def _sizes(part: MaskedSource, config: SegmentConfig) -> list[tuple[int, int]]:
    """Height and width of each image, scaled."""
    sizes, longer = [part.size(i) for i in range(len(part))], longer_side(config)
    return sizes if longer is None else [scaled_size(*size, longer) for size in sizes]


def _weigh(config: SegmentConfig):
    if config.border_weight is None:
        return None

    def weigh(segmentation: Int32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
        return border_weights(segmentation, config.border_weight, config.border_sigma)

    return weigh
