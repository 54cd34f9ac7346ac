"""What came out of a sweep: each training's history and how it ended, in memory and as JSON.

    result = read_json(Path("sweep.json"))
    print(best_candidate(result).hyperparameters)                                  # `scores`
    write_csv(Path("lanes.csv"), lane_rows(result))                                # `tables`

In the file a metric that is not finite is null for NaN, and "Infinity" or "-Infinity" as in
Protocol Buffers' JSON mapping, https://protobuf.dev/programming-guides/json: NaN is no JSON.
"""

import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxvision.names import lookup
from jaxvision.selection.spaces import Value
from jaxvision.train.run import write_whole

ENDED = {
    "epochs": "made all of them",
    "patience": "stopped early",
    "diverged": "was no longer finite",
    "halved": "was dropped by successive halving",
}
PARTS = ("train", "validation")


@dataclass(frozen=True)
class Lane:
    """One training of a sweep.

    Attributes:
        candidate: which combination of hyperparameters.
        hyperparameters: the combination.
        seed: of its initial parameters and of the order of its batches.
        fold: the part of cross-validation that it is validated on; None without folds.

    Raises:
        ValueError: if a hyperparameter is not a finite number or a word.
    """

    candidate: int
    hyperparameters: dict[str, Value]
    seed: int
    fold: int | None = None

    def __post_init__(self):
        for name, value in self.hyperparameters.items():
            number = isinstance(value, int | float) and math.isfinite(value)
            if not number and not isinstance(value, str):
                raise ValueError(
                    f"`hyperparameters` must be finite numbers or words, got {name} = {value!r} of "
                    f"type {type(value).__name__}: pass Python's own, for arrays `.item()`."
                )


@dataclass(frozen=True)
class LaneResult:
    """How one training went.

    Attributes:
        lane: which one it is.
        history: a dict an epoch, as `jaxvision.train.fit.Progress.history`.
        best_epoch: the one with the best validation score, from 1; 0 if there is none.
        ended: why: one of `ENDED`.

    Raises:
        ValueError: if the epochs of `history` are not 1, 2, ..., if `best_epoch` is none of them,
            or 0 though the lane did not diverge, or if `ended` is unknown.
    """

    lane: Lane
    history: tuple[dict, ...]
    best_epoch: int
    ended: str

    def __post_init__(self):
        lookup("ended", self.ended, ENDED)
        epochs = [record["epoch"] for record in self.history]
        if epochs != list(range(1, len(epochs) + 1)):
            raise ValueError(
                f"`history` must have the epochs 1 to {len(epochs)} in order, got {epochs}: of a "
                "training that was resumed keep each epoch once."
            )
        first = 0 if self.diverged else 1
        if not first <= self.best_epoch <= len(epochs):
            raise ValueError(
                f"`best_epoch` must be from {first} to {len(epochs)}, one of the epochs made, got "
                f"{self.best_epoch}; 0, for none, is right if the lane diverged."
            )

    @property
    def best(self) -> dict | None:
        """The record of the best epoch; None if there is none."""
        return self.history[self.best_epoch - 1] if self.best_epoch else None

    @property
    def diverged(self) -> bool:
        """Whether it ended because it was no longer finite."""
        return self.ended == "diverged"


@dataclass(frozen=True)
class SweepResult:
    """All trainings of a sweep.

    Raises:
        ValueError: if there is none, if one is there twice, if a candidate's hyperparameters are
            not always the same, or if lanes differ in the names of hyperparameters or metrics.
    """

    lanes: tuple[LaneResult, ...]

    def __post_init__(self):
        if not self.lanes:
            raise ValueError("`lanes` must hold at least one training, got none.")
        _check_once(self.lanes)
        _check_alike(self.lanes)

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.lanes[0].lane.hyperparameters)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the validation's metrics; none if no lane has made an epoch."""
        records = (record for result in self.lanes for record in result.history)
        return tuple(next(records, {"validation": {}})["validation"])

    @property
    def candidates(self) -> dict[int, tuple[LaneResult, ...]]:
        """The lanes of each candidate, by its number, in ascending order."""
        lanes: dict[int, list[LaneResult]] = defaultdict(list)
        for result in self.lanes:
            lanes[result.lane.candidate].append(result)
        return {number: tuple(lanes[number]) for number in sorted(lanes)}


def write_json(path: Path, result: SweepResult) -> None:
    """Writes all of `result`, the whole file or none: who reads it back has the same.

    Raises:
        OSError: if it cannot be written.
    """
    content = {"lanes": [_encode(asdict(one)) for one in result.lanes]}
    write_whole(path, json.dumps(content, indent=1).encode() + b"\n")


def read_json(path: Path) -> SweepResult:
    """What `write_json` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or no sweep.
    """
    try:
        content = json.loads(path.read_text())
        return SweepResult(tuple(_lane_result(**one) for one in content["lanes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged, or not the result of a sweep ({error}): give the file that "
            "`write_json` wrote."
        ) from error


def _check_once(lanes: tuple[LaneResult, ...]) -> None:
    places: dict[str, int] = {}
    for place, one in enumerate(lanes):
        key = f"candidate {one.lane.candidate}, seed {one.lane.seed}, fold {one.lane.fold}"
        if key in places:
            raise ValueError(
                f"`lanes` must hold each training once, got {key} at the places {places[key]} and "
                f"{place}."
            )
        places[key] = place


def _check_alike(lanes: tuple[LaneResult, ...]) -> None:
    first: dict[str, Any] = {}
    for one in lanes:
        combination = one.lane.hyperparameters
        facts = [
            (f"hyperparameters of candidate {one.lane.candidate}", combination),
            ("names of hyperparameters", sorted(combination)),
        ]
        facts += [(f"metrics of {part}", sorted(r[part])) for r in one.history for part in PARTS]
        for what, value in facts:
            if first.setdefault(what, value) != value:
                raise ValueError(
                    f"`lanes` must have the same {what}, got {first[what]} and {value}: make a "
                    "sweep of each."
                )


def _lane_result(lane: dict, history: list, best_epoch: int, ended: str) -> LaneResult:
    records = tuple(
        record | {part: {k: _decode(v) for k, v in record[part].items()} for part in PARTS}
        for record in history
    )
    return LaneResult(Lane(**lane), records, best_epoch, ended)


def _encode(value: Any) -> Any:
    match value:
        case dict():
            return {key: _encode(one) for key, one in value.items()}
        case tuple() | list():
            return [_encode(one) for one in value]
        case str() | int() | None:
            return value
    number = float(value)  # also of NumPy's
    if math.isnan(number):
        return None
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _decode(value: Any) -> float | int:
    if value is None:
        return math.nan
    return float(value) if isinstance(value, str) else value
