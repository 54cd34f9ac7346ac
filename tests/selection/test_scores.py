"""Means and standard errors are those of the textbook, and who diverged does not win."""

import math

import numpy as np
import pytest
import scipy.stats

from jaxvision.selection.results import SweepResult
from jaxvision.selection.scores import (
    best_candidate,
    candidate_scores,
    sign,
    simplest_candidate,
)
from tests.selection.made_up import lane_of


def sweep(*candidates, diverged=()):
    """A lane for each accuracy of each candidate, and one that ended so for each of `diverged`."""
    lanes = []
    for number, accuracies in enumerate(candidates):
        combination = {"decay": 10.0**number}
        for seed, accuracy in enumerate(accuracies):
            ended = "diverged" if (number, seed) in diverged else "epochs"
            # The last epoch is worse than the best.
            lanes.append(lane_of(number, combination, [accuracy, accuracy / 2], seed, ended=ended))
    return SweepResult(tuple(lanes))


def test_by_hand():
    (score,) = candidate_scores(sweep([0.8, 0.9, 0.85, 0.85]))
    assert score.candidate == 0 and score.hyperparameters == {"decay": 1.0}
    assert score.mean == pytest.approx(0.85, rel=1e-12)
    # Deviations -0.05, 0.05, 0, 0: variance 0.005 / 3, and of the mean of four 0.005 / 12.
    assert score.standard_error == pytest.approx(math.sqrt(0.005 / 12), rel=1e-12)
    assert (score.lanes, score.diverged, score.halved) == (4, 0, 0)


def test_agrees_with_scipy():
    values = np.random.default_rng(0).uniform(0.2, 0.9, 15)
    (score,) = candidate_scores(sweep(values))
    np.testing.assert_allclose(score.mean, values.mean(), rtol=1e-12)
    np.testing.assert_allclose(score.standard_error, scipy.stats.sem(values), rtol=1e-12)


def test_one_lane_has_no_standard_error():
    (score,) = candidate_scores(sweep([0.8]))
    assert score.mean == 0.8 and math.isnan(score.standard_error)


def test_the_best_is_first_and_of_equals_the_lower_number():
    result = sweep([0.5], [0.9], [0.5], [0.7])
    assert [score.candidate for score in candidate_scores(result)] == [1, 3, 0, 2]
    assert best_candidate(result).candidate == 1
    # The loss that goes with an accuracy is 2 (1 - accuracy): less is better.
    by_loss = candidate_scores(result, "loss")
    assert [score.candidate for score in by_loss] == [1, 3, 0, 2]
    np.testing.assert_allclose([score.mean for score in by_loss], [0.2, 0.6, 1.0, 1.0])


def test_the_order_of_the_lanes_does_not_matter():
    result = sweep([0.5, 0.7], [0.9, 0.2], [0.6, 0.6])
    assert candidate_scores(SweepResult(result.lanes[::-1]))[0].candidate == 0
    for one, other in zip(
        candidate_scores(result), candidate_scores(SweepResult(result.lanes[::-1])), strict=True
    ):
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12)
        assert one.candidate == other.candidate


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_one_diverged_lane_puts_a_candidate_last(metric):
    result = sweep([0.5, 0.6], [0.95, 0.99, 0.97], [0.4, 0.4], diverged={(1, 2)})
    scores = candidate_scores(result, metric)
    assert [score.candidate for score in scores] == [0, 2, 1]
    last = scores[-1]
    assert math.isnan(last.mean) and math.isnan(last.standard_error)
    assert (last.lanes, last.diverged) == (3, 1)
    assert best_candidate(result, metric).candidate == 0


def test_a_lane_without_a_best_epoch_and_an_infinite_loss_have_no_mean():
    nothing = lane_of(0, {"decay": 1.0}, [], ended="diverged")
    infinite = lane_of(1, {"decay": 2.0}, [0.9], losses=[math.inf])
    finite = lane_of(1, {"decay": 2.0}, [0.9], seed=1)
    fine = lane_of(2, {"decay": 3.0}, [0.5])
    scores = candidate_scores(SweepResult((nothing, infinite, finite, fine)), "loss")
    assert [score.candidate for score in scores] == [2, 0, 1]
    assert math.isnan(scores[1].mean) and math.isnan(scores[2].mean)


def test_a_sweep_without_an_epoch_has_scores_too():
    lanes = tuple(lane_of(i, {"decay": i}, [], ended="diverged") for i in (1, 0))
    scores = candidate_scores(SweepResult(lanes))
    assert [(score.candidate, score.diverged) for score in scores] == [(0, 1), (1, 1)]


def test_halved_lanes_are_counted_and_compared():
    lanes = (
        lane_of(0, {"a": 1}, [0.5], ended="halved"),
        lane_of(0, {"a": 1}, [0.5], seed=1, ended="halved"),
        lane_of(1, {"a": 2}, [0.1, 0.6]),
    )
    first, second = candidate_scores(SweepResult(lanes))
    assert (first.candidate, first.halved) == (1, 0)
    assert (second.candidate, second.halved, second.mean) == (0, 2, 0.5)


def test_if_all_diverged_none_is_best():
    result = sweep([0.5], [0.6], diverged={(0, 0), (1, 0)})
    for choose in (best_candidate, lambda r: simplest_candidate(r, lambda h: h["decay"])):
        with pytest.raises(ValueError, match="no candidate has a mean accuracy: of each at least"):
            choose(result)


def test_one_standard_error_by_hand():
    # The best: deviations 0.02 and -0.02, variance 0.0008 / 1, and of the mean of two 0.0004.
    result = sweep([0.92, 0.88], [0.89, 0.88], [0.87, 0.87], [0.5, 0.5])
    best = best_candidate(result)
    np.testing.assert_allclose([best.mean, best.standard_error], [0.9, 0.02], rtol=1e-9)
    # 0.885 is within one standard error, 0.87 is not, however simple.
    assert simplest_candidate(result, lambda h: h["decay"]).candidate == 1
    assert simplest_candidate(result, lambda h: -h["decay"]).candidate == 0
    # Of equally simple ones the better, and of a loss, twice 1 - accuracy, the same.
    assert simplest_candidate(result, lambda h: 1.0).candidate == 0
    assert simplest_candidate(result, lambda h: h["decay"], "loss").candidate == 1


def test_a_diverged_candidate_is_never_the_simplest():
    result = sweep([0.9, 0.8], [0.9, 0.8], diverged={(1, 0)})
    assert simplest_candidate(result, lambda h: h["decay"]).candidate == 0


def test_without_uncertainty_the_simplest_is_the_best():
    rng = np.random.default_rng(1)
    values = rng.uniform(0.1, 0.9, 6)
    result = sweep(*[[value, value] for value in values])
    chosen = simplest_candidate(result, lambda h: h["decay"])
    assert chosen == best_candidate(result) and chosen.candidate == values.argmax()


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (lambda r: candidate_scores(r, "acuracy"), "unknown: 'acuracy'. Did you mean `accuracy`"),
        (lambda r: simplest_candidate(r, lambda h: 0.0), "0, the best, must have at least 2 lanes"),
        (lambda r: sign("perplexity"), "must end in one of accuracy, loss, error, .* 'perplexity'"),
    ],
)
def test_bad_input_is_named(choose, message):
    with pytest.raises(ValueError, match=message):
        choose(sweep([0.5], [0.4]))


def test_a_simplicity_that_is_none_is_named():
    with pytest.raises(
        ValueError, match=r"`simplicity` must be a number, got NaN for \{'decay': 1"
    ):
        simplest_candidate(sweep([0.5, 0.4]), lambda h: math.nan)


@pytest.mark.parametrize(
    ("metric", "expected"), [("top5_accuracy", 1), ("class_loss", -1), ("error", -1)]
)
def test_the_last_word_of_a_metric_says_which_way_is_better(metric, expected):
    assert sign(metric) == expected
