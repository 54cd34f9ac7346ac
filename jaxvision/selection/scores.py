"""Which candidate is best: means and standard errors over seeds and folds, and what they allow.

With x_1 .. x_n the values of a metric, one of each lane, a seed and a fold, at its best epoch:

    mean = sum_i x_i / n          standard_error = sqrt(sum_i (x_i - mean)^2 / (n - 1)) / sqrt(n)

The standard error is optimistic where there are folds. It takes the x_i for independent, but any
two folds of k share (k - 2) / (k - 1) of their training examples, so that their values vary
together, and no unbiased estimator of the variance exists (Bengio & Grandvalet, "No Unbiased
Estimator of the Variance of K-Fold Cross-Validation", JMLR 5, 2004). Seeds on the same examples say
nothing of other examples at all. Read it as a least uncertainty.

The mean too is optimistic, as each x_i is the best of its lane's epochs, and the winner's the best
of its candidates: what the winner is worth, a test set says that nothing was chosen by.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxvision.names import lookup
from jaxvision.selection.results import LaneResult, SweepResult
from jaxvision.selection.spaces import Value

_SIGNS = {"accuracy": 1, "loss": -1, "error": -1}


class CandidateScore(NamedTuple):
    """How good a combination of hyperparameters is.

    Attributes:
        candidate: its number.
        hyperparameters: the combination.
        mean: of the metric over the lanes, each at its best epoch; NaN if a lane diverged.
        standard_error: of the mean; NaN if a lane diverged, or there is only one.
        lanes: how many there are, seeds x folds.
        diverged: how many of them did.
        halved: how many of them were dropped by successive halving, so that they had fewer epochs.
    """

    candidate: int
    hyperparameters: dict[str, Value]
    mean: float
    standard_error: float
    lanes: int
    diverged: int
    halved: int


def sign(metric: str) -> int:
    """1 if larger values of the metric are better, -1 if smaller ones are.

    The last word of the name decides: accuracy, or loss and error.

    Raises:
        ValueError: if it is none of these.
    """
    word = metric.rpartition("_")[2]
    if word not in _SIGNS:
        raise ValueError(
            f"`metric` must end in one of {', '.join(_SIGNS)}, which says whether more is better, "
            f"got {metric!r}: name it so, like `top5_accuracy`."
        )
    return _SIGNS[word]


def candidate_scores(result: SweepResult, metric: str = "accuracy") -> tuple[CandidateScore, ...]:
    """The score of each candidate, the best first; of equals the one with the lower number.

    A candidate of which a lane diverged comes last, with NaN for a mean: whoever trains with these
    hyperparameters must fear the same, and the mean of the lanes that did not would hide it.

    Args:
        result: of `sweep`.
        metric: of the validation; larger is better of an accuracy, smaller of a loss or an error.

    Raises:
        ValueError: if there is no such metric, or its name does not say which way is better.
    """
    if result.metrics:
        lookup("metric", metric, dict.fromkeys(result.metrics))
    direction = sign(metric)
    scores = [_score(lanes, metric) for lanes in result.candidates.values()]
    return tuple(
        sorted(scores, key=lambda s: -direction * s.mean if math.isfinite(s.mean) else math.inf)
    )


def best_candidate(result: SweepResult, metric: str = "accuracy") -> CandidateScore:
    """The candidate with the best mean; the arguments are those of `candidate_scores`.

    Raises:
        ValueError: as `candidate_scores`, and if all candidates diverged.
    """
    best = candidate_scores(result, metric)[0]
    if not math.isfinite(best.mean):
        raise ValueError(
            f"no candidate has a mean {metric}: of each at least one lane diverged. Sweep over "
            "lower learning rates, or clip the gradients."
        )
    return best


def simplest_candidate(
    result: SweepResult, simplicity: Callable[[dict[str, Any]], float], metric: str = "accuracy"
) -> CandidateScore:
    """The simplest candidate that is not worse than the best one by more than its standard error.

    The one-standard-error rule (Breiman, Friedman, Olshen & Stone, "Classification and Regression
    Trees", 1984, section 3.4.3; Hastie, Tibshirani & Friedman, "The Elements of Statistical
    Learning", 2nd edition 2009, section 7.10.1): what the data cannot tell apart is chosen by
    simplicity. Of equally simple ones it is the one with the better mean.

    Args:
        result: of `sweep`.
        simplicity: of the hyperparameters; larger is simpler: `lambda h: h["weight_decay"]`.
        metric: as in `candidate_scores`.

    Raises:
        ValueError: as `best_candidate`, and if the best candidate has only one lane, which gives no
            standard error, or `simplicity` is NaN.
    """
    best = best_candidate(result, metric)
    if math.isnan(best.standard_error):
        raise ValueError(
            f"candidate {best.candidate}, the best, must have at least 2 lanes for a standard "
            "error, got 1: train with more seeds or folds, or take `best_candidate`."
        )
    worst = sign(metric) * best.mean - best.standard_error
    near = [s for s in candidate_scores(result, metric) if sign(metric) * s.mean >= worst]
    simple = [simplicity(score.hyperparameters) for score in near]
    for score, value in zip(near, simple, strict=True):
        if math.isnan(value):
            raise ValueError(f"`simplicity` must be a number, got NaN for {score.hyperparameters}.")
    return near[simple.index(max(simple))]


def mean_at_best(lanes: Sequence[LaneResult], part: str, metric: str) -> tuple[float, float]:
    """The mean over the lanes, each at its best epoch, and its standard error.

    Both are NaN if a lane diverged; of one lane there is no standard error.

    Args:
        part: "train" or "validation", by which the epochs are the best in any case.
        metric: a metric of that part.
    """
    count = len(lanes)
    values = np.array([math.nan if x.diverged else x.best[part][metric] for x in lanes])
    finite = np.isfinite(values).all()
    return (
        float(values.mean()) if finite else math.nan,
        float(values.std(ddof=1) / math.sqrt(count)) if finite and count > 1 else math.nan,
    )


def varying(scores: Sequence[CandidateScore]) -> list[str]:
    """The hyperparameters that are not the same for all candidates."""
    return [
        name
        for name in scores[0].hyperparameters
        if len({score.hyperparameters[name] for score in scores}) > 1
    ]


def _score(lanes: tuple[LaneResult, ...], metric: str) -> CandidateScore:
    return CandidateScore(
        lanes[0].lane.candidate,
        lanes[0].lane.hyperparameters,
        *mean_at_best(lanes, "validation", metric),
        len(lanes),
        sum(one.diverged for one in lanes),
        sum(one.ended == "halved" for one in lanes),
    )
