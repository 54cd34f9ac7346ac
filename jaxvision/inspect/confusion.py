"""What a classifier confuses: how often each class was called which."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer
from matplotlib.colors import PowerNorm
from matplotlib.ticker import FuncFormatter

from jaxvision.inspect.picture import SMALL, Picture, house_style, readable_on, shorten, text_width


@house_style
def plot_confusion(matrix: Integer[np.ndarray, "_c _c"], classes: Sequence[str]) -> Picture:
    """Draws a confusion matrix of counts, rows the true classes, columns the predicted ones.

    The colour is the share of the row, on a square-root scale, so that rare confusions are seen
    beside a strong diagonal. Up to 20 classes have their counts written into the cells; more have
    their names thinned to what can be read.

    Raises:
        ValueError: if `matrix` is not a square of counts with a row for each of `classes`, or
            counts nothing.
    """
    count = len(classes)
    if matrix.shape != (count, count):
        raise ValueError(
            f"`matrix` must be square, with a row and a column for each of the {count} `classes`, "
            f"got shape {matrix.shape}: pass both for the same classes."
        )
    if not np.issubdtype(matrix.dtype, np.integer) or (matrix < 0).any() or not matrix.any():
        raise ValueError(
            f"`matrix` must hold counts, integers >= 0 and not all 0, got {matrix.dtype} from "
            f"{matrix.min(initial=0)} to {matrix.max(initial=0)}: pass the counts, not normalised; "
            "the colours are normalised here."
        )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # an absent class has none
    written = count <= 20
    cell = max(0.42, text_width(str(matrix.max())) + 0.16)  # inches, as all lengths here
    side = max(3.0, count * cell) if written else 8.0
    thinnings = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    step = next(step for step in thinnings if count / step <= 40)
    names = [shorten(name, 24) for name in classes[::step]]
    widest = max(text_width(name) for name in names)
    turned = widest + 0.1 > side * step / count
    left, below = widest + 0.5, (0.75 * widest if written else widest) + 0.6 if turned else 0.65

    figure = Picture(figsize=(left + side + 1.2, below + side + 0.4))
    axes = figure.place(left, below, side, side)
    norm = PowerNorm(0.5, vmin=0, vmax=1)
    image = axes.imshow(
        shares, cmap="Blues", norm=norm, interpolation="auto", origin="upper", aspect="auto"
    )
    axes.set_xticks(range(0, count, step), names)
    axes.set_yticks(range(0, count, step), names)
    if turned and written:
        axes.set_xticks(axes.get_xticks(), names, rotation=45, ha="right", rotation_mode="anchor")
    elif turned:  # too close together to be slanted
        axes.set_xticks(axes.get_xticks(), names, rotation=90)
    axes.tick_params(length=0 if written else 3)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    correct, total = int(np.trace(matrix)), int(matrix.sum())
    axes.set_title(f"Accuracy {100 * correct / total:.1f} % ({correct} of {total})", loc="left")
    for (row, column), number in np.ndenumerate(matrix):
        if written and number:
            color = readable_on(image.cmap(norm(shares[row, column])))
            axes.text(column, row, str(number), c=color, size=SMALL, ha="center", va="center")
    bar = figure.colorbar(
        image,
        cax=figure.place(left + side + 0.15, below, 0.15, side),
        ticks=[0, 0.01, 0.05, 0.2, 0.5, 1],
        format=FuncFormatter(lambda share, _: f"{100 * share:.0f} %"),
        label="share of the true class",
    )
    bar.outline.set_visible(False)
    return figure
