"""What can be set for training a detector; plain data, so that `--help` never waits for JAX.

`DetectConfig` has it all; the classes that it is made of are the groups of `--help`.
"""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from jaxvision.runs.config import BadImages, Compute, Record, shared_rules
from jaxvision.settings import Rules, at_least, from_zero, refuse_broken

MAX_SIDE = 4096  # pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Main:
    """What matters most."""

    data: str = "scenes"
    """scenes (of digits, made here), voc:PATH, coco:PATH, or tfds:NAME."""
    model: str = "yolo"
    """The detector: yolo or faster_rcnn, on the --backbone; yolo_v1 or fast_yolo, as published."""
    backbone: str = "darknet_small"
    """The network below: darknet_small, or one of `jaxvision models`. Left out beside
    --pretrained."""
    pretrained: str | None = None
    """Begin with what this network has learned: vgg16, MODEL:WEIGHTS, or MODEL:FILE."""
    optimizer: str = "adam"
    """adam, momentum, nesterov, adamw, ...: as for classifiers."""
    learning_rate: float = 3e-3
    """The step size, at the beginning."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the rate goes on: down to zero along a cosine, or as it began."""
    batch_size: int = 32
    """Images a step, over all devices."""
    epochs: int = 10
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

    height: int | None = None
    """Fit images into so many pixels, the aspect kept, the rest grey. By default 128 for scenes,
    448 for the published networks, 320 for others."""
    width: int | None = None
    """Likewise; by default as the height."""
    channels: Literal[1, 3] | None = None
    """Read images as grey (1) or colour (3). By default grey for scenes, colour otherwise."""
    scenes: int = 6000
    """How many scenes to learn from; as many, but at most 200, are for validation, and at most 500
    for the test."""
    max_boxes: int | None = None
    """Objects an image at most; by default as many as the fullest image has."""
    validation_fraction: float = 0.1
    """The part held out to choose the best epoch, if the data have no validation part."""
    split_seed: int = 0
    """Decides which images are held out."""
    data_dir: Path | None = None
    """Where TensorFlow Datasets are. By default ~/tensorflow_datasets."""
    feed: Literal["auto", "resident", "streaming"] = "auto"
    """Keep all pixels on the device, or read them when needed. auto: keep up to 2 GB."""
    workers: int = 0
    """Read a streamed data set in so many processes; 0: in threads, better on few cores."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detector:
    """The network."""

    stride: int | None = None
    """Pixels between two places of the feature map: of the backbone's, the last such. By default
    8 on scenes and 16 otherwise."""
    hidden: int = 128
    """Channels of the detector's own convolution, and half the width of its dense layer."""
    cell_boxes: int = 2
    """yolo: boxes of each cell."""
    pyramid: int | None = None
    """faster_rcnn: look at a pyramid of so many channels, of all strides from --stride on."""
    anchor_sizes: tuple[float, ...] = ()
    """faster_rcnn: sides in pixels, as of squares; of a pyramid one for each level. By default
    such as the training boxes have."""
    anchor_ratios: tuple[float, ...] = ()
    """faster_rcnn: heights to widths. By default three that the training boxes have."""
    freeze: str | None = None
    """With --pretrained: keep what this feature of the backbone is made of as it is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are changed, each time another way; boxes move along."""

    flip: bool = False
    """Mirror half of them, left and right."""
    shift: float = 0.05
    """Move by up to this part of the side."""
    zoom: float = 0.15
    """Scale by up to this part, up or down."""
    crop: float = 0.0
    """Cut up to this part of the area off in half of them, and enlarge the rest."""
    color: float = 0.0
    """Change brightness and contrast, of colour images saturation too, by up to this part."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How it is learned and measured."""

    weight_decay: float = 0.0
    """The L2 penalty on kernels, added to their gradient; adamw has a decay of its own."""
    clip: float = 10.0
    """Gradients of a larger norm are shortened to it."""
    average_decay: float | None = 0.995
    """Evaluate and keep an average of the parameters, which so much stays of at a step; None: the
    parameters themselves."""
    max_skipped: int = 10
    """Steps with a loss or gradient that is not finite are left out; so many in a row: give up."""


GROUPS = (Main, Data, Detector, Augmentation, Training, Compute, Record)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectConfig(Record, Compute, Training, Augmentation, Detector, Data, Main):
    """Training a detector is a pure function of this and the data."""

    def __post_init__(self):
        """Raises ValueError with every value that cannot be, all in one line."""
        refuse_broken(self, type(self)._rules)

    def _rules(self) -> Rules:
        """For each value: whether its rule is kept, and the rule."""
        sides = {
            name: (value is None or 1 <= value <= MAX_SIDE, f"in [1, {MAX_SIDE}], or None")
            for name, value in (("height", self.height), ("width", self.width))
        }
        lengths = {
            name: (all(0 < x < math.inf for x in getattr(self, name)), "positive and finite")
            for name in ("anchor_sizes", "anchor_ratios")
        }
        # The published networks are whole: what is said of a backbone says nothing there.
        built = self.model not in ("yolo_v1", "fast_yolo")
        parts = {
            name: (
                built or getattr(self, name) == default,
                f"left out: {self.model} is as published",
            )
            for name, default in (
                ("backbone", DetectConfig.backbone),
                ("pretrained", None),
                ("stride", None),
            )
        }
        return (
            shared_rules(self)
            | at_least(self, stride=1, scenes=1, cell_boxes=1, hidden=1, max_boxes=1)
            | from_zero(self, **dict.fromkeys(("shift", "zoom", "crop", "color"), 1))
            | sides
            | lengths
            | parts
            | {
                "clip": (self.clip > 0, "positive"),
                "freeze": (
                    not (self.pretrained is None and self.freeze),
                    "left out without `pretrained`",
                ),
                "pyramid": (
                    self.pyramid is None or (self.pyramid >= 1 and self.model == "faster_rcnn"),
                    "at least 1, or left out where the model is not faster_rcnn",
                ),
                "remat": (not self.remat, "left out: no detector has it"),
            }
        )
