"""What does a U-Net learn by: cross-entropy, or with Dice beside it, or with rare classes weighed?

    python -m experiments.segmentation

It trains the same U-Net with each on the same scenes of handwritten digits, which need no network,
and measures it on 200 scenes of digits that it has not seen. Nine pixels of ten are background: a
loss that is a mean over pixels sees little else. It writes a run for each and a table into a new
directory. With your own images:

    python -m experiments.segmentation --base.data masks:cells --base.patch 128
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.command import run_experiment
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.training import train_segmenter
from jaxvision.train import run as files
from jaxvision.train.display import Display

BASE = SegmentConfig()
LOSSES = {
    "cross_entropy": {"loss": "cross_entropy"},
    "balanced": {"loss": "cross_entropy", "class_weights": "balanced"},
    "cross_entropy_dice": {"loss": "cross_entropy_dice"},
}


@dataclasses.dataclass(frozen=True)
class Config:
    """What is compared.

    Attributes:
        base: the settings that all have; the loss and the class weights are each one's own.
        losses: which of them, by their names.
        out: the new directory; by default one under runs/.
    """

    base: SegmentConfig = BASE
    losses: tuple[str, ...] = tuple(LOSSES)
    out: Path | None = None


SMOKE = Config(  # what tests/test_experiments.py runs
    base=SegmentConfig(scenes=16, epochs=2, batch_size=4, image_size=64, width=4, depth=2),
    losses=("cross_entropy", "cross_entropy_dice"),
)


def run(config: Config) -> dict[str, Any]:
    """Trains and measures each; the figures by the losses' names."""
    display = Display(Console())
    path = config.out or files.make_numbered(Path("runs"), "segmentation")
    path.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for name in config.losses:
        one = dataclasses.replace(config.base, out=path / name, **LOSSES[name])
        train_segmenter(one, display.console)
        result = json.loads((path / name / files.RESULT).read_text())
        figures = result.get("test") or result["validation"]
        results[name] = figures | {"seconds": result["seconds"]}
    files.write_json(path / files.RESULT, results)
    rows = [
        [
            name,
            f"{100 * figures['mIoU']:.1f} %",
            f"{100 * figures['pixel_accuracy']:.1f} %",
            f"{figures['seconds']:.0f} s",
        ]
        for name, figures in results.items()
    ]
    display.table("losses", ["", "mean IoU", "pixel accuracy", "time"], rows)
    display.note(f"{path}: the runs, {files.RESULT}")
    return results


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
