"""What can be set for a training run. Plain data: reading this, or `--help`, never waits for JAX."""

import dataclasses
from pathlib import Path
from typing import Literal


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training run is a pure function of this and the data."""

    data: str = "digits"
    """What to learn from: digits (built in), folder:PATH (a sub-folder of images for each class) or
    tfds:NAME (an image-classification set of TensorFlow Datasets)."""
    model: str = "lenet5"
    """The network; `jaxvision models` lists them."""
    optimizer: str = "adam"
    """adam or sgd."""
    learning_rate: float = 2e-3
    """The step size."""
    batch_size: int = 64
    """Examples a step."""
    epochs: int = 40
    """Passes over the training set, at most."""
    patience: int | None = 15
    """Stop after so many epochs without a better validation score; None: never."""
    seed: int = 0
    """Decides the initial parameters and the order of the examples."""
    out: Path | None = None
    """The run's directory, which must be new. By default runs/DATA-MODEL, numbered if that is taken."""

    label_smoothing: float = 0.0
    """The share of every target that is spread over all classes."""
    image_size: int | None = None
    """Height and width in pixels that images are brought to. By default what the model was made
    for, or else the size of the first image."""
    channels: Literal[1, 3] | None = None
    """Read images as grey (1) or colour (3). By default as the data set says; colour for a folder."""
    validation_fraction: float = 0.1
    """The part held out to choose the best epoch, if the data have no validation part."""
    test_fraction: float = 0.2
    """The part held out for the one test at the end, if the data have no test part."""
    split_seed: int = 0
    """Decides which examples are held out: apart from `seed`, so that runs are tested on the same ones."""
    feed: Literal["auto", "resident", "streaming"] = "auto"
    """Keep all images in the device's memory, or read them as they are needed. auto: resident up to
    2 GB of pixels."""
    checkpoint_seconds: float = 5.0
    """At the end of an epoch, save if the last checkpoint is older than this. The last epoch always is."""
    data_dir: Path | None = None
    """Where TensorFlow Datasets are; by default ~/tensorflow_datasets."""
