"""What can be set for a training run; plain data, so that `--help` never waits for JAX."""

import dataclasses
import math
from pathlib import Path
from typing import Literal

MAX_IMAGE_SIZE = 4096  # pixels a side


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training run is a pure function of this and the data."""

    data: str = "digits"
    """digits, folder:PATH (a sub-folder of images a class), or tfds:NAME (TensorFlow Datasets)."""
    model: str = "lenet5"
    """The network; `jaxvision models` lists them."""
    optimizer: str = "adam"
    """sgd, momentum, heavy_ball, ema_momentum, nesterov, adagrad, rmsprop, centered_rmsprop,
    adadelta, adam, adam_uncorrected, adamw, nadam or adamax."""
    learning_rate: float = 2e-3
    """The step size, at the beginning."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the rate goes on: down to zero along a cosine, or as it began."""
    batch_size: int = 32
    """Examples a step."""
    epochs: int = 40
    """Passes over the training set, at most."""
    patience: int | None = 15
    """Stop after so many epochs without a better validation score; None: never."""
    seed: int = 0
    """Decides the initial parameters and the order of the examples."""
    out: Path | None = None
    """The run's new directory. By default runs/DATA-MODEL, numbered if that is taken."""

    label_smoothing: float = 0.1
    """The share of every target that is spread over all classes; 0 for none."""
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
    feed: Literal["auto", "resident", "streaming"] = "auto"
    """Keep all pixels on the device, or read them when needed. auto: keep up to 2 GB."""
    checkpoint_seconds: float = 5.0
    """After an epoch, save if the last save is longer ago. The last epoch is always saved."""
    data_dir: Path | None = None
    """Where TensorFlow Datasets are. By default ~/tensorflow_datasets."""

    def __post_init__(self):
        """Raises ValueError with every value that cannot be, all in one line."""
        rules = {
            "learning_rate": (0 < self.learning_rate < math.inf, "positive and finite"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "patience": (self.patience is None or self.patience >= 1, "at least 1, or None"),
            "seed": (0 <= self.seed < 2**32, "in [0, 2**32)"),
            "label_smoothing": (0 <= self.label_smoothing <= 1, "in [0, 1]"),
            "image_size": (
                self.image_size is None or 1 <= self.image_size <= MAX_IMAGE_SIZE,
                f"in [1, {MAX_IMAGE_SIZE}], or None",
            ),
            "validation_fraction": (0 < self.validation_fraction < 1, "in (0, 1)"),
            "test_fraction": (0 < self.test_fraction < 1, "in (0, 1)"),
            "split_seed": (self.split_seed >= 0, "at least 0"),
            "checkpoint_seconds": (self.checkpoint_seconds >= 0, "at least 0"),
        }
        broken = [
            f"`{name}` must be {rule}, got {getattr(self, name)}"
            for name, (kept, rule) in rules.items()
            if not kept
        ]
        if broken:
            raise ValueError("; ".join(broken))
