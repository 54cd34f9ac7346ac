"""Enlarge first and then sharpen (SRCNN), or work on the small picture and enlarge last (ESPCN)?

    python -m experiments.super_resolution

It trains both on patches of the same photographs, which need no network, and measures them and
bicubic interpolation on parts of them that neither has seen. It writes a run for each and a table
into a new directory.
"""

import dataclasses
from pathlib import Path
from typing import Any

from experiments.command import run_experiment
from experiments.restoration import compare
from jaxvision.restoration.config import SuperResolveConfig
from jaxvision.restoration.training import train_super_resolver
from jaxvision.train import run as files

ESPCN = SuperResolveConfig(model="espcn")
SRCNN = SuperResolveConfig(model="srcnn")
TINY = {"patch": 16, "patches": 64, "epochs": 1, "channels": 1, "widths": (8, 8)}


@dataclasses.dataclass(frozen=True)
class Config:
    """What is compared.

    Attributes:
        espcn: the settings of the one.
        srcnn: those of the other.
        out: the new directory; by default one under runs/.
    """

    espcn: SuperResolveConfig = ESPCN
    srcnn: SuperResolveConfig = SRCNN
    out: Path | None = None


SMOKE = Config(  # what tests/test_experiments.py runs
    espcn=SuperResolveConfig(**TINY), srcnn=SuperResolveConfig(model="srcnn", **TINY)
)


def run(config: Config) -> dict[str, Any]:
    """Trains and measures both; the figures by the networks' names, and "bicubic"."""
    return compare(
        {"espcn": config.espcn, "srcnn": config.srcnn},
        train_super_resolver,
        config.out or files.make_numbered(Path("runs"), "super-resolution"),
        without="bicubic",
        title=f"Pictures made {config.espcn.factor} times smaller, enlarged again",
    )


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
