"""How precise a detector is, over how much it finds: a line for each class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxvision.inspect.picture import COLORS, Picture, house_style, shorten, text_width

MOST = 20  # classes with a colour and a name
DASHES = ("-", "--", ":")  # with the eight colours, enough for all of those


@house_style
def plot_precision_recall(
    curves: Sequence[tuple], average_precision: Float[np.ndarray, "_c"], classes: Sequence[str]
) -> Picture:
    """Draws the precision at each recall, interpolated, with the average precision of each class.

    Interpolated means the best precision at this recall or a higher one, so that the area below a
    line is the average precision of VOC 2010 and later. Of more than 20 classes the ten best and
    the ten worst have a colour and a name.

    Args:
        curves: of each class recall [k] and precision [k], in ascending order of recall; whatever
            follows these is not looked at.
        average_precision: by class; NaN for one without objects, which has no line.
        classes: the names.

    Raises:
        ValueError: if there is not one curve and average precision for each of at least one class,
            a curve has not as many precisions as recalls, or a recall descends.
    """
    _check_curves(curves, average_precision, classes)
    measured = np.flatnonzero(~np.isnan(average_precision))
    ranked = measured[np.argsort(-average_precision[measured], kind="stable")].tolist()
    named = ranked if len(ranked) <= MOST else ranked[: MOST // 2] + ranked[-MOST // 2 :]
    others = ranked[MOST // 2 : -MOST // 2] if len(ranked) > MOST else []
    entries = {i: f"{average_precision[i]:.3f}  {shorten(classes[i], 24)}" for i in named}
    heading, more = "average precision", f"{len(others)} classes between" if others else ""
    widest = max(map(text_width, [heading, more, *entries.values()]))  # inches, as all lengths here
    high = max(3.8, 0.2 * (len(named) + 1 + bool(others)))

    figure = Picture(figsize=(6.5 + 1.1 * widest + 0.2, 0.65 + high + 0.45))
    axes = figure.place(0.8, 0.65, 5.0, high)
    styles = {i: {"color": "0.85", "lw": 0.8} for i in others}
    for order, i in enumerate(named):
        color, dashes = COLORS[order % len(COLORS)], DASHES[order // len(COLORS)]
        styles[i] = {"color": color, "ls": dashes, "lw": 1.8}
    lines = {}
    for i in [*others, *reversed(named)]:  # the best on top
        steps = _staircase(*curves[i][:2])
        (lines[i],) = axes.step(*steps, where="pre", clip_on=False, **styles[i])
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
    axes.set_title(_title(average_precision[measured], len(classes)), loc="left", pad=12)
    shown = [(lines[i], entries[i]) for i in named]
    if others:
        shown.insert(MOST // 2, (lines[others[0]], more))
    if shown:
        axes.legend(
            *zip(*shown, strict=True), title=heading, alignment="left", frameon=False,
            loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, labelspacing=0.25,
        )  # fmt: skip
    return figure


def _staircase(
    recall: Float[np.ndarray, " k"], precision: Float[np.ndarray, " k"]
) -> tuple[np.ndarray, np.ndarray]:
    """The interpolated curve, from recall 0 on, and down to 0 where no more is found."""
    recall = np.concatenate([[0], recall])
    highest = np.maximum.accumulate(np.append(precision, 0)[::-1])[::-1]
    return np.append(recall, recall[-1]), np.concatenate([highest[:1], highest])


def _title(measured: Float[np.ndarray, " m"], classes: int) -> str:
    if not len(measured):
        return "No class has an object"
    without = classes - len(measured)
    one = "class" if len(measured) == 1 else "classes"
    note = f"; {without} without objects" if without else ""
    return f"Mean average precision {measured.mean():.3f} ({len(measured)} {one}{note})"


def _check_curves(curves, average_precision, classes) -> None:
    count = len(classes)
    if not count or len(curves) != count or average_precision.shape != (count,):
        raise ValueError(
            "`curves` and `average_precision` must have one entry for each of at least one class "
            f"of `classes`, got {len(curves)} and shape {average_precision.shape} for {count}: "
            "pass those of one evaluation."
        )
    for i, (recall, precision, *_) in enumerate(curves):
        if np.shape(recall) != np.shape(precision) or (np.diff(recall) < 0).any():
            raise ValueError(
                "`curves` must have as many precisions as recalls, these in ascending order, got "
                f"shapes {np.shape(recall)} and {np.shape(precision)} for {classes[i]!r}: pass "
                "(recall, precision)."
            )
