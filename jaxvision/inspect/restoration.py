"""Restored pictures beside what they were made from and the true ones, with a part enlarged."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from jaxvision.inspect.picture import COLORS, Picture, house_style

COLUMN = 3.0  # inches, as all lengths here
GAP, LINE, HEAD = 0.1, 0.28, 0.05
PART = 5  # the part's sides, in parts of the picture's shorter one


@house_style
def plot_restoration(
    pictures: Sequence[tuple[UInt8[np.ndarray, "_h _w _c"], ...]],
    psnr: Sequence[tuple[float, float]],
    before: str = "before",
) -> Picture:
    """Shows pictures before and after, the truth beside them, and below a part of each enlarged.

    The part is where the true picture has most contrast: there it is seen what was lost.

    Args:
        pictures: of each (before, restored, truth), of one size, grey (c = 1) or RGB (c = 3).
        psnr: of each what is written above the first two, in dB.
        before: what the first column is called.

    Raises:
        ValueError: if there are no pictures, not as many `psnr`, or three that belong together
            differ in shape or are not grey or RGB in uint8.
    """
    if not pictures or len(psnr) != len(pictures):
        raise ValueError(
            "`pictures` and `psnr` must have one entry for each of at least one picture, got "
            f"{len(pictures)} and {len(psnr)}: pass those of the same pictures."
        )
    for three in pictures:
        _check(three)
    # A picture and its part below it; above, what they are.
    highs = [COLUMN * three[2].shape[0] / three[2].shape[1] for three in pictures]
    high = sum(LINE + whole + GAP + COLUMN / 2 + 2 * GAP for whole in highs) + HEAD
    wide = 3 * COLUMN + 4 * GAP
    figure = Picture(figsize=(wide, high))
    top = high - HEAD
    for three, decibels, whole in zip(pictures, psnr, highs, strict=True):
        titles = [f"{before}, {decibels[0]:.2f} dB", f"restored, {decibels[1]:.2f} dB", "truth"]
        y, x, rows, columns = _part(three[2])
        for i, (image, title) in enumerate(zip(three, titles, strict=True)):
            left = GAP + i * (COLUMN + GAP)
            axes = figure.place(left, top - LINE - whole, COLUMN, whole)
            axes.set_title(title, loc="left", pad=4)
            _show(axes, image)
            axes.add_patch(
                Rectangle((x - 0.5, y - 0.5), columns, rows, fill=False, ec=COLORS[1], lw=1.5)
            )
            below = top - LINE - whole - GAP - COLUMN / 2
            axes = figure.place(left, below, COLUMN, COLUMN / 2)
            _show(axes, image[y : y + rows, x : x + columns])
            axes.spines[:].set(color=COLORS[1], linewidth=1.5)
        top -= LINE + whole + GAP + COLUMN / 2 + 2 * GAP
    return figure


def _part(image: UInt8[np.ndarray, "h w c"]) -> tuple[int, int, int, int]:
    """(top, left, rows, columns) of the window, twice as wide as high, with the largest sum of
    differences between neighbours, on a grid of half windows."""
    h, w, _ = image.shape
    rows = max(2, min(h // PART, w // (2 * PART)))
    columns = 2 * rows
    if w < columns:
        rows, columns = h, w
    grey = image.mean(axis=2)
    edges = np.zeros((h, w))
    edges[1:] += abs(np.diff(grey, axis=0))
    edges[:, 1:] += abs(np.diff(grey, axis=1))
    corners = [
        (y, x)
        for y in range(0, h - rows + 1, max(1, rows // 2))
        for x in range(0, w - columns + 1, max(1, columns // 2))
    ]
    y, x = max(corners, key=lambda at: edges[at[0] : at[0] + rows, at[1] : at[1] + columns].sum())
    return y, x, rows, columns


def _show(axes: Axes, image: UInt8[np.ndarray, "h w c"]) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="0.8")


def _check(three: tuple) -> None:
    shapes = [(image.dtype, image.shape) for image in three]
    right = len(three) == 3 and len(set(shapes)) == 1 and three[0].dtype == np.uint8
    if not right or three[0].ndim != 3 or three[0].shape[2] not in (1, 3) or not three[0].size:
        raise ValueError(
            "`pictures` must have three of one shape, uint8 [h, w, c] with c = 1 or 3, for each, "
            f"got {shapes}: bring what came before to the size of the truth."
        )
