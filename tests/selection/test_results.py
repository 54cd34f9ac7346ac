"""What came out of a sweep is held to its rules, and a file gives it back as it was."""

import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxvision.selection.results import Lane, LaneResult, SweepResult, read_json, write_json
from tests.selection.made_up import history_of, lane_of

HISTORY = history_of([2.0, 1.0], [0.4, 0.7], [2.1, 1.2], [0.3, 0.6])


def test_a_lane_knows_its_best_epoch_and_whether_it_diverged():
    lane = Lane(0, {"learning_rate": 0.1}, 7)
    result = LaneResult(lane, HISTORY, 1, "patience")
    assert result.best is HISTORY[0] and not result.diverged
    result = LaneResult(lane, HISTORY, 0, "diverged")
    assert result.best is None and result.diverged


def test_candidates_are_the_lanes_by_number():
    lanes = tuple(
        lane_of(number, {"b": number, "a": 1}, [0.5], seed) for seed in (0, 1) for number in (2, 0)
    )
    result = SweepResult(lanes)
    assert list(result.candidates) == [0, 2]
    assert result.candidates[0] == (lanes[1], lanes[3])
    assert result.candidates[2] == (lanes[0], lanes[2])
    assert result.hyperparameters == ("b", "a")
    assert result.metrics == ("loss", "accuracy")


def test_lanes_without_an_epoch_have_no_metrics():
    assert SweepResult((lane_of(0, {"a": 1}, [], ended="diverged"),)).metrics == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, np.int64(3), np.float32(0.5)])
def test_a_hyperparameter_is_a_finite_number_or_a_word(value, unchecked):
    with pytest.raises(
        ValueError, match=r"`hyperparameters` must be finite .*, got rate = .*: pass"
    ):
        Lane(0, {"rate": value}, 0)


@pytest.mark.parametrize(
    ("history", "best_epoch", "ended", "message"),
    [
        (HISTORY, 1, "early", "`ended` is unknown: 'early'"),
        (HISTORY, 1, "epoch", "Did you mean `epochs`"),
        (HISTORY[1:], 1, "epochs", r"`history` must have the epochs 1 to 1 in order, got \[2\]"),
        (HISTORY + HISTORY, 1, "epochs", r"got \[1, 2, 1, 2\]: of a training that was resumed"),
        (HISTORY, 3, "epochs", "`best_epoch` must be from 1 to 2, .* got 3"),
        (HISTORY, -1, "diverged", "`best_epoch` must be from 0 to 2, .* got -1"),
        (HISTORY, 0, "patience", "`best_epoch` must be from 1 to 2, .* got 0; 0, for none, is"),
    ],
)
def test_a_lane_names_what_is_wrong(history, best_epoch, ended, message):
    with pytest.raises(ValueError, match=message):
        LaneResult(Lane(0, {}, 0), history, best_epoch, ended)


def odd(part):
    lane = lane_of(1, {"a": 2}, [0.5])
    lane.history[0][part]["top5_accuracy"] = 0.9
    return lane


@pytest.mark.parametrize(
    ("lanes", "message"),
    [
        ((), "`lanes` must hold at least one training, got none"),
        (
            (lane_of(3, {"a": 1}, [0.5], 1, 2), lane_of(0, {"a": 0}, [0.5])) * 2,
            "each training once, got candidate 3, seed 1, fold 2 at the places 0 and 2",
        ),
        (
            (lane_of(0, {"a": 1}, [0.5]), lane_of(0, {"a": 2}, [0.5], 1)),
            "the same hyperparameters of candidate 0, got {'a': 1} and {'a': 2}",
        ),
        (
            (lane_of(0, {"a": 1}, [0.5]), lane_of(1, {"b": 1}, [0.5])),
            r"the same names of hyperparameters, got \['a'\] and \['b'\]",
        ),
        ((lane_of(0, {"a": 1}, [0.5]), odd("train")), "the same metrics of train, got"),
        ((lane_of(0, {"a": 1}, [0.5]), odd("validation")), "the same metrics of validation, got"),
    ],
)
def test_a_sweep_names_what_is_wrong(lanes, message):
    with pytest.raises(ValueError, match=message):
        SweepResult(lanes)


def test_the_same_candidate_may_be_trained_on_many_seeds_and_folds():
    lanes = [lane_of(0, {"a": 1}, [0.5], seed, fold) for seed in (0, 1) for fold in (None, 0, 1)]
    assert len(SweepResult(tuple(lanes)).candidates[0]) == 6


def odd_numbers():
    """A result with everything that JSON might lose."""
    losses = [0.1 + 0.2, 5e-324, -0.0, math.nan, math.inf, -math.inf, 1.7976931348623157e308]
    history = history_of(losses, [0.5] * 7, losses[::-1], [1.0] * 7)
    history[0]["validation"]["accuracy"] = 1  # an integer stays one
    combination = {"rate": 1e-5, "layers": 3, "width": 3.0, "model": "Infinity", "tilde": 'ñ,\n"'}
    empty = LaneResult(Lane(1, combination | {"layers": 4}, 0, None), (), 0, "diverged")
    return SweepResult((LaneResult(Lane(0, combination, 5, 2), history, 4, "patience"), empty))


def test_json_gives_back_what_was_written(tmp_path):
    result = odd_numbers()
    write_json(tmp_path / "sweep.json", result)
    back = read_json(tmp_path / "sweep.json")
    assert repr(back) == repr(result)  # NaN equals nothing, and 3 equals 3.0
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


def test_the_file_is_json_without_nan(tmp_path):
    def refuse(name):
        raise AssertionError(name)

    write_json(tmp_path / "sweep.json", odd_numbers())
    text = (tmp_path / "sweep.json").read_text()
    lane = json.loads(text, parse_constant=refuse)["lanes"][0]
    losses = [record["train"]["loss"] for record in lane["history"]]
    assert losses[3:6] == [None, "Infinity", "-Infinity"]


@given(st.lists(st.floats(), min_size=1, max_size=3))
def test_every_number_comes_back(numbers):
    history = history_of(numbers, numbers, numbers, numbers)
    result = SweepResult((LaneResult(Lane(0, {}, 0), history, 1, "epochs"),))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.json"
        write_json(path, result)
        assert repr(read_json(path)) == repr(result)


def test_numpys_numbers_are_written_too(tmp_path):
    history = history_of([1.0], [0.5], [2.0], [0.25])
    history[0]["train"]["loss"] = np.float32(0.1)
    history[0]["validation"]["loss"] = np.float64(math.nan)
    result = SweepResult((LaneResult(Lane(0, {}, 0), history, 1, "epochs"),))
    write_json(tmp_path / "sweep.json", result)
    (lane,) = read_json(tmp_path / "sweep.json").lanes
    assert lane.history[0]["train"]["loss"] == float(np.float32(0.1))
    assert math.isnan(lane.history[0]["validation"]["loss"])


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "sweep.json"
    path.write_text("old")

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match=r"sweep\.json cannot be written"):
        write_json(path, odd_numbers())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lanes": []}', '{"lanes": [{"lane": 3}]}'])
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "sweep.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"sweep\.json is damaged, or not the result of a sweep"):
        read_json(path)


def test_a_file_that_is_not_there_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "sweep.json")
