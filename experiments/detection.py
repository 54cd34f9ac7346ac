"""Do one look (YOLO) and two looks (Faster R-CNN) find digits in scenes equally well?

    python -m experiments.detection

It trains both from scratch on the same scenes of handwritten digits, which need no network, and
measures them on 500 scenes of digits that neither has seen. It writes a run for each, a table and
their precision-recall curves side by side into a new directory.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.command import run_experiment
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.report import draw
from jaxvision.detection.trained import evaluate
from jaxvision.detection.training import train_detector
from jaxvision.train import run as files
from jaxvision.train.display import Display

YOLO = DetectConfig(model="yolo")
FASTER_RCNN = DetectConfig(model="faster_rcnn", learning_rate=2e-3, epochs=6)


@dataclasses.dataclass(frozen=True)
class Config:
    """What is compared.

    Attributes:
        yolo: the settings of the one.
        faster_rcnn: those of the other.
        out: the new directory; by default one under runs/.
    """

    yolo: DetectConfig = YOLO
    faster_rcnn: DetectConfig = FASTER_RCNN
    out: Path | None = None


SMOKE = Config(  # what tests/test_experiments.py runs
    yolo=DetectConfig(model="yolo", scenes=24, epochs=2, batch_size=8, height=64),
    faster_rcnn=DetectConfig(model="faster_rcnn", scenes=24, epochs=2, batch_size=8, height=64),
)


def run(config: Config) -> dict[str, Any]:
    """Trains and measures both; the figures by the detectors' names."""
    display = Display(Console())
    path = config.out or files.make_numbered(Path("runs"), "detection")
    path.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for name in ("yolo", "faster_rcnn"):
        out = path / name
        train_detector(dataclasses.replace(getattr(config, name), out=out), display.console)
        evaluation = evaluate(out)
        draw(out, evaluation)
        seconds = json.loads((out / files.RESULT).read_text())["seconds"]
        results[name] = evaluation.figures | {"seconds": seconds}
    files.write_json(path / files.RESULT, results)
    rows = [
        [
            name,
            f"{100 * figures['mAP']:.1f} %",
            f"{100 * figures['coco']['ap']:.1f} %",
            *(str(figures["errors"][kind]) for kind in ("missed", "background", "class")),
            f"{figures['seconds']:.0f} s",
        ]
        for name, figures in results.items()
    ]
    columns = ["", "mAP .5", "AP .5:.95", "missed", "background", "wrong class", "time"]
    display.table(f"{results['yolo']['objects']} digits in scenes", columns, rows)
    display.note(f"{path}: the runs, {files.RESULT}")
    return results


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
