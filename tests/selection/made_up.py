"""Sweeps that were never run."""

import numpy as np

from jaxvision.selection.results import Lane, LaneResult, SweepResult


def history_of(train_loss, train_accuracy, loss, accuracy):
    """A history with these values, one an epoch."""
    columns = zip(train_loss, train_accuracy, loss, accuracy, strict=True)
    return tuple(
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "skipped": 0,
            "train": {"loss": float(a), "accuracy": float(b)},
            "validation": {"loss": float(c), "accuracy": float(d)},
        }
        for epoch, (a, b, c, d) in enumerate(columns, 1)
    )


def lane_of(candidate, hyperparameters, accuracies, seed=0, fold=None, ended="epochs", losses=None):
    """A lane with these validation accuracies; its best epoch is that of the largest."""
    accuracies = np.asarray(accuracies, float)
    losses = 2 * (1 - accuracies) if losses is None else losses
    history = history_of(0.9 * np.asarray(losses), accuracies, losses, accuracies)
    best = 1 + int(np.argmax(accuracies)) if len(accuracies) else 0
    return LaneResult(Lane(candidate, hyperparameters, seed, fold), history, best, ended)


def sweep_of(
    candidates, accuracy, seeds=2, folds=3, epochs=5, diverged=lambda h, seed, fold: False
):
    """Lanes of all candidates, seeds and folds that learn until `accuracy(hyperparameters)`."""
    lanes = []
    for number, hyperparameters in enumerate(candidates):
        for seed in range(seeds):
            for fold in range(folds):
                noise = np.random.default_rng((number, seed, fold)).normal(0, 0.01, epochs)
                top = accuracy(hyperparameters)
                values = np.clip(top * (1 - 0.7 ** np.arange(2, epochs + 2)) + noise, 0, 1)
                bad = diverged(hyperparameters, seed, fold)
                values = values[: max(1, epochs // 2)] if bad else values
                lane = lane_of(
                    number, hyperparameters, values, seed, fold, "diverged" if bad else "epochs"
                )
                lanes.append(lane)
    return SweepResult(tuple(lanes))
