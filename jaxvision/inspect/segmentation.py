"""The classes of pixels as colours: over one image, or beside the truth on a sheet of several.

Every class has its colour, the same in every picture. The first seven are Okabe & Ito's, told apart
with every common colour blindness; further ones go round the circle of hues by the golden angle, so
that neighbours in number are far apart in hue. A class that is called "background" is not painted.
What is not counted is grey, and only on the sheet.
"""

import colorsys
import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Integer, UInt8
from matplotlib.patches import Patch
from PIL import Image, ImageDraw

from jaxvision.inspect.boxes import BOX_COLORS, SHARP, picture_font
from jaxvision.inspect.picture import Picture, house_style, shorten, text_width

BACKGROUND = "background"  # the name of a class that is left as it is
STRENGTH = 0.55  # of the colour, over the image
NAME = 24  # letters
NOT_COUNTED = 128  # grey


def class_colors(classes: Sequence[str]) -> UInt8[np.ndarray, "k 3"]:
    """The colour of each class, RGB; that of the background is black."""
    colors, number = [], 0
    for name in classes:
        if name == BACKGROUND:
            colors.append((0.0, 0.0, 0.0))
            continue
        if number < len(BOX_COLORS):
            colors.append(matplotlib.colors.to_rgb(BOX_COLORS[number]))
        else:
            hue = number * (3 - math.sqrt(5)) / 2 % 1
            colors.append(colorsys.hsv_to_rgb(hue, 0.55 + 0.4 * (number % 2), 0.95))
        number += 1
    return np.rint(255 * np.array(colors)).astype(np.uint8)


def overlay(
    image: UInt8[np.ndarray, "h w c"],
    segmentation: Integer[np.ndarray, "h w"],
    classes: Sequence[str],
) -> UInt8[np.ndarray, "h w 3"]:
    """The image with the colour of each pixel's class over it.

    Args:
        image: grey (c = 1) or RGB (c = 3).
        segmentation: the class of each pixel; one below 0 is not painted.
        classes: the names.

    Raises:
        ValueError: if `image` is not grey or RGB in uint8, the segmentation has another size, or a
            pixel a class without a name.
    """
    _check(image, segmentation, classes)
    painted = _painted(segmentation, classes)[:, :, None]
    colors = class_colors(classes)[np.maximum(segmentation, 0)]
    mixed = (1 - STRENGTH) * image + STRENGTH * colors
    return np.where(painted, np.rint(mixed), image).astype(np.uint8)


def draw_segmentation(
    image: UInt8[np.ndarray, "h w c"],
    segmentation: Integer[np.ndarray, "h w"],
    classes: Sequence[str],
) -> UInt8[np.ndarray, "height width 3"]:
    """An `overlay` with a legend below it, of the classes that there are; arguments and errors of
    `overlay`.

    A small image is first enlarged by a whole number, its pixels becoming squares.
    """
    factor = max(1, SHARP // max(image.shape[:2]))
    picture = overlay(image, segmentation, classes)
    picture = np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)
    there = np.unique(segmentation[_painted(segmentation, classes)]).tolist()
    legend = _legend(
        [(shorten(classes[k], NAME), class_colors(classes)[k]) for k in there], picture
    )
    return np.concatenate([picture, legend])


@house_style
def plot_segmentation(
    images: Sequence[UInt8[np.ndarray, "_h _w _c"]],
    truths: Sequence[Integer[np.ndarray, "_h _w"]],
    predictions: Sequence[Integer[np.ndarray, "_h _w"]],
    classes: Sequence[str],
) -> Picture:
    """Shows images beside the true classes of their pixels, and what they were called.

    Args:
        images: grey (c = 1) or RGB (c = 3), of any sizes.
        truths: of each image, the class of each pixel, or less than 0 where it is not counted.
        predictions: of each image, what each pixel was called.
        classes: the names.

    Raises:
        ValueError: if there are no images, or not as many `truths` and `predictions`; or for what
            `overlay` refuses.
    """
    count = len(images)
    if not count or len(truths) != count or len(predictions) != count:
        raise ValueError(
            "`images`, `truths` and `predictions` must have one entry for each of at least one "
            f"image, got {count}, {len(truths)} and {len(predictions)}: pass those of the same "
            "images."
        )
    for image, truth, prediction in zip(images, truths, predictions, strict=True):
        _check(image, truth, classes)
        _check(image, prediction, classes)
    blocks = 1 if count == 1 else 2  # examples side by side
    tile, gap, between = (2.6 if blocks == 1 else 1.9), 0.06, 0.3  # inches, as all lengths here
    lines = _legend_lines(classes, blocks * 3 * tile)
    head = 0.35 + 0.26 * lines
    rows = math.ceil(count / blocks)
    wide = blocks * 3 * (tile + gap) + (blocks - 1) * between + 2 * gap
    highs = [
        max(_high(image, tile) for image in images[row * blocks :][:blocks]) for row in range(rows)
    ]
    high = head + sum(highs) + gap * (rows + 1)
    figure = Picture(figsize=(wide, high))
    colors = class_colors(classes) / 255
    figure.legend(
        handles=[
            Patch(fc=color, label=shorten(name, NAME))
            for name, color in zip(classes, colors, strict=True)
            if name != BACKGROUND
        ],
        loc="upper center", ncols=math.ceil(len(classes) / lines), frameon=False,
    )  # fmt: skip
    for i, image in enumerate(images):
        row, block = divmod(i, blocks)
        top = high - head - sum(highs[:row]) - row * gap
        left = gap + block * (3 * (tile + gap) + between)
        truth = overlay(image, truths[i], classes)
        truth[truths[i] < 0] = NOT_COUNTED
        shown = {"image": image, "truth": truth, "found": overlay(image, predictions[i], classes)}
        for column, (title, pixels) in enumerate(shown.items()):
            long = max(image.shape[:2])
            width, height = (tile * side / long for side in image.shape[1::-1])
            axes = figure.place(left + column * (tile + gap), top - height, width, height)
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect="auto")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color="0.8")
            if row == 0:
                axes.set_title(title, pad=4)
    return figure


def _high(image: np.ndarray, tile: float) -> float:
    return tile * image.shape[0] / max(image.shape[:2])


def _legend_lines(classes: Sequence[str], room: float) -> int:
    widest = 0.7 + max(text_width(shorten(name, NAME), 11) for name in classes)
    return math.ceil(len(classes) / max(1, int(room / widest)))


def _legend(entries: Sequence[tuple[str, np.ndarray]], above: np.ndarray) -> np.ndarray:
    """Names on squares of their colours, in as many lines as it takes, as wide as what is above."""
    width, side = above.shape[1], max(above.shape[:2])
    font = picture_font(max(14, round(side / 45)))
    high = sum(font.getmetrics())
    places, x, line = [], high // 2, 0
    for name, _ in entries:
        length = math.ceil(font.getlength(name)) + 2 * high + high // 2
        if x + length > width and x > high // 2:
            x, line = high // 2, line + 1
        places.append((x, line))
        x += length
    picture = Image.new("RGB", (width, (line + 1) * (high + high // 3) + high // 3), "white")
    canvas = ImageDraw.Draw(picture)
    for (name, color), (x, line) in zip(entries, places, strict=True):
        y = high // 3 + line * (high + high // 3)
        canvas.rectangle((x, y, x + high - 1, y + high - 1), fill=tuple(color.tolist()))
        canvas.text((x + high + high // 3, y), name, fill="black", font=font)
    return np.array(picture)


def _painted(segmentation: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    named = np.array([name != BACKGROUND for name in classes])
    return (segmentation >= 0) & named[np.maximum(segmentation, 0)]


def _check(image: np.ndarray, segmentation: np.ndarray, classes: Sequence[str]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
        raise ValueError(
            f"`image` must be uint8 [h, w, c] with c = 1 or 3, got one that is {image.dtype} "
            f"{list(image.shape)}: undo the normalisation, or pick the channels."
        )
    if segmentation.shape != image.shape[:2]:
        raise ValueError(
            f"`segmentation` must have the image's {image.shape[0]} x {image.shape[1]} pixels, got "
            f"{' x '.join(map(str, segmentation.shape))}: a resized image needs a resized mask."
        )
    if segmentation.max() >= len(classes):
        raise ValueError(
            f"`segmentation` must have classes below {len(classes)}, got {segmentation.max()}: "
            "they are indices of `classes`, name every class."
        )
