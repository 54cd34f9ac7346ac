"""Histories, confusions and evaluations that were never run, for the pictures to show."""

import numpy as np

WORDS = ["ant", "black-and-tan coonhound of the hills", "bee", "American carpenter ant", "$5_bill"]


def history_of(epochs, loss=lambda epoch: 2.0 / epoch, accuracy=lambda epoch: 1 - 0.5 / epoch):
    return [
        {
            "epoch": epoch,
            "train": {"loss": loss(epoch), "accuracy": accuracy(epoch)},
            "validation": {"loss": 1.1 * loss(epoch), "accuracy": 0.9 * accuracy(epoch)},
        }
        for epoch in epochs
    ]


def confusion_of(count, seed=0):
    matrix = np.random.default_rng(seed).poisson(0.3, (count, count))
    return matrix + 20 * np.eye(count, dtype=int), [f"{WORDS[i % 5]} {i}" for i in range(count)]


def evaluation_of(count, size=(8, 8, 1), wrong=None, classes=("zero", "one", "two")):
    """Images of which the first `wrong` are mistaken, in no order of confidence."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(classes), count)
    off = np.where(np.arange(count) < (count if wrong is None else wrong), 1, 0)
    return {
        "images": rng.integers(0, 256, (count, *size), dtype=np.uint8),
        "labels": labels,
        "predictions": (labels + off) % len(classes),
        "probabilities": rng.permutation(np.linspace(0.35, 0.99, count)).astype(np.float32),
        "classes": list(classes),
    }
