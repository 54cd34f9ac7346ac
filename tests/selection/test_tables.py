"""The tables say what the lanes say, a row an observation, and a CSV file has every digit."""

import csv
import math

import numpy as np
import pytest

from jaxvision.selection.results import Lane, LaneResult, SweepResult
from jaxvision.selection.tables import epoch_rows, lane_rows, write_csv
from tests.selection.made_up import history_of, lane_of


def two_lanes():
    history = history_of([2.0, 1.0, 0.5], [0.4, 0.7, 0.8], [2.1, 1.2, 1.5], [0.3, 0.6, 0.55])
    history[1]["skipped"] = 2
    return SweepResult(
        (
            LaneResult(Lane(1, {"rate": 0.5, "model": "mlp"}, 0), (), 0, "diverged"),
            LaneResult(Lane(0, {"rate": 0.1, "model": "lenet5"}, 7, 3), history, 2, "patience"),
        )
    )


def test_a_row_a_lane():
    rows = lane_rows(two_lanes())
    assert rows[1] == {
        "candidate": 0,
        "rate": 0.1,
        "model": "lenet5",
        "seed": 7,
        "fold": 3,
        "epochs_made": 3,
        "best_epoch": 2,
        "ended": "patience",
        "best_validation_loss": 1.2,
        "best_validation_accuracy": 0.6,
        "last_train_loss": 0.5,
        "last_train_accuracy": 0.8,
    }
    assert list(rows[0]) == list(rows[1])
    assert rows[0] | {"rate": 1, "model": ""} == {
        **dict.fromkeys(rows[1]),
        "candidate": 1,
        "rate": 1,
        "model": "",
        "seed": 0,
        "epochs_made": 0,
        "best_epoch": 0,
        "ended": "diverged",
    }


def test_what_a_lane_lacks_does_not_change_the_order_of_the_columns():
    history = history_of([2.0], [0.4], [2.1], [0.3])
    no_best = LaneResult(Lane(2, {"rate": 0.5, "model": "mlp"}, 0), history, 0, "diverged")
    rows = lane_rows(SweepResult((no_best, *two_lanes().lanes)))
    assert list(rows[0]) == list(rows[2]) == list(lane_rows(two_lanes())[1])
    assert rows[0]["best_validation_loss"] is None and rows[0]["last_train_loss"] == 2.0


def test_a_row_an_epoch():
    rows = epoch_rows(two_lanes())
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[1] == {
        "candidate": 0,
        "rate": 0.1,
        "model": "lenet5",
        "seed": 7,
        "fold": 3,
        "epoch": 2,
        "step": 20,
        "skipped": 2,
        "train_loss": 1.0,
        "train_accuracy": 0.7,
        "validation_loss": 1.2,
        "validation_accuracy": 0.6,
    }


@pytest.mark.parametrize("name", ["candidate", "seed", "ended", "best_validation_loss"])
def test_a_hyperparameter_is_not_written_over_another_column(name):
    result = SweepResult((lane_of(0, {name: 3}, [0.5]),))
    with pytest.raises(ValueError, match=f"`{name}` cannot be the name of a hyperparameter"):
        lane_rows(result)


@pytest.mark.parametrize("name", ["fold", "epoch", "validation_accuracy"])
def test_nor_in_the_table_of_epochs(name):
    with pytest.raises(ValueError, match=f"`{name}` cannot be the name of a hyperparameter"):
        epoch_rows(SweepResult((lane_of(0, {name: 3}, [0.5]),)))


def test_a_csv_file_has_every_digit(tmp_path):
    numbers = [0.1 + 0.2, 5e-324, 1e300, np.float64(1) / 3, math.nan, -math.inf]
    rows = [{"word": 'a "b", c', "number": number, "none": None} for number in numbers]
    write_csv(tmp_path / "table.csv", rows)
    with (tmp_path / "table.csv").open(newline="") as file:
        back = list(csv.DictReader(file))
    np.testing.assert_array_equal([float(row["number"]) for row in back], numbers)
    assert {(row["word"], row["none"]) for row in back} == {('a "b", c', "")}
    assert (tmp_path / "table.csv").read_bytes().startswith(b"word,number,none\n")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_both_tables_can_be_written(tmp_path):
    for rows in (lane_rows(two_lanes()), epoch_rows(two_lanes())):
        write_csv(tmp_path / "table.csv", rows)
        with (tmp_path / "table.csv").open(newline="") as file:
            back = list(csv.DictReader(file))
        written = [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
        assert back == written


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "`rows` must hold at least one row, got none"),
        ([{"a": 1}, {"b": 1}], r"the same columns, got \['a'\] in row 0 and \['b'\] in row 1"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        write_csv(tmp_path / "table.csv", rows)
    assert not list(tmp_path.iterdir())
