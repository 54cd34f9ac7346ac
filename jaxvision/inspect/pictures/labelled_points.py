"""Points on a plane with classes, as a scatter is drawn of them."""

from collections.abc import Sequence

import numpy as np


def check_points(name: str, points: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    """Refuses points that cannot be drawn.

    Args:
        name: of the argument that they are.
        points: [n, 2].
        labels: indices into `classes`.
        classes: the names.

    Raises:
        ValueError: if there are none, one is not finite, or a label is not an index of `classes`.
    """
    if not len(points) or not np.isfinite(points).all():
        raise ValueError(
            f"`{name}` must be at least one point, and finite, got {len(points)}"
            + (", some of them not finite." if len(points) else ".")
        )
    if labels.shape != (len(points),):
        raise ValueError(
            f"`labels` of `{name}` must be one for each of the {len(points)} points, got shape "
            f"{list(labels.shape)}."
        )
    if labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError(
            f"`labels` of `{name}` must be indices of the {len(classes)} `classes`, got "
            f"{labels.min()} to {labels.max()}: name every class."
        )
