"""How a run ends: `result.json`, its pictures, and what is shown of both."""

import time
from types import ModuleType
from typing import Any

from jaxvision.runs.session import Session
from jaxvision.train import run as files
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress


def learned(progress: Progress, began: float) -> dict[str, Any]:
    """What a result says of any training: its length, and where it was best."""
    return {
        "seconds": round(time.monotonic() - began, 2),
        "steps": progress.history[-1]["step"],
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
    }


def write_result(
    session: Session,
    progress: Progress,
    began: float,
    part: str,
    evaluation: Any,
    report: ModuleType,
) -> None:
    """Writes and shows what was measured at the end.

    Args:
        session: of the run.
        progress: that was made.
        began: when the run did, as `time.monotonic` says it.
        part: what was measured on: "test" or "validation".
        evaluation: what was measured; its `figures` are JSON.
        report: the task's module of this name: `draw` writes its `PICTURES`, `show` prints.
    """
    path = session.path
    result = {
        part: evaluation.figures,
        "best": progress.history[progress.best_epoch - 1]["validation"],
    } | learned(progress, began)
    report.draw(path, evaluation, progress)
    files.write_json(path / files.RESULT, result)
    report.show(session.display, evaluation, f"{path}: {part}")
    tell_length(session.display, result)
    session.display.note(f"{path}: {', '.join(report.PICTURES)}, {files.RESULT}, {files.MODEL}")


def tell_length(display: Display, result: dict[str, Any]) -> None:
    """Says which epoch was the best, and how long all took."""
    display.note(
        f"best epoch {result['best_epoch']} of {result['epochs']}, {result['steps']} steps, "
        f"{result['seconds']:.1f} s"
    )
