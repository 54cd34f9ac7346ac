"""What can be set for a training run; plain data, so that `--help` never waits for JAX.

`TrainConfig` has it all; the classes that it is made of are the groups of `--help`.
"""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from jaxvision.runs.config import BadImages, Compute, Record, shared_rules
from jaxvision.settings import Rules, at_least, from_zero, refuse_broken

MAX_IMAGE_SIZE = 4096  # pixels a side


@dataclasses.dataclass(frozen=True, kw_only=True)
class Main:
    """What matters most."""

    data: str = "digits"
    """digits, folder:PATH (a sub-folder of images a class), or tfds:NAME (TensorFlow Datasets)."""
    model: str = "lenet5"
    """The network; `jaxvision models` lists them. Left out beside --pretrained."""
    optimizer: str = "adam"
    """sgd, momentum, heavy_ball, ema_momentum, nesterov, adagrad, rmsprop, centered_rmsprop,
    adadelta, adam, adam_uncorrected, adamw, nadam or adamax."""
    learning_rate: float = 2e-3
    """The step size, at the beginning."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the rate goes on: down to zero along a cosine, or as it began."""
    batch_size: int = 32
    """Examples a step, over all devices."""
    epochs: int = 40
    """Passes over the training set, at most."""
    patience: int | None = 15
    """Stop after so many epochs without a better validation score; None: never."""
    seed: int = 0
    """Decides the initial parameters, the order of the examples, and all else at random."""
    out: Path | None = None
    """The run's new directory. By default runs/DATA-MODEL, numbered if that is taken."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(BadImages):
    """Which examples, and how they are read."""

    image_size: int | None = None
    """Bring images to so many pixels a side. By default as the model was made for."""
    channels: Literal[1, 3] | None = None
    """Read images as grey (1) or colour (3). By default as the data are; a folder: colour."""
    validation_fraction: float = 0.1
    """The part held out to choose the best epoch, if the data have no validation part."""
    test_fraction: float = 0.2
    """The part held out for the one test at the end, if the data have no test part."""
    split_seed: int = 0
    """Decides which examples are held out; apart from the seed, so that runs compare."""
    data_dir: Path | None = None
    """Where TensorFlow Datasets are. By default ~/tensorflow_datasets."""
    allow_copies: bool = False
    """Train on a folder that has an image in two of its parts, which is an error else."""
    feed: Literal["auto", "resident", "streaming"] = "auto"
    """Keep all pixels on the device, or read them when needed. auto: keep up to 2 GB."""
    workers: int = 0
    """Read a streamed data set in so many processes; 0: in threads, better on few cores."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer:
    """What a network that has learned before brings with it."""

    pretrained: str | None = None
    """Go on with this network, under a new head: vgg16, MODEL:WEIGHTS, MODEL:FILE, or a run."""
    freeze: str | None = None
    """Keep what this feature is made of as it is: stage3, a feature's name, or body for all but
    the head."""
    rate_decay: float = 1.0
    """The rate of each stage, as a part of that of the stage above it."""
    unfreeze_epochs: int = 0
    """Let a stage more learn after so many epochs, the head first; 0: all at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are changed, each time another way."""

    flip: bool = False
    """Mirror half of them, left and right."""
    crop_padding: int = 0
    """Pad by so many mirrored pixels, and crop anywhere."""
    shift: float = 0.0
    """Move by up to this part of the side."""
    zoom: float = 0.0
    """Scale by up to this part, up or down."""
    rotation: float = 0.0
    """Turn by up to so many degrees."""
    shear: float = 0.0
    """Slant by up to so many degrees."""
    color: float = 0.0
    """Change brightness and contrast, of colour images saturation too, by up to this part."""
    erase: float = 0.0
    """Overwrite a rectangle in this part of the images."""
    mixup: float = 0.0
    """Mix pairs of images, by a weight from a beta distribution of this parameter."""
    cutmix: float = 0.0
    """Paste a rectangle of one image into another, of a size from such a distribution."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How it is learned and measured."""

    label_smoothing: float = 0.1
    """The share of every target that is spread over all classes; 0 for none."""
    weight_decay: float = 0.0
    """The L2 penalty on kernels, added to their gradient; adamw has a decay of its own."""
    average_decay: float | None = None
    """Evaluate and keep an average of the parameters, which so much stays of at a step: 0.999."""
    test_flip: bool = False
    """Evaluate with the mean of the logits of an image and its mirror image."""
    max_skipped: int = 10
    """Steps with a loss or gradient that is not finite are left out; so many in a row: give up."""


GROUPS = (Main, Data, Transfer, Augmentation, Training, Compute, Record)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(Record, Compute, Training, Augmentation, Transfer, Data, Main):
    """A training run is a pure function of this and the data."""

    def __post_init__(self):
        """Raises ValueError with every value that cannot be, all in one line."""
        refuse_broken(self, type(self)._rules)

    def _rules(self) -> Rules:
        """For each value: whether its rule is kept, and the rule."""
        strengths = from_zero(
            self,
            **{"shift": 1, "zoom": 1, "rotation": math.inf, "shear": 90, "color": 1},
            **dict.fromkeys(("mixup", "cutmix"), math.inf),
        )
        size, alone = self.image_size, self.pretrained is None
        return (
            shared_rules(self)
            | at_least(self, crop_padding=0, unfreeze_epochs=0)
            | strengths
            | {
                "label_smoothing": (0 <= self.label_smoothing <= 1, "in [0, 1]"),
                "erase": (0 <= self.erase <= 1, "in [0, 1]"),
                "image_size": (
                    size is None or 1 <= size <= MAX_IMAGE_SIZE,
                    f"in [1, {MAX_IMAGE_SIZE}], or None",
                ),
                "freeze": (not (alone and self.freeze), "left out without `pretrained`"),
                "rate_decay": (0 < self.rate_decay <= 1, "in (0, 1]"),
                "test_fraction": (0 < self.test_fraction < 1, "in (0, 1)"),
            }
        )
