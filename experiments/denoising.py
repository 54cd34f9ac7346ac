"""Is it easier to learn the noise than the picture?

    python -m experiments.denoising

It trains a DnCNN, which learns what the noise is and takes it away, and a plain network of three
convolutions, which has to learn to pass the picture on as well, on patches of the same photographs,
which need no network. Both are measured on parts of them that neither has seen. It writes a run for
each and a table into a new directory.
"""

import dataclasses
from pathlib import Path
from typing import Any

from experiments.command import run_experiment
from experiments.restoration import compare
from jaxvision.restoration.config import DenoiseConfig
from jaxvision.restoration.training import train_denoiser
from jaxvision.train import run as files

DNCNN = DenoiseConfig(model="dncnn")
DENOISER = DenoiseConfig(model="denoiser", learning_rate=1e-3)
TINY = {"patch": 16, "patches": 64, "epochs": 1, "channels": 1}


@dataclasses.dataclass(frozen=True)
class Config:
    """What is compared.

    Attributes:
        dncnn: the settings of the one.
        denoiser: those of the other.
        out: the new directory; by default one under runs/.
    """

    dncnn: DenoiseConfig = DNCNN
    denoiser: DenoiseConfig = DENOISER
    out: Path | None = None


SMOKE = Config(  # what tests/test_experiments.py runs
    dncnn=DenoiseConfig(depth=3, width=8, **TINY),
    denoiser=DenoiseConfig(model="denoiser", width=8, **TINY),
)


def run(config: Config) -> dict[str, Any]:
    """Trains and measures both; the figures by the networks' names, and "noisy"."""
    return compare(
        {"dncnn": config.dncnn, "denoiser": config.denoiser},
        train_denoiser,
        config.out or files.make_numbered(Path("runs"), "denoising"),
        without="noisy",
        title="Pictures without their noise",
    )


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
