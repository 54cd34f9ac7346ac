"""What a detector does wrong: how often which kind of error, of all classes and of each."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Integer
from matplotlib.ticker import MaxNLocator

from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, shorten, text_width

MOST = 20  # classes with a bar
RIGHT = "0.82"  # what is no error is in the background


@house_style
def plot_errors(counts: Mapping[str, Integer[np.ndarray, "_c"]], classes: Sequence[str]) -> Picture:
    """Draws a bar for each kind, and beside it one for each class, made of the kinds.

    The left bars' colours are the key to the right ones. Of more than 20 classes those with the
    most errors are shown.

    Args:
        counts: how many of each kind there are, by class; at most eight kinds. "right", which is no
            error, is grey.
        classes: the names.

    Raises:
        ValueError: if there are no or more than eight kinds, no classes, or one of `counts` is not
            a number >= 0 for each class.
    """
    _check_counts(counts, classes)
    kinds = list(counts)
    wrong = [kind for kind in kinds if kind != "right"]
    colors = {"right": RIGHT, **dict(zip(wrong, COLORS, strict=False))}
    errors = sum(counts[kind] for kind in wrong) + np.zeros(len(classes), int)
    shown = (
        np.argsort(-errors, kind="stable")[:MOST] if len(classes) > MOST else range(len(classes))
    )
    names = [shorten(classes[i], 24) for i in shown]
    totals = {kind: int(counts[kind].sum()) for kind in kinds}

    side = max(map(text_width, kinds)) + 0.3  # inches, as all lengths here
    beside = max(map(text_width, names)) + 0.3
    numbers = max(text_width(f"{total}") for total in totals.values()) + 0.15
    rows = 0.3 * len(kinds), 0.3 * len(names)
    high = max(rows)
    figure = Picture(figsize=(side + 3 + numbers + 0.4 + beside + 4.5 + 0.35, 0.65 + high + 0.45))
    left = figure.place(side, 0.65 + high - rows[0], 3.0, rows[0])
    across = side + 3 + numbers + 0.4 + beside
    right = figure.place(across, 0.65 + high - rows[1], 4.5, rows[1])
    bars = left.barh(kinds, totals.values(), height=0.75, color=[colors[kind] for kind in kinds])
    left.bar_label(bars, padding=4, fontsize=SMALL)
    left.set_title("All classes", loc="left")
    left.set_xlim(0, max(1, *totals.values()))
    left.set_xticks([])
    left.spines["bottom"].set_visible(False)
    start = np.zeros(len(names), int)
    for kind in kinds:
        of_kind = counts[kind][list(shown)]
        right.barh(range(len(names)), of_kind, left=start, height=0.75, color=colors[kind])
        start += of_kind
    right.set_yticks(range(len(names)), names)
    right.set_xlim(0, max(1, start.max()))
    right.set_xlabel("detections and missed objects" if "missed" in kinds else "detections")
    right.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    some = f"The {MOST} of {len(classes)} classes with the most errors"
    right.set_title(some if len(classes) > MOST else "By class", loc="left")
    for axes, rows in ((left, len(kinds)), (right, len(names))):
        axes.set_ylim(rows - 0.5, -0.5)  # the first on top
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure


def _check_counts(counts, classes) -> None:
    most = len(COLORS)
    if not classes or not counts or len(set(counts) - {"right"}) > most:
        raise ValueError(
            f"`counts` must have from one to {most} kinds of errors, and `classes` at least one "
            f"name, got {len(counts)} and {len(classes)}: pass `Errors.counts`, and every class."
        )
    for kind, by_class in counts.items():
        if by_class.shape != (len(classes),) or (by_class < 0).any():
            raise ValueError(
                f"`counts` must have a number >= 0 for each of the {len(classes)} `classes`, got "
                f"shape {by_class.shape} for {kind!r}: pass both for the same classes."
            )
