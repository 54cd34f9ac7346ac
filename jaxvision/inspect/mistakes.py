"""Where a classifier is wrong: the pictures that it was most sure of and mistook."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer, UInt8

from jaxvision.inspect.picture import SMALL, Picture, house_style, shorten, text_width


@house_style
def plot_mistakes(
    images: Sequence[UInt8[np.ndarray, "h w c"]] | UInt8[np.ndarray, "n h w c"],
    labels: Integer[np.ndarray, "_n"],
    predictions: Integer[np.ndarray, "_n"],
    probabilities: Float[np.ndarray, "_n"],
    classes: Sequence[str],
    most: int = 25,
) -> Picture:
    """Shows the wrongly classified images, the most confident first: "true → predicted, 97 %".

    Args:
        images: grey (c = 1) or RGB (c = 3), of one size. Only those that are shown are looked up,
            so any object with a length and items will do, such as one that reads them from a disk.
        labels: the true classes, as indices into `classes`.
        predictions: the predicted classes, likewise.
        probabilities: those of the predicted classes.
        classes: the names.
        most: the largest number of images to show; the heading says how many mistakes there are.

    Raises:
        ValueError: if `images` are none, or one that is shown is not grey or RGB in uint8; if
            another array is not one value an image; if a label, prediction or probability is out
            of range; if `most` < 1.
    """
    _check_predictions(len(images), labels, predictions, probabilities, classes)
    if most < 1:
        raise ValueError(f"`most` must be at least 1, got {most}: it is the number of tiles.")
    wrong = np.flatnonzero(predictions != labels)
    shown = wrong[np.argsort(-probabilities[wrong], kind="stable")][:most]
    heading = f"The {len(shown)} most confident of {len(wrong)} mistakes among {len(images)} images"
    if len(wrong) <= most:
        heading = f"{len(wrong) or 'No'} mistake{'s'[len(wrong) == 1 :]} among {len(images)} images"
    if not len(shown):
        figure = Picture(figsize=(5, 1.5))
        figure.text(0.5, 0.5, heading, ha="center", va="center")
        return figure

    tiles = [images[int(i)] for i in shown]
    _check_tiles(tiles)
    names = [shorten(name, 20) for name in classes]
    pairs = [(names[labels[i]], names[predictions[i]], 100 * probabilities[i]) for i in shown]
    titles = [f"{true} → {predicted}, {percent:.0f} %" for true, predicted, percent in pairs]
    if max(map(text_width, titles)) > 2:  # inches, as all lengths here
        titles = [title.replace(" → ", " →\n") for title in titles]
    lines = [line for title in titles for line in title.split("\n")]
    tile = max(1.5, max(map(text_width, lines)) + 0.2)
    above = 0.3 if len(lines) == len(titles) else 0.5
    width = tile - 0.12
    pixels_high, pixels_wide, _ = tiles[0].shape
    height = width * pixels_high / pixels_wide
    columns = min(math.ceil(math.sqrt(len(shown))), int(13 / tile))
    rows = math.ceil(len(shown) / columns)

    size = max(columns * tile, text_width(heading, 12)) + 0.2, rows * (height + above) + 0.45
    figure = Picture(figsize=size)
    figure.text(0.5, 1 - 0.21 / size[1], heading, size=12, ha="center", va="center")
    # Small images keep their pixels, square and sharp; photographs are smoothed to the size.
    interpolation = "nearest" if 2 * pixels_wide <= width * figure.dpi else "auto"
    for place, (image, title) in enumerate(zip(tiles, titles, strict=True)):
        row, column = divmod(place, columns)
        left = (size[0] - columns * tile) / 2 + column * tile + 0.06
        axes = figure.place(left, size[1] - 0.32 - (row + 1) * (height + above), width, height)
        axes.imshow(
            image, cmap="gray", vmin=0, vmax=255, interpolation=interpolation, origin="upper",
            aspect="auto",
        )  # fmt: skip
        axes.set_title(title, fontsize=SMALL, pad=4)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="0.8")  # else a white image has no edge
    return figure


def _check_predictions(count, labels, predictions, probabilities, classes) -> None:
    if not count:
        raise ValueError("`images` must hold at least one image, got none: evaluate on some.")
    index = (len(classes) - 1, "these are indices of `classes`, name every class")
    for name, values, (high, remedy) in [
        ("labels", labels, index),
        ("predictions", predictions, index),
        ("probabilities", probabilities, (1, "apply the softmax, and look for NaN")),
    ]:
        if values.shape != (count,):
            raise ValueError(
                f"`{name}` must have one value for each of the {count} `images`, got shape "
                f"{values.shape}: pass the arrays of one evaluation, in one order."
            )
        valid = (values >= 0) & (values <= high)
        if not valid.all():
            place = int(np.argmin(valid))
            raise ValueError(
                f"`{name}` must be in [0, {high}], got {values[place]} for image {place}: {remedy}."
            )


def _check_tiles(tiles: Sequence[np.ndarray]) -> None:
    first = tiles[0]
    for tile in tiles:
        if tile.dtype != np.uint8 or tile.ndim != 3 or tile.shape[2] not in (1, 3):
            raise ValueError(
                "`images` must be uint8 [n, h, w, c] with c = 1 or 3, got one that is "
                f"{tile.dtype} {list(tile.shape)}: undo the normalisation, or pick the channels."
            )
        if tile.shape != first.shape:
            raise ValueError(
                f"`images` must have one size, got {list(first.shape)} and {list(tile.shape)}: "
                "scale them to one."
            )
