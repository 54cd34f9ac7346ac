"""How much a network needs to be shown: accuracy by the number of examples a class.

Few examples are an accident: others would have given another accuracy. So each number is drawn
several times, and what is reported is the mean with its interval of confidence, for m draws

    mean +- t s / sqrt(m)

with the sample standard deviation s, and t from Student's distribution with m - 1 degrees of
freedom (Student, "The Probable Error of a Mean", Biometrika 6(1), 1908).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtrit

Learn = Callable[[Int[np.ndarray, " rows"], int], float]  # (training rows, seed) -> accuracy


class FewShot(NamedTuple):
    """Accuracies by the number of examples a class.

    Attributes:
        shots: examples a class.
        accuracies: of each draw, in [0, 1].
    """

    shots: Int[np.ndarray, " s"]
    accuracies: Float[np.ndarray, "s draws"]

    @property
    def mean(self) -> Float[np.ndarray, " s"]:
        return self.accuracies.mean(axis=1)

    def margin(self, confidence: float = 0.95) -> Float[np.ndarray, " s"]:
        """Half the width of the mean's interval; NaN for a single draw."""
        return margin_of_mean(self.accuracies, confidence)


def margin_of_mean(
    draws: Float[np.ndarray, "*shape draws"], confidence: float = 0.95
) -> Float[np.ndarray, "*shape"]:
    """Half the width of the mean's interval of confidence; NaN for a single draw.

    Raises:
        ValueError: if `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be in (0, 1), got {confidence}: 95 % is written 0.95.")
    m = draws.shape[-1]
    if m == 1:
        return np.full(draws.shape[:-1], np.nan)
    return stdtrit(m - 1, (1 + confidence) / 2) * draws.std(axis=-1, ddof=1) / np.sqrt(m)


def draw_shots(labels: Int[np.ndarray, " n"], shots: int, seed: int) -> Int[np.ndarray, " rows"]:
    """The rows of `shots` examples of each class, ascending.

    With the same seed, the rows of fewer shots are among those of more.

    Raises:
        ValueError: if a class has fewer examples.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if not 1 <= shots <= counts.min():
        rarest = classes[counts.argmin()]
        raise ValueError(
            f"`shots` must be in [1, {counts.min()}], the examples of class {rarest}, the rarest, "
            f"got {shots}."
        )
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == c][:shots] for c in classes]))


def few_shot_curve(
    learn: Learn, labels: Int[np.ndarray, " n"], shots: Sequence[int], draws: int = 10
) -> FewShot:
    """Learns from `draws` draws of each number of examples a class.

    Args:
        learn: learns from these rows, and measures on what it has not seen.
        labels: of all examples that there are to learn from.
        shots: examples a class, any number of times.
        draws: the seeds 0, 1, ... below this decide rows and learning.

    Raises:
        ValueError: if there is no number or no draw, or a class has fewer examples.
    """
    if not shots or draws < 1:
        raise ValueError(f"`shots` and `draws` must be at least one, got {shots} and {draws}.")
    accuracies = [
        [learn(draw_shots(labels, number, seed), seed) for seed in range(draws)] for number in shots
    ]
    return FewShot(np.array(shots), np.array(accuracies))
