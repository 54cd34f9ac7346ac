"""Folds for choosing a model: which rows to learn from and which to judge by, several times.

Cross-validation (Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions",
Journal of the Royal Statistical Society B 36, 1974, for k = n): the n rows are divided into k parts
V_1 .. V_k, and fold i learns from T_i, all but V_i. So each row is judged once, by a model that has
not seen it:

    error = (1 / n) sum_i sum_(row in V_i) loss(model learned from T_i, row)

Repeated random sub-sampling (also Monte Carlo cross-validation): each repeat draws V_i anew. So the
number of repeats and the size of V_i are free, and a row is judged in any number of repeats.

In both, every part has the whole's class proportions: they are stratified (Kohavi, "A Study of
Cross-Validation and Bootstrap for Accuracy Estimation and Model Selection", IJCAI 1995, section 2;
to select a model he recommends ten stratified folds).

Folds are matrices of row numbers: where the data are resident, one compiled program gathers the
rows of any fold, and serves all. An image that is there twice could be on both sides of a fold:
`jaxvision.data.duplicates` leaves the second one out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32

from jaxvision.data.splits import check_seed, stratified_split

FILLING = -1


class Folds(NamedTuple):
    """For each of `k` folds, the rows to learn from and those to judge by.

    Within a fold rows ascend. A fold with fewer than the largest is filled up with `FILLING` at the
    end: mask it (`folds.train[i] != FILLING`) or take it off (`rows_of`), for as an index -1 is the
    last row. A fold as sources: `Subset(source, rows_of(folds.train[i]))`.
    """

    train: Int32[np.ndarray, "k n_train"]
    validation: Int32[np.ndarray, "k n_validation"]

    @property
    def k(self) -> int:
        """The number of folds. (`len` is that of the tuple, 2.)"""
        return len(self.train)


def rows_of(filled: Int[np.ndarray, " n"]) -> Int[np.ndarray, " rows"]:
    """One fold's rows, without filling."""
    return filled[filled != FILLING]


def stratified_folds(
    labels: Int[np.ndarray, " n"],
    folds: int,
    seed: int,
    *,
    rows: Int[np.ndarray, " m"] | None = None,
) -> Folds:
    """K-fold cross-validation: each row is in the validation part of exactly one fold.

    A class of n_c examples has floor(n_c / k) or ceil(n_c / k) of them in each validation part, and
    the parts' sizes differ by at most one. A pure function of its arguments.

    Args:
        labels: of the whole data set, since rows are counted in it.
        folds: k, at least 2.
        seed: which examples go together.
        rows: those to divide, in any order; by default all. So a test part can be kept out:
            `np.concatenate([splits.train.rows, splits.validation.rows])`.

    Raises:
        ValueError: if there are fewer than 2 folds or more than examples of the rarest class, or
            `rows` are not rows of `labels`, each once.
    """
    if folds < 2:
        raise ValueError(
            f"`folds` must be at least 2, got {folds}: each validates what the others learn from. "
            "For a single division take `stratified_split`."
        )
    rows = _rows_to_divide(labels, rows)
    rarest, count = _rarest_class(labels[rows])
    if count < folds:
        fewer = f"Take at most {count} folds, add" if count >= 2 else "Add"
        raise ValueError(
            f"`folds` must be at most {count}, the examples of the rarest class (class {rarest}), "
            f"so that each fold has one, got {folds}. {fewer} examples, or leave the class out of "
            "`rows`."
        )
    parts = stratified_split(labels[rows], (1 / folds,) * folds, seed)
    return Folds(
        train=_filled([np.delete(rows, part) for part in parts]),
        validation=_filled([rows[part] for part in parts]),
    )


def repeated_subsamples(
    labels: Int[np.ndarray, " n"],
    repeats: int,
    validation_fraction: float,
    seed: int,
    *,
    rows: Int[np.ndarray, " m"] | None = None,
) -> Folds:
    """Repeated random sub-sampling: each repeat is a stratified split of its own.

    Repeat i is a pure function of (labels, validation_fraction, seed, i, rows): more repeats leave
    the first ones as they are.

    Args:
        labels: of the whole data set, since rows are counted in it.
        repeats: at least 1.
        validation_fraction: the part of the rows that a repeat judges by.
        seed: which examples are drawn.
        rows: those to divide, in any order; by default all.

    Raises:
        ValueError: if there is no repeat, a class has fewer than 2 examples, the fraction leaves
            one side without any, or `rows` are not rows of `labels`, each once.
    """
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1, got {repeats}. Take 10.")
    check_seed(seed)
    rows = _rows_to_divide(labels, rows)
    rarest, count = _rarest_class(labels[rows])
    if count < 2:
        raise ValueError(
            f"`labels` must hold at least 2 examples of each class, to learn from and to judge by, "
            f"got {count} of class {rarest}. Add examples, or leave the class out of `rows`."
        )
    fractions = (1 - validation_fraction, validation_fraction)
    if not min(fractions) * len(rows) >= 1 - 1e-9:  # nor is a NaN
        raise ValueError(
            f"`validation_fraction` must be in [1/{len(rows)}, 1 - 1/{len(rows)}], so that each "
            f"side has one of the {len(rows)} examples, got {validation_fraction}. "
            f"Make it {'smaller' if validation_fraction > 0.5 else 'larger'}."
        )

    classes, numbers = np.unique(labels[rows], return_inverse=True)
    sides = []
    for repeat in range(repeats):
        sequence = np.random.SeedSequence((seed, repeat))
        of_classes, of_rows = sequence.generate_state(2, np.uint64).tolist()
        # A split rounds class by class, in the order of their numbers. With one order for all
        # repeats, some small classes would be rounded down in each, and never be judged by.
        renumbered = np.random.default_rng(of_classes).permutation(len(classes))[numbers]
        sides.append([rows[part] for part in stratified_split(renumbered, fractions, of_rows)])
    train, validation = zip(*sides, strict=True)
    return Folds(_filled(train), _filled(validation))


def _rows_to_divide(
    labels: Int[np.ndarray, " n"], rows: Int[np.ndarray, " m"] | None
) -> Int[np.ndarray, " rows"]:
    """These rows, or all, ascending."""
    if rows is None:
        return np.arange(len(labels))
    ascending, counts = np.unique(rows, return_counts=True)
    if len(ascending) < len(rows):
        raise ValueError(
            f"`rows` must name each example once, or it could be on both sides of a fold, got "
            f"{ascending[counts > 1][:5].tolist()} repeatedly. Take `np.unique(rows)`."
        )
    if len(rows) and not 0 <= ascending[0] <= ascending[-1] < len(labels):
        raise ValueError(
            f"`rows` must be in [0, {len(labels)}), the rows of `labels`, got {ascending[0]} to "
            f"{ascending[-1]}. Give the labels of the whole data set."
        )
    return ascending


def _rarest_class(labels: Int[np.ndarray, " n"]) -> tuple[int, int]:
    """Which class has the fewest examples, and how many."""
    if not len(labels):
        raise ValueError("`labels` and `rows` must leave examples to divide, got none. Add some.")
    classes, counts = np.unique(labels, return_counts=True)
    return int(classes[counts.argmin()]), int(counts.min())


def _filled(parts: Sequence[Int[np.ndarray, " _"]]) -> Int32[np.ndarray, "k longest"]:
    """One row of the matrix for each part."""
    matrix = np.full((len(parts), max(map(len, parts))), FILLING, np.int32)
    for line, rows in zip(matrix, parts, strict=True):
        line[: len(rows)] = rows
    return matrix
