"""Divides a data set into parts that all have the whole's class proportions (stratified).

Each class of n examples is dealt out so that a part of fraction f receives floor(n f) or ceil(n f)
of them: within one example of its share. The examples that rounding leaves over go to the part that
has had the least of what it is owed so far, which keeps the parts' totals right as well.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxvision.data.sources import Source
from jaxvision.data.views import Subset


class Splits(NamedTuple):
    """What is learned from, what decides when to stop, and what is looked at once, at the end."""

    train: Source
    validation: Source
    test: Source


def stratified_split(
    labels: Int[np.ndarray, " n"], fractions: Sequence[float], seed: int
) -> list[Int[np.ndarray, " part"]]:
    """Deals the rows 0..n-1 into parts of `fractions`, each with the class proportions of `labels`.

    A pure function of its arguments. Rows within a part ascend.

    Raises:
        ValueError: if the fractions are not positive or do not add up to 1, a class has fewer
            examples than there are parts, or the seed is negative.
    """
    check_seed(seed)
    if not (min(fractions) > 0 and abs(sum(fractions) - 1) <= 1e-9):  # nor is a NaN
        raise ValueError(
            f"`fractions` must be positive and add up to 1, got {tuple(fractions)}; "
            "make the held-out parts smaller."
        )
    classes, counts = np.unique(labels, return_counts=True)
    if counts.size == 0 or counts.min() < len(fractions):
        fewest = f"class {classes[counts.argmin()]} has {counts.min()}" if counts.size else "none"
        raise ValueError(
            f"`labels` must hold at least {len(fractions)} examples of each class, one for each "
            f"part, got fewer: {fewest}. Add examples, or leave the class out."
        )

    random = np.random.default_rng(seed)
    parts, owed = [[] for _ in fractions], np.zeros(len(fractions))
    for label, count in zip(classes, counts, strict=True):
        share = count * np.asarray(fractions)
        sizes = np.floor(share + 1e-9).astype(int)
        owed += share - sizes
        # Nobody gets two of the left-over examples, nor one who is owed a whole number.
        fractional = share - sizes > 1e-9
        for part in np.argsort(np.where(fractional, -owed, np.inf))[: count - sizes.sum()]:
            sizes[part] += 1
            owed[part] -= 1
        rows = random.permutation(np.flatnonzero(labels == label))
        for part, chosen in enumerate(np.split(rows, np.cumsum(sizes)[:-1])):
            parts[part].append(chosen)
    return [np.sort(np.concatenate(chosen)) for chosen in parts]


def train_validation_test(
    source: Source,
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Splits:
    """Divides one source, all there is, into three parts with its class proportions.

    What a data set comes divided into is better kept: `complete_splits` adds the missing parts
    only.

    Args:
        source: the examples.
        validation_fraction: the part of them that decides when to stop, and which model to take.
        test_fraction: the part of them that the chosen model is measured on, once.
        seed: which examples go where.

    Raises:
        ValueError: as `complete_splits`.
    """
    return complete_splits(
        {"train": source},
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )


def complete_splits(
    dataset: dict[str, Source],
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Splits:
    """Fills in the parts that a data set does not come with, out of its training part.

    Args:
        dataset: "train", and "validation" and "test" where they are given: those stay as they are.
        validation_fraction: the part of "train" that becomes the validation set, if there is none.
        test_fraction: the part of "train" that becomes the test set, if there is none.
        seed: which examples are taken.

    Raises:
        ValueError: if there is nothing to train on, or too little to divide.
    """
    if "train" not in dataset:
        raise ValueError(f"`dataset` must have a part called train, got {sorted(dataset)}.")
    wanted = {"validation": validation_fraction, "test": test_fraction}
    missing = {name: part for name, part in wanted.items() if name not in dataset}
    for name, fraction in missing.items():
        if not 0 < fraction < 1:
            raise ValueError(
                f"`{name}_fraction` must be in (0, 1), got {fraction}: this data set comes without "
                f"a {name} part."
            )
    train = dataset["train"]
    if missing:
        counts = np.bincount(train.labels, minlength=len(train.classes))
        scarce = int(np.argmin(counts))
        if counts[scarce] < len(missing) + 1:
            raise ValueError(
                f"each class must have at least {len(missing) + 1} examples, one for each of "
                f"train, {' and '.join(missing)}, and {train.classes[scarce]!r} has "
                f"{counts[scarce]}. Add "
                "some, or leave the class out."
            )
        fractions = {"train": 1 - sum(missing.values())} | missing
        parts = stratified_split(train.labels, tuple(fractions.values()), seed)
        for (name, fraction), rows in zip(fractions.items(), parts, strict=True):
            if not rows.size:
                arguments = " and ".join(f"`{part}_fraction`" for part in missing)
                raise ValueError(
                    f"{arguments} must leave each part an example, but of {len(train)} the "
                    f"fraction {fraction:.2g} for {name} has none. Make it larger, or add examples."
                )
        cut = {name: Subset(train, rows) for name, rows in zip(fractions, parts, strict=True)}
        return Splits(**(dataset | cut))
    return Splits(**dataset)


def check_seed(seed: int) -> None:
    """Raises ValueError if a random generator cannot begin with `seed`."""
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}. Take 0, 1, 2 ...")
