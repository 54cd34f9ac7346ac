"""What can be set for training a segmentation; plain data, so that `--help` never waits for JAX.

`SegmentConfig` has it all; the classes that it is made of are the groups of `--help`.
"""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from jaxvision.runs.config import BadImages, Compute, Record, shared_rules
from jaxvision.settings import Rules, at_least, from_zero, positive, refuse_broken

MAX_SIDE = 4096  # pixels
WEIGHTED = ("cross_entropy", "cross_entropy_dice")  # losses that know weights of pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Main:
    """What matters most."""

    data: str = "scenes"
    """scenes (of digits, made here), or masks:PATH, a folder of images and one of masks."""
    model: str = "padded_unet"
    """padded_unet, unet (as published, of valid convolutions), or encoder_unet on the
    --backbone."""
    pretrained: str | None = None
    """encoder_unet: begin with what this network has learned: vgg16, MODEL:WEIGHTS, or
    MODEL:FILE."""
    loss: str = "cross_entropy"
    """cross_entropy, dice, jaccard, focal, or cross_entropy_dice, the sum of two."""
    optimizer: str = "adam"
    """adam, momentum, nesterov, adamw, ...: as for classifiers."""
    learning_rate: float = 2e-2
    """The step size, at the beginning."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the rate goes on: down to zero along a cosine, or as it began."""
    batch_size: int = 8
    """Images a step, over all devices."""
    epochs: int = 12
    """Passes over the training set, at most."""
    patience: int | None = None
    """Stop after so many epochs without a better validation score; None: never."""
    seed: int = 0
    """Decides the initial parameters, the order of the images, and all else at random."""
    out: Path | None = None
    """The run's new directory. By default runs/DATA-MODEL, numbered if that is taken."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(BadImages):
    """Which images, and how they are read."""

    image_size: int | None = None
    """Scale images until their longer side has so many pixels. By default as they are, and scenes
    of 64."""
    channels: Literal[1, 3] | None = None
    """Read images as grey (1) or colour (3). By default grey for scenes, colour otherwise."""
    scenes: int = 2000
    """How many scenes to learn from; as many, but at most 100, are for validation, and at most 200
    for the test."""
    validation_fraction: float = 0.1
    """The part held out to choose the best epoch, if the data have no validation part."""
    split_seed: int = 0
    """Decides which images are held out."""
    feed: Literal["auto", "resident", "streaming"] = "auto"
    """Keep all pixels on the device, or read them when needed. auto: keep up to 2 GB."""
    workers: int = 0
    """Read a streamed data set in so many processes; 0: in threads, better on few cores."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """The network."""

    width: int = 16
    """Channels of the finest level; each level below has twice as many. The paper's has 64."""
    depth: int = 3
    """How many times the resolution is halved. The paper's has 4."""
    backbone: str | None = None
    """encoder_unet: the network that looks, one of `jaxvision models`. Left out beside
    --pretrained."""
    freeze: str | None = None
    """With --pretrained: keep what this feature of the backbone is made of as it is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are changed, each time another way; masks move along."""

    patch: int | None = None
    """Learn from random windows of so many pixels a side, in place of whole images."""
    patches: int = 1
    """How many of them an epoch takes out of each image."""
    flip: bool = False
    """Mirror half of them, left and right."""
    vertical_flip: bool = False
    """Mirror half of them, top and bottom."""
    shift: float = 0.0
    """Move by up to this part of the side."""
    zoom: float = 0.0
    """Scale by up to this part, up or down."""
    rotation: float = 0.0
    """Turn by up to so many degrees, either way."""
    elastic: float = 0.0
    """Bend: 3 x 3 points move by so many pixels, as a standard deviation. The paper has 10."""
    color: float = 0.0
    """Change brightness and contrast, of colour images saturation too, by up to this part."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How it is learned and measured."""

    class_weights: Literal["none", "balanced"] = "none"
    """balanced: a pixel of a rare class weighs more, so that all classes weigh the same."""
    border_weight: float | None = None
    """w0, the weight of a gap between two objects that nearly touch, as in the U-Net, which has 10.
    The first class is the background."""
    border_sigma: float = 5.0
    """How wide such a gap may be, in pixels."""
    weight_decay: float = 0.0
    """The L2 penalty on kernels, added to their gradient; adamw has a decay of its own."""
    clip: float = 10.0
    """Gradients of a larger norm are shortened to it."""
    average_decay: float | None = 0.99
    """Evaluate and keep an average of the parameters, which so much stays of at a step; None: the
    parameters themselves."""
    max_skipped: int = 10
    """Steps with a loss or gradient that is not finite are left out; so many in a row: give up."""


GROUPS = (Main, Data, Network, Augmentation, Training, Compute, Record)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentConfig(Record, Compute, Training, Augmentation, Network, Data, Main):
    """Training a segmentation is a pure function of this and the data."""

    def __post_init__(self):
        """Raises ValueError with every value that cannot be, all in one line."""
        refuse_broken(self, type(self)._rules)

    def _rules(self) -> Rules:
        """For each value: whether its rule is kept, and the rule."""
        ranges = from_zero(
            self,
            **dict.fromkeys(("shift", "zoom", "color"), 1),
            **dict.fromkeys(("rotation", "elastic"), math.inf),
        )
        size, border = self.image_size, self.border_weight
        on_backbone = self.model == "encoder_unet"
        alone = "left out: it is for encoder_unet"
        return (
            shared_rules(self)
            | at_least(self, scenes=1, patch=1, width=1)
            | positive(self, "border_sigma")
            | ranges
            | {
                "image_size": (
                    size is None or 1 <= size <= MAX_SIDE,
                    f"in [1, {MAX_SIDE}], or None",
                ),
                "depth": (1 <= self.depth <= 6, "in [1, 6]"),
                "clip": (self.clip > 0, "positive"),
                "border_weight": (
                    border is None or (0 <= border < math.inf and self._takes_border_weights()),
                    f"from 0 on, with a loss of {' or '.join(WEIGHTED)}, and without class weights,"
                    " which it has of its own",
                ),
                "patches": (
                    self.patches >= 1 and (self.patch is not None or self.patches == 1),
                    "at least 1, and left out without `patch`",
                ),
                "backbone": (on_backbone or self.backbone is None, alone),
                "pretrained": (on_backbone or self.pretrained is None, alone),
                "freeze": (
                    not (self.pretrained is None and self.freeze),
                    "left out without `pretrained`",
                ),
                "remat": (not self.remat, "left out: no U-Net has it"),
            }
        )

    def _takes_border_weights(self) -> bool:
        return self.loss in WEIGHTED and self.class_weights == "none"
