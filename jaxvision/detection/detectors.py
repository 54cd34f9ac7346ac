"""A detector by its name: a network, what it learns by, and what boxes its outputs are."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from jaxvision.detection.config import DetectConfig
from jaxvision.detection.faster_rcnn import faster_rcnn_boxes, faster_rcnn_losses
from jaxvision.detection.feature_maps import find_levels, find_map, stride_of
from jaxvision.detection.found import Found, Selection
from jaxvision.detection.yolo import yolo_boxes, yolo_losses
from jaxvision.models import MODELS, Network
from jaxvision.models.darknet import darknet_small
from jaxvision.models.faster_rcnn import Draws, FasterRCNN, Scene
from jaxvision.models.yolo import GridYOLO, fast_yolo, yolo_v1
from jaxvision.names import lookup
from jaxvision.train.step import Batch, Inputs, only_images
from jaxvision.transfer import backbone as transfer

Losses = Callable[[Any, Batch], dict[str, Float[Array, " b"]]]
DETECTORS = ("yolo", "faster_rcnn", "yolo_v1", "fast_yolo")
PUBLISHED = {"yolo_v1": yolo_v1, "fast_yolo": fast_yolo}
BACKBONES = {"darknet_small": darknet_small, **MODELS}
# What stands in for the paper's numbers on an image of 600 x 1000 pixels where images are smaller.
SELECTION = Selection()
DRAWS = Draws(before=512, learning=128, testing=64, anchors=128, regions=48)


class Detector(NamedTuple):
    """All that training and using a detector needs of it."""

    model: Network
    feature: str | None  # of its backbone, that it looks at; None: it has no backbone of its own
    inputs: Inputs  # what the model is given while it learns
    losses: Losses  # the parts of the loss, whose sum is learned by
    measures: Losses | None  # the same of outputs without objects, if they can be had
    boxes: Callable[[Any], Found]


def make_detector(
    config: DetectConfig,
    classes: int,
    image_shape: tuple[int, int, int],
    anchors: tuple[tuple[float, ...], tuple[float, ...]],
    options: Mapping[str, Any] | None = None,
    selection: Selection = SELECTION,
) -> Detector:
    """The detector that the configuration names, for images of `image_shape`, [h, w, c].

    Args:
        config: which, and on which backbone.
        classes: without the background.
        image_shape: of the images.
        anchors: sizes and ratios of the anchors, for a detector that has some.
        options: attributes of the backbone, as pretrained weights want them.
        selection: which boxes it hands out.

    Raises:
        ValueError: if it, or its backbone, is unknown, or the backbone has no feature map of the
            stride.
    """
    lookup("model", config.model, dict.fromkeys(DETECTORS))
    height, width, _ = image_shape
    if config.model == "faster_rcnn":
        return _faster_rcnn(config, classes, image_shape, anchors, options, selection)
    if config.model in PUBLISHED:
        network = PUBLISHED[config.model](num_classes=classes, boxes=config.cell_boxes)
        feature = None
    else:
        backbone = make_backbone(config, options)
        feature = find_map(backbone, image_shape, stride_of(config))
        network = GridYOLO(classes, backbone, feature, width=config.hidden, boxes=config.cell_boxes)
    losses = partial(yolo_losses, num_classes=classes)
    boxes = partial(
        yolo_boxes, num_classes=classes, height=height, width=width, selection=selection
    )
    return Detector(network, feature, only_images, losses, losses, boxes)


def _faster_rcnn(
    config: DetectConfig,
    classes: int,
    image_shape: tuple[int, int, int],
    anchors: tuple[tuple[float, ...], tuple[float, ...]],
    options: Mapping[str, Any] | None,
    selection: Selection,
) -> Detector:
    height, width, _ = image_shape
    backbone = make_backbone(config, options)
    features, strides = find_levels(config, backbone, image_shape)
    sizes, ratios = anchors
    network = FasterRCNN(
        classes,
        backbone,
        features,
        strides,
        (sizes,) if config.pyramid is None else tuple((size,) for size in sizes),
        ratios,
        pyramid=config.pyramid,
        width=config.hidden,
        hidden=(2 * config.hidden,),
        draws=DRAWS,
    )

    def inputs(images: Float[Array, "b h w c"], batch: Batch) -> Scene:
        return Scene(images, batch["boxes"], batch["box_mask"], batch["label"])

    return Detector(
        network,
        features[-1],
        inputs,
        lambda seen, batch: faster_rcnn_losses(seen),
        None,
        partial(faster_rcnn_boxes, height=height, width=width, selection=selection),
    )


def make_backbone(config: DetectConfig, options: Mapping[str, Any] | None = None) -> Network:
    """The network below, without a head and without hidden dense layers.

    Raises:
        ValueError: if it is unknown or does not compute in the type that is asked for.
    """
    return transfer.make_backbone(config.backbone, config.dtype, options, BACKBONES)


def levels_of(
    config: DetectConfig,
    image_shape: tuple[int, int, int],
    options: Mapping[str, Any] | None = None,
) -> int | None:
    """How many levels the pyramid has; None without one."""
    if config.pyramid is None:
        return None
    return len(find_levels(config, make_backbone(config, options), image_shape)[1])


def anchors_of(
    config: DetectConfig, boxes: Float[np.ndarray, "n 4"], levels: int | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Sizes and ratios of anchors: those of the configuration, or such that divide the training
    boxes evenly: three of each (their 1/6, 1/2 and 5/6 quantiles), or a size for each level.

    Args:
        config: what is asked for.
        boxes: of the training images, in pixels.
        levels: of a pyramid; None for one map with all sizes.

    Raises:
        ValueError: if there are no boxes to choose by, or not as many sizes as levels.
    """
    sizes, ratios = config.anchor_sizes, config.anchor_ratios
    if levels is not None and sizes and len(sizes) != levels:
        raise ValueError(
            f"`anchor_sizes` must be {levels}, one for each level of the pyramid, the finest "
            f"first, got {len(sizes)}."
        )
    if sizes and ratios:
        return sizes, ratios
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1).astype(np.float64)
    if not len(sides):
        raise ValueError(
            "the training images have no boxes to choose anchors by: give --anchor-sizes and "
            "--anchor-ratios, or other data"
        )
    width, height = sides.T
    squares = np.quantile(np.sqrt(width * height), _middles(levels or 3))
    sizes = sizes or tuple(round(float(x), 1) for x in squares)
    ratios = ratios or tuple(round(float(x), 2) for x in np.quantile(height / width, _middles(3)))
    # A level has its size, another's or not; of one map two of a kind are one.
    return sizes if levels else tuple(dict.fromkeys(sizes)), tuple(dict.fromkeys(ratios))


def _middles(n: int) -> Float[np.ndarray, " n"]:
    """1 / 2n, 3 / 2n, ...: the middles of n even parts."""
    return (np.arange(n) + 0.5) / n
