"""What can be set for training a denoiser or a super-resolver; plain data, so that `--help` never
waits for JAX.

`DenoiseConfig` and `SuperResolveConfig` have it all; the classes that they are made of are the
groups of `--help`.
"""

import dataclasses
from pathlib import Path
from typing import Literal

from jaxvision.runs.config import BadImages, Compute, Record, shared_rules
from jaxvision.settings import Rules, at_least, positive, refuse_broken

MAX_PATCH = 1024  # pixels
NOISES = ("gaussian", "poisson", "salt_and_pepper")
OF_NOISE = {
    **dict.fromkeys(("sigma", "test_sigma"), "gaussian"),
    "peak": "poisson",
    "fraction": "salt_and_pepper",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Common:
    """What matters most, whatever is restored."""

    data: str = "photographs"
    """photographs (two, of scikit-learn), scenes (of digits, made here), or images:PATH."""
    test_data: str | None = None
    """Test on these pictures, named like --data; by default on the test part of --data."""
    optimizer: str = "adam"
    """adam, momentum, nesterov, adamw, ...: as for classifiers."""
    learning_rate: float = 3e-3
    """The step size, at the beginning."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the rate goes on: down to zero along a cosine, or as it began."""
    batch_size: int = 8
    """Patches a step, over all devices; on few cores few patches learn fastest."""
    epochs: int = 5
    """Passes over the patches, at most."""
    patience: int | None = None
    """Stop after so many epochs without a better validation score; None: never."""
    seed: int = 0
    """Decides the initial parameters, the patches and their order, the noise, and all else at
    random."""
    out: Path | None = None
    """The run's new directory. By default runs/DATA-MODEL, numbered if that is taken."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Denoising(Common):
    """What matters most."""

    model: str = "dncnn"
    """The network: dncnn, which learns what the noise is; denoiser, three plain convolutions."""
    noise: Literal["gaussian", "poisson", "salt_and_pepper"] = "gaussian"
    """What is to be taken away: noise of one strength everywhere; of few photons; or pixels that
    are black or white."""
    sigma: tuple[float, ...] = (25.0,)
    """gaussian: its standard deviation in grey levels, of 255; two numbers: from the one to the
    other, drawn anew for each patch."""
    test_sigma: float | None = None
    """gaussian: that of validation and test, where each picture has the same noise at all times. By
    default --sigma, of a range its middle."""
    peak: float = 30.0
    """poisson: the expected photons of a white pixel."""
    fraction: float = 0.1
    """salt_and_pepper: the part of the pixels that is lost."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuperResolution(Common):
    """What matters most."""

    model: str = "espcn"
    """The network: espcn, which works on the small picture; srcnn, on one enlarged before."""
    factor: Literal[2, 3, 4] = 2
    """How many times as high and wide the picture becomes."""
    learning_rate: float = 2e-3
    """The step size, at the beginning."""
    epochs: int = 10
    """Passes over the patches, at most."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(BadImages):
    """Which pictures, and what is cut out of them."""

    patch: int = 40
    """Learn from squares of so many pixels a side."""
    patches: int = 4000
    """How many, out of all pictures alike."""
    channels: Literal[1, 3] | None = None
    """Convert pictures to grey (1) or colour (3). By default they stay as they are, which must then
    be alike."""
    validation_fraction: float = 0.1
    """The part held out to choose the best epoch, if the data have no validation part."""
    split_seed: int = 0
    """Decides which pictures are held out."""
    feed: Literal["auto", "resident", "streaming"] = "auto"
    """Keep all patches on the device, or cut them when needed. auto: keep up to 2 GB."""
    workers: int = 0
    """Cut a streamed data set in so many processes; 0: in threads, better on few cores."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Denoiser:
    """The network."""

    depth: int = 6
    """dncnn: how many convolutions; the paper has 17. Each lets a pixel see one further."""
    width: int = 32
    """Channels of each of them; the paper has 64."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuperResolver:
    """The network."""

    widths: tuple[int, ...] = (64, 32)
    """Channels of its first two convolutions."""
    residual: bool = True
    """Add what it says to the picture enlarged by bicubic interpolation, so that details are all
    that it has to learn. --no-residual: as in the papers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How patches are changed, each time another way."""

    turn: bool = True
    """Mirror and turn them, into one of the eight ways that a square can lie."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How it is learned and measured."""

    weight_decay: float = 0.0
    """The L2 penalty on kernels, added to their gradient; adamw has a decay of its own."""
    average_decay: float | None = None
    """Evaluate and keep an average of the parameters, which so much stays of at a step; None: the
    parameters themselves."""
    max_skipped: int = 10
    """Steps with a loss or gradient that is not finite are left out; so many in a row: give up."""


DENOISE_GROUPS = (Denoising, Data, Denoiser, Augmentation, Training, Compute, Record)
SUPER_RESOLVE_GROUPS = (
    *(SuperResolution, Data, SuperResolver, Augmentation, Training, Compute, Record),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Restoration(Record, Compute, Training, Augmentation, Data):
    """What is checked of both."""

    def __post_init__(self):
        """Raises ValueError with every value that cannot be, all in one line."""
        refuse_broken(self, type(self)._rules)

    def _rules(self) -> Rules:
        """For each value: whether its rule is kept, and the rule."""
        return (
            shared_rules(self)
            | at_least(self, patches=1)
            | {
                "patch": (8 <= self.patch <= MAX_PATCH, f"in [8, {MAX_PATCH}]"),
                "remat": (not self.remat, "left out: no network here has it"),
            }
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenoiseConfig(_Restoration, Denoiser, Denoising):
    """Training a denoiser is a pure function of this and the data."""

    def _rules(self) -> Rules:
        sigma, test = self.sigma, self.test_sigma
        ascending = len(sigma) in (1, 2) and list(sigma) == sorted(sigma)
        rules = {
            "noise": (self.noise in NOISES, f"one of {', '.join(NOISES)}"),
            "sigma": (
                ascending and sigma[0] >= 0 and 0 < sigma[-1] <= 255,
                "one number in (0, 255], or two, ascending",
            ),
            "test_sigma": (test is None or 0 < test <= 255, "in (0, 255], or None"),
            "fraction": (0 < self.fraction < 1, "in (0, 1)"),
            "depth": (self.depth >= 2, "at least 2"),
        }
        # What would be ignored is refused.
        for name, kind in OF_NOISE.items():
            if self.noise != kind and getattr(self, name) != getattr(DenoiseConfig, name):
                rules[name] = (False, f"left out without {kind} noise")
        if self.model == "denoiser" and self.depth != DenoiseConfig.depth:
            rules["depth"] = (False, "left out: `denoiser` has three convolutions")
        return super()._rules() | at_least(self, width=1) | positive(self, "peak") | rules

    @property
    def tested_sigma(self) -> float:
        """The strength that validation and test have."""
        return sum(self.sigma) / len(self.sigma) if self.test_sigma is None else self.test_sigma


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuperResolveConfig(_Restoration, SuperResolver, SuperResolution):
    """Training a super-resolver is a pure function of this and the data."""

    def _rules(self) -> Rules:
        two = len(self.widths) == 2 and min(self.widths) >= 1
        return super()._rules() | {
            "factor": (self.factor in (2, 3, 4), "2, 3 or 4"),
            "widths": (two, "two whole numbers, each at least 1"),
            "patch": (
                8 * self.factor <= self.patch <= MAX_PATCH and self.patch % self.factor == 0,
                f"a multiple of the factor, {self.factor}, in [{8 * self.factor}, {MAX_PATCH}]",
            ),
        }
