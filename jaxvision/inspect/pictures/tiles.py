"""A sheet of small pictures of one size, each with a word above it."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from jaxvision.inspect.picture import SMALL, Picture, house_style, text_width

GAP = 0.08  # inches, as all lengths here
WIDE = 9.0  # a sheet is no wider, if its tiles let it


def scaled(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """As grey values: 0 is black if nothing is negative, and else the middle; the largest
    magnitude is white, or black."""
    values = np.asarray(values, np.float64)
    largest = np.abs(values).max(initial=0.0) or 1.0
    share = values / largest if values.min(initial=0.0) >= 0 else (1 + values / largest) / 2
    return np.rint(255 * share).astype(np.uint8)


@house_style
def sheet(
    tiles: Sequence[UInt8[np.ndarray, "..."]],
    titles: Sequence[str],
    heading: str,
    *,
    columns: int | None = None,
    side: float = 0.9,
    rows: Sequence[str] = (),
) -> Picture:
    """Tiles [h w] or [h w 3] by rows; each fits a square of `side` inches, its pixels sharp.

    Args:
        tiles: grey or RGB, of any sizes.
        titles: what is written above each; "" everywhere takes no room.
        heading: above all.
        columns: in a row; by default about as many as there are rows.
        side: of a tile.
        rows: what is written before each row, or nothing.
    """
    step = max(side, *(text_width(title) for title in titles)) + GAP
    above = 0.22 if any(titles) else 0.0
    before = max((text_width(name) for name in rows), default=-GAP) + 2 * GAP
    if columns is None:
        columns = min(math.ceil(math.sqrt(1.6 * len(tiles))), max(1, int(WIDE / step)))
    lines = math.ceil(len(tiles) / columns)
    wide = max(before + min(columns, len(tiles)) * step + GAP, text_width(heading, 12) + 2 * GAP)
    high = lines * (side + above + GAP) + 0.42
    figure = Picture(figsize=(wide, high))
    figure.text(GAP / wide, 1 - 0.2 / high, heading, size=12, ha="left", va="center")
    for number, (pixels, title) in enumerate(zip(tiles, titles, strict=True)):
        row, column = divmod(number, columns)
        top = high - 0.38 - row * (side + above + GAP)
        height, width = (side * n / max(pixels.shape[:2]) for n in pixels.shape[:2])
        left = before + column * step + (step - GAP - width) / 2
        axes = figure.place(left, top - above - (side + height) / 2, width, height)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="0.8")
        middle = before + column * step + (step - GAP) / 2
        figure.text(
            middle / wide, (top - above / 2) / high, title, size=SMALL, ha="center", va="center"
        )
        if rows and column == 0:
            figure.text(
                GAP / wide, (top - above - side / 2) / high, rows[row], size=SMALL, va="center"
            )
    return figure
