"""Successive halving: many candidates for a few epochs, the better ones for more.

All candidates train for r epochs; the better 1/eta of them go on to r eta epochs, of these the
better 1/eta to r eta^2, and so on to the end. Each round costs about the same, so n candidates cost
log_eta(n) rounds and not n trainings (Jamieson & Talwalkar, "Non-stochastic Best Arm Identification
and Hyperparameter Optimization", AISTATS 2016, section 3, https://arxiv.org/abs/1502.07943). What
learns slowly and well is lost: r must be long enough for the order of the candidates to show.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Halving(NamedTuple):
    """When candidates are dropped.

    Attributes:
        first: r, epochs of the first round.
        eta: of so many candidates, one goes on.
    """

    first: int = 1
    eta: int = 2

    def check(self, epochs: int) -> None:
        """Raises ValueError if `first` is not in [1, epochs), or `eta` is below 2."""
        if self.first < 1:
            raise ValueError(f"`first` must be at least 1 epoch, got {self.first}.")
        if self.eta < 2:
            raise ValueError(f"`eta` must be at least 2, got {self.eta}: of so many, one goes on.")
        if self.first >= epochs:
            raise ValueError(
                f"`first` must be below the {epochs} epochs of a training, or nothing is ever "
                f"dropped, got {self.first}: make it smaller, or leave halving out."
            )


def rounds(epochs: int, halving: Halving | None) -> list[int]:
    """After how many epochs each round ends; the last is `epochs`."""
    ends, end = [], halving.first if halving else epochs
    while end < epochs:
        ends.append(end)
        end *= halving.eta
    return [*ends, epochs]


def survivors(scores: Mapping[int, Any], halving: Halving) -> set[int]:
    """The candidates that go on, of these with their scores: the larger is the better.

    Of equals the first. One always goes on.
    """
    ordered = sorted(scores, key=lambda candidate: scores[candidate], reverse=True)
    return set(ordered[: math.ceil(len(ordered) / halving.eta)])
