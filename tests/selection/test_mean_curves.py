"""The mean of an epoch is that of the lanes that made it, and says how many they are."""

import math

import numpy as np
import pytest

from jaxvision.selection.mean_curves import mean_curve, ranked_groups
from jaxvision.selection.results import SweepResult
from tests.selection.made_up import lane_of


def lanes_of(*accuracies):
    return [lane_of(0, {"a": 1}, values, seed) for seed, values in enumerate(accuracies)]


def test_by_hand():
    # The third lane ends after two epochs, the second after three.
    lanes = lanes_of([0.1, 0.2, 0.3, 0.4], [0.3, 0.6, 0.5], [0.2, 0.4])
    curve = mean_curve(lanes, "validation", "accuracy")
    np.testing.assert_array_equal(curve.lanes, [3, 3, 2, 1])
    np.testing.assert_allclose(curve.mean, [0.2, 0.4, 0.4, 0.4], rtol=1e-12)
    # Of 0.3 and 0.5 the deviation is 0.1414: the band ends where the lanes do.
    np.testing.assert_allclose(curve.low, [0.1, 0.2, 0.3, 0.4], rtol=1e-12)
    np.testing.assert_allclose(curve.high, [0.3, 0.6, 0.5, 0.4], rtol=1e-12)


def test_agrees_with_numpy():
    values = np.random.default_rng(0).uniform(0.2, 0.8, (9, 5))
    curve = mean_curve(lanes_of(*values), "train", "accuracy")
    mean, deviation = values.mean(axis=0), values.std(axis=0, ddof=1)
    np.testing.assert_allclose(curve.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(curve.low, np.maximum(mean - deviation, values.min(axis=0)))
    np.testing.assert_allclose(curve.high, np.minimum(mean + deviation, values.max(axis=0)))
    assert (curve.low > values.min(axis=0)).any()


def test_each_part_and_metric_is_its_own():
    lane = lane_of(0, {"a": 1}, [0.5], losses=[3.0])
    assert mean_curve([lane], "validation", "loss").mean == [3.0]
    assert mean_curve([lane], "train", "loss").mean == [2.7]


def test_what_is_not_finite_is_not_in_the_mean():
    losses = [[1.0, 2.0], [3.0, math.nan], [math.inf, math.nan]]
    lanes = [lane_of(0, {"a": 1}, [0.5, 0.5], i, losses=x) for i, x in enumerate(losses)]
    curve = mean_curve(lanes, "validation", "loss")
    np.testing.assert_array_equal(curve.lanes, [2, 1])
    np.testing.assert_array_equal(curve.mean, [2.0, 2.0])
    curve = mean_curve(lanes[2:], "validation", "loss")
    assert np.isnan(curve.mean).all() and (curve.lanes == 0).all()


def test_lanes_without_an_epoch_are_a_curve_without_a_point():
    lane = lane_of(0, {"a": 1}, [], ended="diverged")
    assert all(len(values) == 0 for values in mean_curve([lane], "train", "loss"))


def result():
    lanes = [
        lane_of(number, {"a": a, "b": b, "c": 0.5}, [accuracy], seed)
        for number, (a, b, accuracy) in enumerate(
            [(1, "x", 0.5), (1, "y", 0.9), (2, "x", 0.7), (2, "y", 0.2)]
        )
        for seed in (0, 1)
    ]
    return SweepResult(tuple(lanes))


def test_candidates_are_named_by_what_differs_the_best_first():
    groups = ranked_groups(result(), None, "accuracy")
    assert [group.label for group in groups] == ["a 1, b y", "a 2, b x", "a 1, b x", "a 2, b y"]
    assert all(len(group.lanes) == 2 for group in groups)
    assert all(lane.lane.hyperparameters["b"] == "x" for lane in groups[1].lanes)


def test_a_value_has_the_lanes_of_all_its_candidates():
    groups = ranked_groups(result(), "b", "accuracy")
    assert [group.label for group in groups] == ["b y", "b x"]
    assert sorted(lane.lane.candidate for lane in groups[0].lanes) == [1, 1, 3, 3]
    assert [group.label for group in ranked_groups(result(), "a", "loss")] == ["a 1", "a 2"]


def test_one_candidate_is_named_by_all_it_has():
    (group,) = ranked_groups(SweepResult(result().lanes[:2]), None, "accuracy")
    assert group.label == "a 1, b x, c 0.5"


def test_a_candidate_without_a_hyperparameter_is_named_by_its_number():
    (group,) = ranked_groups(SweepResult((lane_of(0, {}, [0.5]),)), None, "accuracy")
    assert group.label == "candidate 0"


def test_long_names_and_words_leave_room_for_the_others():
    result = SweepResult((lane_of(0, {"n" * 60: "w" * 60, "b": 1}, [0.5]),))
    (group,) = ranked_groups(result, None, "accuracy")
    assert group.label == f"{'n' * 19}… {'w' * 19}…, b 1"


def test_a_hyperparameter_that_is_none_is_named():
    with pytest.raises(ValueError, match="`by` is unknown: 'd'"):
        ranked_groups(result(), "d", "accuracy")
