"""Restoring networks side by side: each is trained and measured, and the figures make one table.

`experiments/denoising.py` and `experiments/super_resolution.py` are its two uses.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.train import run as files
from jaxvision.train.display import Display

Settings = DenoiseConfig | SuperResolveConfig


def compare(
    networks: dict[str, Settings],
    train: Callable[[Any, Console], Path],
    path: Path,
    *,
    without: str,
    title: str,
) -> dict[str, Any]:
    """Trains each network into a run below `path`, and shows and writes what they reach.

    Args:
        networks: the settings of each, by the name of its run.
        train: `train_denoiser` or `train_super_resolver`.
        path: the directory of the runs and of result.json.
        without: what a run calls the figures of the pictures that no network has touched.
        title: the table's.

    Returns:
        The figures by the networks' names, and those `without`.
    """
    display = Display(Console())
    path.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for name, settings in networks.items():
        out = path / name
        train(dataclasses.replace(settings, out=out), display.console)
        result = json.loads((out / files.RESULT).read_text())
        figures = result.get("test") or result["validation"]
        results[without] = figures[without]
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
    display.table(title, ["", "PSNR", "SSIM", "time"], rows)
    display.note(f"{path}: the runs, {files.RESULT}")
    return results
