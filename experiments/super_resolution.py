"""Enlarge first and then sharpen (SRCNN), or work on the small picture and enlarge last (ESPCN)?

    python -m experiments.super_resolution

It trains both on patches of the same photographs, which need no network, and measures them and
bicubic interpolation on parts of them that neither has seen. It writes a run for each and a table
into a new directory.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.command import run_experiment
from jaxvision.restoration.config import SuperResolveConfig
from jaxvision.restoration.training import train_super_resolver
from jaxvision.train import run as files
from jaxvision.train.display import Display

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
    display = Display(Console())
    path = config.out or files.make_numbered(Path("runs"), "super-resolution")
    path.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for name in ("espcn", "srcnn"):
        out = path / name
        train_super_resolver(dataclasses.replace(getattr(config, name), out=out), display.console)
        result = json.loads((out / files.RESULT).read_text())
        figures = result.get("test") or result["validation"]
        results["bicubic"] = figures["bicubic"]
        results[name] = {key: figures[key] for key in ("PSNR", "SSIM")}
        results[name]["seconds"] = result["seconds"]
    files.write_json(path / files.RESULT, results)
    rows = [
        [
            name,
            f"{figures['PSNR']:.2f} dB",
            f"{figures['SSIM']:.3f}",
            f"{figures['seconds']:.0f} s" if "seconds" in figures else "",
        ]
        for name, figures in results.items()
    ]
    title = f"Pictures made {config.espcn.factor} times smaller, enlarged again"
    display.table(title, ["", "PSNR", "SSIM", "time"], rows)
    display.note(f"{path}: the runs, {files.RESULT}")
    return results


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
