"""Values stand where they belong along an axis, and are told apart by their labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxvision.selection.results import SweepResult
from jaxvision.selection.scales import MOST_TICKS, labels, scale_of, scale_of_hyperparameter
from tests.selection.made_up import lane_of


@pytest.mark.parametrize(
    ("values", "kind", "order", "places"),
    [
        ([3, 1, 2, 3], "linear", [1, 2, 3], [0, 0.5, 1]),
        ([0.1, 0.001, 0.01], "log", [0.001, 0.01, 0.1], [0, 0.5, 1]),
        ([1, 50], "linear", [1, 50], [0, 1]),
        ([1, 51], "log", [1, 51], [0, 1]),
        ([0.0, 0.1, 10.0], "linear", [0.0, 0.1, 10.0], [0, 0.01, 1]),
        ([-100, 1], "linear", [-100, 1], [0, 1]),
        (["b", "a", "b", "c"], "words", ["b", "a", "c"], [0, 0.5, 1]),
        ([True, False], "words", [True, False], [0, 1]),
        ([2, "auto", 1], "words", [2, "auto", 1], [0, 0.5, 1]),
        ([0.3], "linear", [0.3], [0.5]),
        (["a"], "words", ["a"], [0.5]),
    ],
)
def test_the_kind_the_order_and_the_places(values, kind, order, places):
    scale = scale_of(values)
    assert scale.kind == kind and scale.values == order
    np.testing.assert_allclose([scale.place(value) for value in order], places, atol=1e-12)


def test_few_values_are_ticks_themselves():
    assert scale_of([0.1, 1e-4, 0.01]).ticks() == [
        (0.0, "1e-4"),
        (pytest.approx(2 / 3), "0.01"),
        (1.0, "0.1"),
    ]


def test_ticks_that_would_touch_are_left_out():
    assert [label for _, label in scale_of([0.0, 0.05, 0.07, 1.0]).ticks()] == ["0", "0.07", "1"]
    words = [f"word {i}" for i in range(17)]
    assert [label for _, label in scale_of(words).ticks()] == words
    many = [f"word {i}" for i in range(31)]
    assert [label for _, label in scale_of(many).ticks()] == many[::2]


@pytest.mark.parametrize(
    ("low", "high"), [(0.5, 0.99), (1e-4, 0.9), (0.003, 0.2), (0.9, 60.0), (1e-9, 1.0), (-3.0, 4e3)]
)
def test_many_numbers_have_round_ticks(low, high):
    scale = scale_of([float(x) for x in np.linspace(low, high, 40)])
    ticks = scale.ticks()
    assert 3 <= len(ticks) <= 2 * MOST_TICKS
    for place, label in ticks:
        assert 0 <= place <= 1
        np.testing.assert_allclose(scale.place(float(label)), place, atol=1e-9)
        digits = label.lstrip("-").split("e")[0].replace(".", "").strip("0")
        assert len(digits) <= 2
    places = [place for place, _ in ticks]
    assert (np.diff(places) >= 0.06).all()


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0, "0"),
        (3, "3"),
        (256.0, "256"),
        (50000, "50000"),
        (100000, "1e5"),
        (0.1, "0.1"),
        (0.001, "0.001"),
        (0.0001, "1e-4"),
        (0.000316227, "3.16e-4"),
        (0.00316227, "0.00316"),
        (-0.9876, "-0.988"),
        (1e300, "1e300"),
        ("lenet5", "lenet5"),
        (True, "True"),
    ],
)
def test_a_value_is_written_as_one_writes_it(value, label):
    assert labels([value]) == [label]


def test_there_are_as_many_digits_as_tell_values_apart():
    assert labels([0.12345, 0.12346, 0.5]) == ["0.12345", "0.12346", "0.5"]
    assert labels([1.00001e-5, 1e-5]) == ["1.00001e-5", "1e-5"]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5, unique=True))
def test_labels_are_as_many_as_values(values):
    assert len(set(labels(values))) == len(values)
    np.testing.assert_allclose([float(label) for label in labels(values)], values, rtol=5e-3)


def test_the_scale_of_a_hyperparameter_has_each_candidates_value_in_their_order():
    lanes = [lane_of(i, {"model": m}, [0.5]) for i, m in ((1, "b"), (0, "c"), (2, "a"))]
    scale = scale_of_hyperparameter(SweepResult(tuple(lanes)), "model", "x")
    assert scale.values == ["c", "b", "a"]
    with pytest.raises(ValueError, match=r"`x` is unknown: 'modle'\. Did you mean `model`"):
        scale_of_hyperparameter(SweepResult(tuple(lanes)), "modle", "x")
