"""Calibration: of all that is said with 80 %, 80 % should be true.

Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
https://arxiv.org/abs/1706.04599. The confidence of a classifier is its largest probability. With
n_b of the n examples in bin b,

    ECE = sum_b n_b / n |accuracy_b - confidence_b|          equation 3
    MCE = max_b |accuracy_b - confidence_b|                  equation 5
    confidence = max_k softmax(z / T)_k                      equation 9

T is fitted by maximum likelihood on examples that the network has not learned from. In u = 1 / T,

    L(u)   = mean_i  log sum_k e^(u z_ik) - u z_iy           convex
    L'(u)  = mean_i  E[z_i] - z_iy                           expectations under softmax(u z_i)
    L''(u) = mean_i  Var[z_i]

so Newton's method, kept inside a bracket, always ends at the one minimum, where there is one. It
does not move the largest logit: accuracy stays what it was.

Of a predicted distribution, with F its distribution function, F(t) of true targets t is uniform if
it is calibrated (Gneiting, Balabdaoui & Raftery, "Probabilistic forecasts, calibration and
sharpness", JRSS B 69, 2007, section 2). So of the central intervals of a level p, between the
quantiles (1 - p) / 2 and (1 + p) / 2, a share p covers its target.

All is computed in float64 on the host, of the outputs of a whole evaluation.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer
from scipy.special import log_softmax, softmax

from jaxvision.hyperparameters import Scalar, require, require_whole

NEWTON_STEPS = 100  # never needed: in float64 a bracket that is halved 60 times is a point
CLOSE = 1e-12


class Reliability(NamedTuple):
    """What was said and what was true, by bins of what was said."""

    edges: Float[np.ndarray, " bins+1"]
    counts: Int64[np.ndarray, " bins"]
    confidence: Float64[np.ndarray, " bins"]  # the mean of those in the bin; NaN without any
    accuracy: Float64[np.ndarray, " bins"]  # the same


def top_label(
    logits: Float[np.ndarray, "n classes"],
    labels: Integer[np.ndarray, " n"],
    temperature: Scalar = 1.0,
) -> tuple[Float64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """How confident the largest logit is, and whether it is the label's.

    Raises:
        ValueError: if a label is no class, a logit is not finite, or `temperature` not above 0.
    """
    _check_classes(logits, labels)
    require("temperature", temperature, "(0, inf)", "1 leaves the confidence as it is")
    probabilities = softmax(logits.astype(np.float64) / float(temperature), axis=1)
    return probabilities.max(axis=1), np.argmax(logits, axis=1) == labels


def equal_width(bins: int = 15) -> Float64[np.ndarray, " {bins}+1"]:
    """Edges of bins of one width, as in the paper.

    Raises:
        ValueError: if `bins` is below 1.
    """
    require_whole("bins", bins, low=1)
    return np.linspace(0, 1, bins + 1)


def equal_mass(confidence: Float[np.ndarray, " n"], bins: int = 15) -> Float64[np.ndarray, " e"]:
    """Edges of bins with as many examples each, as far as equal confidences allow.

    Nguyen & O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", EMNLP 2015, section 3: where most are near 1, bins of one width say little.

    Raises:
        ValueError: if `bins` is below 1, or `confidence` is not in [0, 1], or none.
    """
    require_whole("bins", bins, low=1)
    _check_probabilities("confidence", confidence)
    inner = np.quantile(confidence.astype(np.float64), np.linspace(0, 1, bins + 1)[1:-1])
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def reliability(
    confidence: Float[np.ndarray, " n"],
    correct: Bool[np.ndarray, " n"],
    edges: Float[np.ndarray, " e"],
) -> Reliability:
    """Compares, bin by bin, the mean confidence with the share that is correct.

    Args:
        confidence: what was said, in [0, 1].
        correct: whether it was true.
        edges: in ascending order, from 0 to 1, of `equal_width` or `equal_mass`. A bin has its
            upper edge, and not its lower one (the first has both).

    Raises:
        ValueError: if an argument is not as above, or there is no example.
    """
    _check_probabilities("confidence", confidence)
    if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or (np.diff(edges) <= 0).any():
        raise ValueError(
            f"`edges` must ascend from 0 to 1, got {edges[:3].tolist()} to {edges[-1:].tolist()}: "
            "take `equal_width(15)`."
        )
    bins = len(edges) - 1
    of = np.searchsorted(edges[1:-1], confidence, side="left")
    counts = np.bincount(of, minlength=bins)
    divisor = np.where(counts, counts, np.nan)
    sums = (np.bincount(of, weights, minlength=bins) for weights in (confidence, correct))
    return Reliability(edges, counts, *(total / divisor for total in sums))


def expected_calibration_error(found: Reliability) -> float:
    """ECE: the mean distance of accuracy and confidence, each bin with the weight of its examples.

    It is never negative, so the fewer examples a bin has, the more of it is chance.
    """
    gaps = np.abs(found.accuracy - found.confidence)
    return float(np.nansum(found.counts * gaps) / found.counts.sum())


def maximum_calibration_error(found: Reliability) -> float:
    """MCE: the distance in the worst bin."""
    return float(np.nanmax(np.abs(found.accuracy - found.confidence)))


def fit_temperature(
    logits: Float[np.ndarray, "n classes"], labels: Integer[np.ndarray, " n"]
) -> float:
    """The temperature T at which the labels are most likely under softmax(logits / T).

    Args:
        logits: of examples that the network has not learned from.
        labels: their classes.

    Raises:
        ValueError: if a label is no class or a logit is not finite, or if no temperature is the
            best: where every largest logit is right, T = 0 is, and where the labels' logits are on
            average no larger than the others, T is infinite.
    """
    _check_classes(logits, labels)
    z = logits.astype(np.float64)
    z = z - np.take_along_axis(z, labels[:, None].astype(np.int64), axis=1)  # so z_iy = 0
    if z.max() <= 0:
        raise ValueError(
            "`logits` must be wrong somewhere, got the largest where each label is: the likelihood "
            "then grows as T goes to 0. Give more examples, none of them learned from."
        )
    if z.mean() >= 0:
        raise ValueError(
            "`logits` must be larger at the labels than elsewhere on average, got them "
            f"{z.mean():.3g} smaller: no temperature above 0 helps. Look whether the labels are "
            "those of these logits."
        )
    u, low, high = 1 / np.abs(z).max(), 0.0, np.inf
    for _ in range(NEWTON_STEPS):
        slope, curvature = _derivatives(z, u)
        low, high = (u, high) if slope < 0 else (low, u)
        new = u - slope / curvature if curvature > 0 else np.inf
        if not (low <= new <= high and 0 < new < np.inf):
            new = 2 * u if high == np.inf else (low + high) / 2
        if abs(new - u) <= CLOSE * u:
            break
        u = new
    return float(1 / u)


def temperature_nll(
    logits: Float[np.ndarray, "n classes"],
    labels: Integer[np.ndarray, " n"],
    temperature: Scalar = 1.0,
) -> float:
    """The mean of -log softmax(logits / T) at the labels: what `fit_temperature` minimises.

    Raises:
        ValueError: as `top_label`.
    """
    _check_classes(logits, labels)
    require("temperature", temperature, "(0, inf)", "1 leaves the confidence as it is")
    log_p = log_softmax(logits.astype(np.float64) / float(temperature), axis=1)
    return -float(np.mean(log_p[np.arange(len(labels)), labels]))


def coverage(
    cumulative: Float[np.ndarray, " n"], levels: Float[np.ndarray, " m"]
) -> Float64[np.ndarray, " m"]:
    """Which share of the central intervals of each level has its target.

    Args:
        cumulative: of each target the predicted probability of less than it, as from
            `jaxvision.ops.densities.gaussian_cdf`.
        levels: probabilities that the intervals are said to have.

    Raises:
        ValueError: if either is not in [0, 1], or there is no example.
    """
    _check_probabilities("cumulative", cumulative)
    _check_probabilities("levels", levels)
    needed = np.sort(np.abs(2 * cumulative.astype(np.float64) - 1))  # the level that just covers it
    return np.searchsorted(needed, levels, side="right") / len(needed)


def _derivatives(z: np.ndarray, u: float) -> tuple[float, float]:
    """L'(u) and L''(u), with the label's logit taken off."""
    p = softmax(u * z, axis=1)
    mean = np.sum(p * z, axis=1)
    return float(np.mean(mean)), float(np.mean(np.sum(p * (z - mean[:, None]) ** 2, axis=1)))


def _check_probabilities(name: str, values: np.ndarray) -> None:
    if not values.size or not ((values >= 0) & (values <= 1)).all():
        given = f"{values.min()} to {values.max()}" if values.size else "none"
        raise ValueError(f"`{name}` must be in [0, 1], at least one of them, got {given}.")


def _check_classes(logits: np.ndarray, labels: Integer[np.ndarray, " n"]) -> None:
    classes = logits.shape[1]
    if not labels.size or labels.min() < 0 or labels.max() >= classes:
        given = f"{labels.min()} to {labels.max()}" if labels.size else "none"
        raise ValueError(
            f"`labels` must be in [0, {classes}), at least one of them, got {given}: they number "
            "the columns of `logits`."
        )
    if not np.isfinite(logits).all():
        raise ValueError(
            "`logits` must be finite, got NaN or an infinity: look for where it comes from."
        )
