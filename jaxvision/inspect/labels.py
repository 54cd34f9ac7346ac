"""The labels of boxes: what is written on one, and where it stands.

Nothing here knows a unit: lengths are pixels for Pillow as for Matplotlib. Of all places at its
box, a label takes the first that covers least of the labels that stand already; within the image it
stays in any case.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Real

from jaxvision.inspect.picture import shorten

Length: TypeAlias = int | float
Edges: TypeAlias = tuple[Length, Length, Length, Length]  # left, top, right, bottom
LONGEST = 24  # letters of a name


def fitting_label(name: str, percent: str, room: Length, width_of: Callable[[str], float]) -> str:
    """ "name, percent", with the name shortened, or at last left out, until it fits into `room`."""
    # Of a name of several letters more than "…" must be left.
    for length in range(min(len(name), LONGEST), min(len(name), 2) - 1, -1):
        text = ", ".join(part for part in (shorten(name, length), percent) if part)
        if width_of(text) <= room:
            return text
    return percent


def place_label(
    size: tuple[Length, Length],
    box: Real[np.ndarray, "4"],
    taken: Sequence[Edges],
    bounds: tuple[Length, Length],
    below: bool = False,
) -> Edges:
    """Where a label stands: at its box, within the image, on as little of others as can be.

    Args:
        size: (width, height) of the label.
        box: what it is the label of.
        taken: the labels that stand already.
        bounds: (width, height) of the image.
        below: whether the first choice is below the box, and not above it.
    """
    (wide, high), (left, top, right, bottom) = size, box
    above, under = (top - high, top), (bottom, bottom - high)
    downs = [*(under + above if below else above + under), *np.arange(top + high, bottom, high)]
    downs += [bottom + high, top - 2 * high]  # behind another label
    acrosses = [left, right - wide, (left + right - wide) / 2, right, left - wide]
    places = np.array([(across, down) for across in acrosses for down in downs], float)
    places = np.clip(places, 0, np.maximum(np.subtract(bounds, size), 0))
    cost = _covered(places, size, np.reshape(taken, (-1, 4)))
    if (right - left) * (bottom - top) < 4 * wide * high:
        # So small a box would be hidden; it weighs less than any label.
        cost += 1e-3 * _covered(places, size, np.reshape(box, (1, 4)))
    across, down = places[np.argmin(cost)].tolist()  # the first of the best
    return across, down, across + wide, down + high


def _covered(
    places: Float[np.ndarray, "p 2"], size: tuple[Length, Length], others: Real[np.ndarray, "n 4"]
) -> Float[np.ndarray, " p"]:
    """The area of `others` that a label of that size covers at each place."""
    low = np.maximum(places[:, None], others[None, :, :2])
    high = np.minimum(places[:, None] + np.array(size), others[None, :, 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1).sum(axis=1)
