"""What may be asked of a painting. Nothing heavy is imported: `--help` reads it."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvision.settings import Rules, at_least, from_zero, positive, refuse_broken

COARSEST = 256  # pixels of the long side, or more, where a painting begins
MAX_SIZE = 16384  # pixels of the long side: a square of them takes 3 GB


@dataclasses.dataclass(frozen=True)
class Painting:
    """How to paint: what matters most.

    Attributes:
        content_weight: Alpha; more of it keeps more of the content.
        style_scale: Long side of the styles as a multiple of the image's: strokes grow with it.
        total_variation: Gamma; more of it makes smoother pictures.
        mix: Weights of the styles, by default equal: shares of one, or with masks each as it is.
        steps: At the coarsest size; each further one has half as many, but 30 or all.
    """

    content_weight: float = 0.05
    style_scale: float = 1.0
    total_variation: float = 0.0
    mix: tuple[float, ...] | None = None
    steps: int = 100


@dataclasses.dataclass(frozen=True)
class Optimization:
    """How to paint: the rest.

    Attributes:
        style_weight: Beta.
        coarsest: Long side in pixels where painting begins, or more; None for one size alone.
        optimizer: L-BFGS or Adam.
        learning_rate: Of Adam.
        memory: Pairs that L-BFGS keeps; each takes the space of two images.
        initial: What to begin with; style is noise of the styles' colours.
        seed: Of the noise.
        window: Pixels; what is larger is computed in windows of that size, to save memory.
        every: Steps from one report to the next.
    """

    style_weight: float = 1.0
    coarsest: int | None = COARSEST
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    learning_rate: float = 0.05
    memory: int = 10
    initial: Literal["content", "noise", "style"] = "content"
    seed: int = 0
    window: int = 1024
    every: int = 10


@dataclasses.dataclass(frozen=True)
class Settings(Optimization, Painting):
    """How to paint: all of it."""

    def __post_init__(self) -> None:
        """Raises ValueError with every value that cannot be, all in one line."""
        refuse_broken(self, type(self)._rules)

    def _rules(self) -> Rules:
        """For each value: whether its rule is kept, and the rule."""
        mix = self.mix
        sound = mix is None or (min(mix, default=0) >= 0 and 0 < sum(mix) < math.inf)
        return (
            at_least(self, steps=1, memory=1, every=1)
            | from_zero(self, content_weight=math.inf, style_weight=math.inf)
            | from_zero(self, total_variation=math.inf)
            | positive(self, "style_scale", "learning_rate")
            | {"mix": (sound, "0 or more, not all 0")}
        )


@dataclasses.dataclass(frozen=True)
class Network:
    """What sees.

    Attributes:
        network: vgg16, whose weights come in a package; vgg11, vgg13 or vgg19.
        weights: Which, of those that are known for it.
        weights_file: Where they are, if not where they are known to be.
        pool: Between its stages; the paper has average, the network learned with max.
        content_layers: Layers whose features are kept, as conv4_2.
        style_layers: Layers whose statistics are a style.
        statistic: What of the features is a style.
        relative: Divide each layer's distance by that of an empty image.
    """

    network: str = "vgg16"
    weights: str | None = None
    weights_file: Path | None = None
    pool: Literal["average", "max"] = "average"
    content_layers: tuple[str, ...] = ("conv4_2",)
    style_layers: tuple[str, ...] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    statistic: Literal["gram", "mean_std", "wasserstein"] = "gram"
    relative: bool = True


@dataclasses.dataclass(frozen=True)
class Files:
    """What is read and written.

    Attributes:
        out: The picture, .png or .jpg; by default named after the pictures it is made of.
        size: Long side in pixels; by default 512, or the content's own if that is less.
        preserve_colour: Keep the content's colours.
        colour_by: Keep them by painting the luminance alone, or by giving them to the styles: their
            mean and covariance, or all of their histogram.
        learned: A network that `jaxvision learn-style` has taught a style, instead of STYLE: it
            paints in one pass.
        mask: For each style a picture that is white where the style is wanted; without one for the
            last, it gets the rest.
        start: A picture to begin with.
        video: Write how it came about into this file, .gif.
        preview_every: Steps from one preview, which OUT holds until the end, to the next.
        force: Replace OUT and the video if they exist.
    """

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None
    size: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    preserve_colour: tyro.conf.FlagCreatePairsOff[bool] = False
    colour_by: Literal["luminance", "affine", "histogram"] = "luminance"
    learned: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    mask: tuple[Path, ...] = ()
    start: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    video: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    preview_every: int = 20
    force: tyro.conf.FlagCreatePairsOff[bool] = False

    def __post_init__(self) -> None:
        """Raises ValueError with every value that cannot be, all in one line."""
        refuse_broken(self, type(self)._rules)

    def _rules(self) -> Rules:
        """For each value: whether its rule is kept, and the rule."""
        fits = self.size is None or self.size <= MAX_SIZE
        return at_least(self, preview_every=1) | {"size": (fits, f"at most {MAX_SIZE}")}


WITH_LEARNED = ("out", "size", "preserve_colour", "colour_by", "learned", "force")
"""The options that a network which paints in one pass has a use for."""


@dataclasses.dataclass(frozen=True)
class Learning:
    """How a network learns a style.

    Attributes:
        out: The network, .safetensors; by default named after the style.
        start: A network of before, to go on with.
        steps: Of Adam; the paper makes 40,000.
        batch_size: Crops in a step; the paper has 4.
        size: Of a crop, in pixels a side; the paper has 256.
        width: Channels of the network's first convolution; the paper has 32.
        blocks: Residual blocks of the network.
        style_size: Short side of the style in pixels: strokes are of the size that they have then.
        content_weight: More of it keeps more of a photograph.
        total_variation: More of it makes smoother pictures.
        learning_rate: At first; it falls to 0 along a cosine. The paper has 1e-3.
        seed: Of the network and the crops.
        every: Steps from one line, and one saving, to the next.
        force: Replace OUT if it exists.
    """

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None
    start: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    steps: int = 1000
    batch_size: int = 2
    size: int = 128
    width: int = 16
    blocks: int = 5
    style_size: int = 256
    content_weight: float = 0.05
    total_variation: float = 0.05
    learning_rate: float = 2e-3
    seed: int = 0
    every: int = 50
    force: tyro.conf.FlagCreatePairsOff[bool] = False

    def __post_init__(self) -> None:
        """Raises ValueError with every value that cannot be, all in one line."""
        refuse_broken(self, type(self)._rules)

    def _rules(self) -> Rules:
        """For each value: whether its rule is kept, and the rule."""
        return (
            at_least(self, every=1, style_size=1)
            | from_zero(self, content_weight=math.inf, total_variation=math.inf)
            | positive(self, "learning_rate")
        )
