"""Candidates: all combinations, or random draws; and what cannot be a space."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxvision.selection.spaces import Choice, Log, Uniform, draw, grid


def test_a_grid_has_every_combination_once_and_the_last_axis_changes_fastest():
    assert grid({"a": (1, 2), "b": ("x", "y", "z")}) == [
        {"a": a, "b": b} for a in (1, 2) for b in ("x", "y", "z")
    ]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_is_as_large_as_the_product_of_its_axes(sizes):
    candidates = grid({f"axis{i}": range(size) for i, size in enumerate(sizes)})
    assert len(candidates) == math.prod(sizes) == len({tuple(c.values()) for c in candidates})


SPACE = {"rate": Log(1e-4, 1.0), "decay": Uniform(-2, 3.0), "name": Choice(("a", "b", 7))}


def test_draws_are_inside_and_as_they_are_said_to_be_distributed():
    drawn = draw(SPACE, 2000)
    rates, decays = (np.array([c[name] for c in drawn]) for name in ("rate", "decay"))
    # Means of n uniform draws: five standard deviations are 5 / sqrt(12 n) of the interval.
    margin = 5 / math.sqrt(12 * 2000)
    assert abs(np.log10(rates).mean() - (-2)) < 4 * margin
    assert abs(decays.mean() - 0.5) < 5 * margin
    assert rates.min() >= 1e-4 and rates.max() <= 1 and decays.min() >= -2 and decays.max() <= 3
    counts = [sum(c["name"] == value for c in drawn) for value in ("a", "b", 7)]
    assert min(counts) > 560  # of 667, five standard deviations of 21


def test_more_draws_begin_with_the_same_and_other_seeds_give_others():
    assert draw(SPACE, 9)[:4] == draw(SPACE, 4) != draw(SPACE, 4, seed=1)


def test_an_axis_draws_the_same_beside_others():
    alone = draw({"rate": SPACE["rate"]}, 5)
    assert [c["rate"] for c in draw(SPACE, 5)] == [c["rate"] for c in alone]


def test_axes_are_independent():
    two = draw({"a": Uniform(0, 1), "b": Uniform(0, 1)}, 1000)
    a, b = (np.array([c[name] for c in two]) for name in "ab")
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(1000)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "`axes` must name at least one hyperparameter, got none"),
        ({"a": ()}, "`a` must have at least one value, got none"),
        ({"a": (1, 2, 1)}, "`a` must have each value once, got 1 twice"),
        ({"a": (1.0, math.nan)}, "`a` must have finite values, got nan"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(axes, message):
    with pytest.raises(ValueError, match=message):
        grid(axes)


@pytest.mark.parametrize(
    ("space", "candidates", "message"),
    [
        ({}, 1, "`space` must name at least one hyperparameter, got none"),
        (SPACE, 0, "`candidates` must be at least 1, got 0"),
        ({"a": Uniform(2, 1)}, 1, "`a` must go from a number to one not below it, got 2 to 1"),
        ({"a": Uniform(0, math.inf)}, 1, "`a` must go from a number to one not below it"),
        ({"a": Log(0, 1)}, 1, "`a` must be positive to be drawn by its logarithm, got from 0 on"),
        ({"a": Log(-1.0, 1)}, 1, "`a` must be positive .*begin above zero, or draw it uniformly"),
        ({"a": Choice(())}, 1, "`a` must have at least one value, got none"),
    ],
)
def test_a_space_that_cannot_be_is_refused(space, candidates, message):
    with pytest.raises(ValueError, match=message):
        draw(space, candidates)


def test_an_interval_of_one_number_is_that_number():
    assert draw({"a": Uniform(2, 2), "b": Log(3, 3)}, 1)[0] == pytest.approx({"a": 2, "b": 3})
