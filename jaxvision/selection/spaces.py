"""Which hyperparameters to try: all combinations of given values, or random draws from a space.

A candidate is a dict from a hyperparameter's name to its value, and a search is a list of them:

    grid({"learning_rate": (1e-3, 1e-2), "weight_decay": (0.0, 1e-4)})               4 candidates
    draw({"learning_rate": Log(1e-4, 1e-1), "momentum": Uniform(0.5, 0.99)}, 20)     20 candidates

Random draws find a good value sooner where few of the hyperparameters matter: a grid of n^d points
tries n values of each, n^d draws try n^d values (Bergstra & Bengio, "Random Search for
Hyper-Parameter Optimization", JMLR 13, 2012).
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

Value: TypeAlias = float | int | str
Candidate: TypeAlias = dict[str, Value]


class Uniform(NamedTuple):
    """Any number between two, each alike."""

    low: float | int
    high: float | int


class Log(NamedTuple):
    """Any number between two positive ones, each order of magnitude alike."""

    low: float | int
    high: float | int


class Choice(NamedTuple):
    """One of these values, each alike."""

    values: tuple[Value, ...]


def grid(axes: Mapping[str, Iterable[Value]]) -> list[Candidate]:
    """All combinations of the axes' values; the last axis changes fastest.

    >>> grid({"learning_rate": (0.1, 0.01), "dropout": (0.0,)})
    [{'learning_rate': 0.1, 'dropout': 0.0}, {'learning_rate': 0.01, 'dropout': 0.0}]

    Raises:
        ValueError: if there is no axis, one has no value, one twice, or one that is not finite.
    """
    listed = {name: tuple(values) for name, values in axes.items()}
    if not listed:
        raise ValueError("`axes` must name at least one hyperparameter, got none.")
    for name, values in listed.items():
        _check_values(name, values)
    return [
        dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())
    ]


def draw(
    space: Mapping[str, Uniform | Log | Choice], candidates: int, seed: int = 0
) -> list[Candidate]:
    """So many independent draws; the first ones are the same for any number of them.

    Args:
        space: what to draw each hyperparameter from.
        candidates: how many.
        seed: of the draws.

    Raises:
        ValueError: if the space is empty, an interval is upside down, endless or, of a logarithm,
            not positive, or a choice has no value; or if `candidates` is less than 1.
    """
    if not space:
        raise ValueError("`space` must name at least one hyperparameter, got none.")
    if candidates < 1:
        raise ValueError(f"`candidates` must be at least 1, got {candidates}.")
    for name, axis in space.items():
        _check_axis(name, axis)
    return [
        {
            # An axis draws the same, whichever others there are.
            name: _draw_one(axis, np.random.default_rng((seed, i, *name.encode())))
            for name, axis in space.items()
        }
        for i in range(candidates)
    ]


def _draw_one(axis: Uniform | Log | Choice, random: np.random.Generator) -> Value:
    match axis:
        case Choice(values):
            return values[random.integers(len(values))]
        case Log(low, high):
            return float(np.exp(random.uniform(math.log(low), math.log(high))))
        case Uniform(low, high):
            return float(random.uniform(low, high))


def _check_axis(name: str, axis: Uniform | Log | Choice) -> None:
    if isinstance(axis, Choice):
        _check_values(name, axis.values)
        return
    if not (math.isfinite(axis.low) and math.isfinite(axis.high) and axis.low <= axis.high):
        raise ValueError(
            f"`{name}` must go from a number to one not below it, got {axis.low} to {axis.high}: "
            "exchange them, or give both."
        )
    if isinstance(axis, Log) and axis.low <= 0:
        raise ValueError(
            f"`{name}` must be positive to be drawn by its logarithm, got from {axis.low} on: "
            "begin above zero, or draw it uniformly."
        )


def _check_values(name: str, values: tuple[Value, ...]) -> None:
    if not values:
        raise ValueError(f"`{name}` must have at least one value, got none.")
    for value in values:
        if not isinstance(value, str) and not math.isfinite(value):
            raise ValueError(f"`{name}` must have finite values, got {value}.")
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"`{name}` must have each value once, got {twice[0]} twice.")
