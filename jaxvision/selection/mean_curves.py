"""Mean learning curves: which lanes are one curve, and their mean where some ended before others.

The mean of an epoch is that of the lanes that made it. Where a lane ends, the mean jumps to that of
the others, which are not the same: with each value comes the number of lanes behind it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxvision.inspect.picture import shorten
from jaxvision.selection.results import LaneResult, SweepResult
from jaxvision.selection.scales import labels, scale_of_hyperparameter
from jaxvision.selection.scores import candidate_scores, varying

LONGEST = 20  # letters of a name or a word, where a line has many


class Group(NamedTuple):
    """The lanes of one curve."""

    label: str
    lanes: Sequence[LaneResult]


class MeanCurve(NamedTuple):
    """A metric by epoch, from epoch 1 to the last that any lane made.

    Attributes:
        mean: of the lanes with a finite value; NaN where there is none.
        low: one sample standard deviation below, but not below the lowest lane.
        high: likewise; of one lane all three are the same.
        lanes: how many have a finite value.
    """

    mean: Float[np.ndarray, " epochs"]
    low: Float[np.ndarray, " epochs"]
    high: Float[np.ndarray, " epochs"]
    lanes: Int[np.ndarray, " epochs"]


def mean_curve(lanes: Sequence[LaneResult], part: str, metric: str) -> MeanCurve:
    """The mean of `lanes`, and the band around it.

    Args:
        part: "train" or "validation".
        metric: a metric of that part.
    """
    epochs = max(len(lane.history) for lane in lanes)
    values = np.full((len(lanes), epochs), np.nan)
    for row, lane in zip(values, lanes, strict=True):
        row[: len(lane.history)] = [record[part][metric] for record in lane.history]
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    mean = np.where(finite, values, 0).sum(axis=0) / np.where(count, count, np.nan)
    squares = np.where(finite, values - mean, 0) ** 2
    deviation = np.sqrt(squares.sum(axis=0) / np.maximum(count - 1, 1))
    low = np.maximum(mean - deviation, np.where(finite, values, np.inf).min(axis=0))
    high = np.minimum(mean + deviation, np.where(finite, values, -np.inf).max(axis=0))
    return MeanCurve(mean, low, high, count)


def ranked_groups(result: SweepResult, by: str | None, metric: str) -> list[Group]:
    """The lanes of each candidate, or of each value of a hyperparameter, the best ones first.

    A value is as good as the best candidate that has it.

    Raises:
        ValueError: if there is no such hyperparameter or metric.
    """
    scores = candidate_scores(result, metric)
    names = (varying(scores) or list(result.hyperparameters)) if by is None else [by]
    scales = [scale_of_hyperparameter(result, name, "by") for name in names]
    texts = [dict(zip(scale.values, labels(scale.values), strict=True)) for scale in scales]
    candidates, lanes, written = result.candidates, defaultdict(list), {}
    for score in scores:
        values = [score.hyperparameters[name] for name in names]
        key = score.candidate if by is None else values[0]
        lanes[key] += candidates[score.candidate]
        written[key] = ", ".join(
            f"{shorten(name, LONGEST)} {shorten(text[value], LONGEST)}"
            for name, text, value in zip(names, texts, values, strict=True)
        )
    return [Group(written[key] or f"candidate {key}", of) for key, of in lanes.items()]
