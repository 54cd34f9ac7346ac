"""Which examples the lanes of a program see in an epoch: an index matrix over the resident data.

A lane of fold f and seed s sees what a single training on that fold's rows with that seed sees, in
the same order (`data.order`). Folds may differ in size by some examples; so may their numbers of
steps, and the shorter ones end with batches of no example.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from jaxvision.data.folds import Folds, rows_of
from jaxvision.data.order import epoch_order, steps_of

Order = dict[str, np.ndarray]


def steps_of_folds(folds: Folds, batch_size: int) -> int:
    """Batches an epoch of the largest fold."""
    return steps_of(folds.train.shape[1], batch_size)


def training_orders(
    folds: Folds, lanes: Sequence[tuple[int, int]], batch_size: int, epoch: int
) -> Order:
    """An epoch of lanes given as (fold, seed): arrays [lanes, steps, b].

    "row" is the number of an example within its fold, and "index" within all the data.
    """
    steps = steps_of_folds(folds, batch_size)
    one = {
        pair: _order(rows_of(folds.train[pair[0]]), batch_size, pair[1], epoch, steps)
        for pair in set(lanes)
    }
    return _stacked([one[pair] for pair in lanes])


def validation_orders(folds: Folds, lanes: Sequence[int], batch_size: int) -> Order:
    """All validation examples of lanes given by their fold, in order."""
    steps = steps_of(folds.validation.shape[1], batch_size)
    one = {
        fold: _order(rows_of(folds.validation[fold]), batch_size, None, 0, steps)
        for fold in set(lanes)
    }
    return _stacked([one[fold] for fold in lanes])


def _order(
    rows: Int[np.ndarray, " n"], batch_size: int, seed: int | None, epoch: int, steps: int
) -> Order:
    row, mask = epoch_order(len(rows), batch_size, seed, epoch)
    missing = ((0, steps - len(row)), (0, 0))
    row, mask = np.pad(row, missing), np.pad(mask, missing)
    index = rows[row].astype(np.int32)
    return {"row": row, "index": index, "mask": mask, "epoch": np.full_like(row, epoch)}


def _stacked(orders: list[Order]) -> Order:
    return {name: np.stack([order[name] for order in orders]) for name in orders[0]}
