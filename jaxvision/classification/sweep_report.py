"""What a sweep shows: a line a candidate, the best of them, pictures, and what to do next."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxvision.classification.axes import settings_of
from jaxvision.classification.config import TrainConfig
from jaxvision.selection.diagnosis import Diagnosis, diagnose
from jaxvision.selection.results import LaneResult, SweepResult
from jaxvision.selection.scores import CandidateScore, candidate_scores, varying
from jaxvision.selection.spaces import Candidate
from jaxvision.selection.tables import epoch_rows, lane_rows, write_csv
from jaxvision.train.display import Bar, Display

SHOWN = 10  # candidates in the table at the end
LARGEST_MAP = 20  # values a side of a heat map, the most that it can have


class Shown:
    """Follows the trainings: moves the bar, and shows a candidate when its last one has ended."""

    def __init__(
        self,
        display: Display,
        candidates: Sequence[Candidate],
        lanes: int,
        done: Sequence[LaneResult],
    ):
        """Args: so many trainings each candidate has; those that have ended before."""
        self._display, self._candidates, self._lanes = display, candidates, lanes
        self._ended: dict[int, list[LaneResult]] = {}
        for result in done:
            self._ended.setdefault(result.lane.candidate, []).append(result)
        self.bar: Bar | None = None

    def steps(self, count: int) -> None:
        """An `Observe` of the sweep."""
        if self.bar is not None:
            self.bar.advance(count, "")

    def lane(self, result: LaneResult) -> None:
        number = result.lane.candidate
        ended = self._ended.setdefault(number, [])
        ended.append(result)
        if len(ended) == self._lanes:
            (score,) = candidate_scores(SweepResult(tuple(ended)))
            self._display.note(
                f"{number + 1:>{len(str(len(self._candidates)))}}/{len(self._candidates)}  "
                f"{_described(self._candidates[number])}   {_percent(score)}"
            )


def write_tables(path: Path, result: SweepResult) -> None:
    """Writes a row a training, and a row an epoch."""
    write_csv(path / "lanes.csv", lane_rows(result))
    if any(lane.history for lane in result.lanes):
        write_csv(path / "epochs.csv", epoch_rows(result))


def draw(path: Path, result: SweepResult) -> None:
    """Writes the pictures; none if no training came to the end of an epoch."""
    if not result.metrics:
        return
    # Imported here: Matplotlib takes its time, and training need not wait for it.
    from jaxvision.selection.heat_map import plot_heat_map
    from jaxvision.selection.learning_curves import plot_learning_curves
    from jaxvision.selection.parallel_coordinates import plot_parallel_coordinates
    from jaxvision.selection.validation_curve import plot_validation_curve

    plot_learning_curves(result).savefig(path / "learning_curves.png")
    plot_parallel_coordinates(result).savefig(path / "parallel_coordinates.png")
    axes = varying(candidate_scores(result))
    if len(axes) == 1:
        plot_validation_curve(result, *axes).savefig(path / "validation_curve.png")
    elif axes and _is_a_grid(result, axes[:2]):
        plot_heat_map(result, *axes[:2]).savefig(path / "heat_map.png")


def _is_a_grid(result: SweepResult, axes: Sequence[str]) -> bool:
    """Whether these two hyperparameters have every combination of a few values: random draws are
    cells on a diagonal of nothing."""
    combinations = {
        tuple(lane.lane.hyperparameters[name] for name in axes) for lane in result.lanes
    }
    sides = [len(set(values)) for values in zip(*combinations, strict=True)]
    return len(combinations) == math.prod(sides) and max(sides) <= LARGEST_MAP


def show_sweep(
    display: Display,
    result: SweepResult,
    chosen: CandidateScore,
    config: TrainConfig,
    classes: int,
) -> None:
    """The best candidates, and what the chosen one's learning curves say."""
    scores = candidate_scores(result)
    names = varying(scores) or list(result.hyperparameters)
    # The one-standard-error rule may have chosen one that is not among the best few.
    shown = [
        (place, score)
        for place, score in enumerate(scores, 1)
        if place <= SHOWN or score.candidate == chosen.candidate
    ]
    rows = [
        [
            "chosen" if score.candidate == chosen.candidate else str(place),
            *(_written(score.hyperparameters[name]) for name in names),
            _percent(score),
            str(score.lanes),
        ]
        for place, score in shown
    ]
    display.table(
        "Candidates by validation accuracy, mean and standard error",
        ["", *names, "accuracy", "trainings"],
        rows,
    )
    display.note(f"\n{diagnosis_of(result, chosen, config, classes)}")


def diagnosis_of(
    result: SweepResult, chosen: CandidateScore, config: TrainConfig, classes: int
) -> Diagnosis:
    """Of the candidate's training with the median accuracy."""
    lanes = result.candidates[chosen.candidate]
    accuracies = [lane.best["validation"]["accuracy"] for lane in lanes]
    median = statistics.median_low(accuracies)
    lane = lanes[accuracies.index(median)]
    settings = vars(config) | settings_of(chosen.hyperparameters)
    augmentation = ("flip", "crop_padding", "shift", "zoom", "rotation", "shear", "color", "erase")
    used = {name for name in ("weight_decay", "label_smoothing") if settings[name]}
    if any(settings[name] for name in (*augmentation, "mixup", "cutmix")):
        used.add("augmentation")
    return diagnose(lane.history, classes=classes, used=used, ended=lane.ended)


def show_test(display: Display, path: Path, figures: dict[str, Any], images: int) -> None:
    """The figures of the chosen model, and where everything is."""
    test = figures["test"]
    display.note(
        f"\nTrained on all but the test images for {figures['epochs']} epochs: test accuracy "
        f"{100 * test['accuracy']:.2f} %, loss {test['loss']:.4f}, {images} images; "
        f"{figures['seconds']:.1f} s in all"
    )
    display.note(f"{path}: *.png, lanes.csv, epochs.csv; the model is in {path / 'chosen'}")


def _described(candidate: Candidate) -> str:
    return "  ".join(f"{name} {_written(value)}" for name, value in candidate.items())


def _written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _percent(score: CandidateScore) -> str:
    if score.diverged:
        return f"{score.diverged} of {score.lanes} diverged"
    error = f" ± {100 * score.standard_error:.2f}" if score.lanes > 1 else ""
    return f"{100 * score.mean:.2f}{error} %"
