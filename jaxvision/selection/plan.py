"""What a sweep trains, and what is alike for all of its lanes."""

import dataclasses

import jax
import numpy as np

from jaxvision.data.folds import Folds, rows_of
from jaxvision.selection.lanes import LaneFunctions, MakeRun
from jaxvision.selection.orders import steps_of_folds, training_orders, validation_orders
from jaxvision.selection.spaces import Value
from jaxvision.train.epoch import MAX_SKIPPED
from jaxvision.train.fit import Score, by_accuracy

EVAL_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings of a sweep.

    Attributes:
        make_run: (hyperparameters, steps of the whole training) -> `train.job.Job`. It is traced
            with arrays for the hyperparameters that are not fixed.
        data: "image" [n, h, w, c] and "label" [n]: all examples, which stay on the device.
        folds: rows of `data` to learn from and to judge by (`data.folds`); a single division is
            one fold.
        epochs: of each training, at most.
        batch_size: b, of the training.
        patience: a training stops after so many epochs without a better score; None: never.
        score: what "better" means, of validation metrics that may be traced; see `train.fit`.
        max_skipped: a training stops after so many steps in a row that are not finite.

    Raises:
        ValueError: if one of them cannot be.
    """

    make_run: MakeRun
    data: dict[str, np.ndarray]
    folds: Folds
    epochs: int
    batch_size: int
    patience: int | None = None
    score: Score = by_accuracy
    max_skipped: int = MAX_SKIPPED

    def __post_init__(self):
        limits = {
            "epochs": self.epochs,
            "patience": self.patience,
            "max_skipped": self.max_skipped,
            "batch_size": self.batch_size,
        }
        for name, value in limits.items():
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        examples = len(self.data["label"])
        rows = np.concatenate([part.ravel() for part in self.folds])
        if rows.max() >= examples:
            raise ValueError(
                f"`folds` must hold rows of the data, which has {examples}, got {rows.max()}: make "
                "them of the labels of these data."
            )
        if not all(rows_of(rows).size for rows in self.folds.validation):
            raise ValueError(
                "`folds` must have examples to judge by in each fold, got one without: make the "
                "validation part larger."
            )
        smallest = min(len(rows_of(rows)) for rows in self.folds.train)
        if self.batch_size > smallest:
            raise ValueError(
                f"`batch_size` must be in [1, {smallest}], the training examples of the smallest "
                f"fold, got {self.batch_size}."
            )

    @property
    def steps(self) -> int:
        """Of an epoch of the largest fold."""
        return steps_of_folds(self.folds, self.batch_size)

    @property
    def eval_batch(self) -> int:
        return min(EVAL_BATCH, *(len(rows_of(rows)) for rows in self.folds.validation))

    def functions(self, fixed: dict[str, Value], *, loops: bool) -> LaneFunctions:
        """A lane's functions, with these hyperparameters `fixed`, and steps in `loops` or not."""
        return LaneFunctions(
            self.make_run,
            fixed,
            self.epochs * self.steps,
            self.score,
            self.max_skipped,
            loops=loops,
        )

    def order(self, lanes: list[tuple[int, int]], epoch: int) -> dict[str, np.ndarray]:
        """The training batches of an epoch, of lanes given as (fold, seed)."""
        return training_orders(self.folds, lanes, self.batch_size, epoch)

    def validation(self, lanes: list[tuple[int, int]]) -> dict[str, np.ndarray]:
        return validation_orders(self.folds, [fold for fold, _ in lanes], self.eval_batch)

    def batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """The shapes of a training batch."""
        b = self.batch_size
        arrays = {
            name: jax.ShapeDtypeStruct((b, *a.shape[1:]), a.dtype) for name, a in self.data.items()
        }
        kinds = {"row": np.int32, "mask": np.bool_, "epoch": np.int32}
        return arrays | {name: jax.ShapeDtypeStruct((b,), kind) for name, kind in kinds.items()}
