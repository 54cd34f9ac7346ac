"""Objects and detections that no image and no network stands behind."""

import numpy as np

from jaxvision.data.objects import Objects
from jaxvision.detection.detections import Detections


def objects_of(boxes, labels, difficult=(), crowd=()):
    """The objects, of which those with these numbers are difficult, or crowds."""
    rows = np.arange(len(labels))
    return Objects(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int32),
        np.isin(rows, difficult),
        np.isin(rows, crowd),
        500,
        500,
    )


def detections_of(boxes, scores, labels):
    order = np.argsort(-np.array(scores, np.float32), kind="stable")
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4)[order],
        np.array(scores, np.float32)[order],
        np.array(labels, np.int32)[order],
    )


NOTHING_THERE, NOTHING_FOUND = objects_of([], []), detections_of([], [], [])


def crossing(seed, images=6, classes=3):
    """Boxes on a coarse grid: many overlap, by one half exactly or twice the same; scores tie."""
    rng = np.random.default_rng(seed)

    def boxes(count):
        corners = rng.integers(0, 5, (count, 2))
        return np.concatenate([corners, corners + rng.integers(1, 5, (count, 2))], axis=1)

    truth, found = [], []
    for _ in range(images):
        n, k = rng.integers(0, 5), rng.integers(0, 12)
        flags = [np.flatnonzero(rng.random(n) < 0.2) for _ in range(2)]
        truth.append(objects_of(boxes(n), rng.integers(0, classes, n), *flags))
        scores = rng.integers(1, 8, k) / 8
        found.append(detections_of(boxes(k), scores, rng.integers(0, classes, k)))
    return truth, found


def apart(seed, images=30, classes=3, difficult=0.0, crowd=0.0):
    """Objects that do not touch each other, and scores that do not tie."""
    rng = np.random.default_rng(seed)
    cells = 150 * np.stack(np.meshgrid(range(3), range(3)), axis=-1).reshape(-1, 2)
    truth, found = [], []
    for _ in range(images):
        n, k = rng.integers(0, 6), rng.integers(0, 9)
        corners = rng.permutation(cells)[:n] + rng.uniform(0, 20, (n, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(10, 120, (n, 2))], axis=1)
        labels = rng.integers(0, classes, n)
        flags = [np.flatnonzero(rng.random(n) < share) for share in (difficult, crowd)]
        truth.append(objects_of(boxes, labels, *flags))
        about = rng.integers(0, n, k) if n else np.zeros(k, int)
        near = boxes[about] if n else np.tile([0, 0, 60, 60], (k, 1))
        near = near + rng.normal(0, rng.choice([1, 5, 30], (k, 1)), (k, 4))
        near[:, 2:] = np.maximum(near[:, :2] + 1, near[:, 2:])
        guesses = rng.integers(0, classes, k)
        labels = np.where(rng.random(k) < 0.7, labels[about], guesses) if n else guesses
        found.append(detections_of(near, rng.random(k), labels))
    return truth, found
