"""Boxes on images: one image as pixels, or several on a sheet, with objects beside detections.

Every class has its colour, the same in every image, and beyond seven classes several have one: the
label says which. A label stands at its box, inside the image and, while there is room, on no other;
the surest detections choose first, and lie on top.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, Integer, UInt8
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image, ImageDraw, ImageFont

from jaxvision.inspect.labels import fitting_label, place_label
from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, readable_on, text_width

# Okabe & Ito's, with their yellow, which a photograph does show; black and grey it would hide.
BOX_COLORS = (*COLORS[:6], "#F0E442")
SHARP = 640  # pixels: an image that is shorter is enlarged as long as it stays within
LINE = 320  # the longer side of an image, in widths of its lines
LETTER = 45  # and in heights of its letters
CROWD = 24  # boxes in an image of a sheet, objects and detections, among which no label is legible


def draw_boxes(
    image: UInt8[np.ndarray, "h w c"],
    boxes: Float[np.ndarray, "k 4"],
    labels: Integer[np.ndarray, " k"],
    classes: Sequence[str],
    scores: Float[np.ndarray, " k"] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws boxes into a copy of an image, each with its class and score: "dog, 97 %".

    Lines and letters grow with the image. A small image is first enlarged by a whole number, its
    pixels becoming squares.

    Args:
        image: grey (c = 1) or RGB (c = 3).
        boxes: (left, top, right, bottom) in pixels of `image`; pixel i covers [i, i + 1).
        labels: their classes, as indices into `classes`.
        classes: the names.
        scores: how sure each is, in [0, 1], the surest first.

    Raises:
        ValueError: if `image` is not grey or RGB in uint8, the arrays are not of the same k boxes,
            a box is not finite, or a label is no class.
    """
    _check_image("image", image)
    _check_boxes("boxes", boxes, labels, classes, scores)
    factor = max(1, SHARP // max(image.shape[:2]))
    large = np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)
    picture = Image.fromarray(np.ascontiguousarray(np.broadcast_to(large, (*large.shape[:2], 3))))
    side = max(picture.size)
    line, margin = max(2, round(side / LINE)), max(1, round(side / LINE / 3))
    font = picture_font(max(14, round(side / LETTER)))
    high = sum(font.getmetrics()) + 2 * margin
    corners = np.rint(boxes * factor).astype(int)
    texts, places = [], []
    for i, box in enumerate(corners):
        percent = "" if scores is None else _percent(scores[i])
        room = picture.width - 4 * margin
        texts.append(fitting_label(classes[labels[i]], percent, room, font.getlength))
        size = math.ceil(font.getlength(texts[i])) + 4 * margin, high
        places.append(place_label(size, box, places, picture.size))
    canvas = ImageDraw.Draw(picture)
    for i in reversed(range(len(boxes))):
        left, top, right, bottom = corners[i].tolist()
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        color = _color(labels[i])
        # A rim on either side, for there may be anything behind.
        rim = (left - margin, top - margin, right - 1 + margin, bottom - 1 + margin)
        canvas.rectangle(rim, outline=readable_on(_rgb(color)), width=line + 2 * margin)
        canvas.rectangle((left, top, right - 1, bottom - 1), outline=color, width=line)
    for i in reversed(range(len(boxes))):
        left, top, right, bottom = (round(edge) for edge in places[i])
        color = _color(labels[i])
        canvas.rectangle((left, top, right - 1, bottom - 1), fill=color)
        start = (left + 2 * margin, top + margin + font.getmetrics()[0])
        canvas.text(start, texts[i], fill=readable_on(_rgb(color)), font=font, anchor="ls")
    return np.array(picture)


@house_style
def plot_boxes(
    images: Sequence[UInt8[np.ndarray, "_h _w _c"]],
    truths: Sequence[tuple],
    founds: Sequence[tuple],
    classes: Sequence[str],
) -> Picture:
    """Shows images with what is in them (dashed) and what was found (solid, with scores).

    Where an image is crowded there are no labels, and the classes' colours are told above.

    Args:
        images: grey (c = 1) or RGB (c = 3), of any sizes.
        truths: of each image boxes [n, 4] and labels [n]; whatever follows these is not looked at.
        founds: of each image boxes [k, 4], scores [k] and labels [k], the surest first.
        classes: the names.

    Raises:
        ValueError: if there are no images, or not as many `truths` and `founds`; or for what
            `draw_boxes` refuses.
    """
    count = len(images)
    if not count or len(truths) != count or len(founds) != count:
        raise ValueError(
            "`images`, `truths` and `founds` must have one entry for each of at least one image, "
            f"got {count}, {len(truths)} and {len(founds)}: pass those of the same images."
        )
    for image, truth, found in zip(images, truths, founds, strict=True):
        _check_image("images", image)
        _check_boxes("truths", truth[0], truth[1], classes, None)
        _check_boxes("founds", found[0], found[2], classes, found[1])
    columns = min(math.ceil(math.sqrt(count)), 4)
    rows = math.ceil(count / columns)
    tile = {1: 6.0, 2: 4.5}.get(columns, 3.1)  # inches, as all lengths here
    gap = 0.12
    sizes = [tile * np.array(image.shape[1::-1]) / max(image.shape[:2]) for image in images]
    highs = [max(size[1] for size in sizes[row * columns :][:columns]) for row in range(rows)]
    heading = "dashed: what is there, solid: what was found"
    wide = max(columns * (tile + gap), text_width(heading, 12)) + gap
    crowded = _crowded(truths, founds)
    head = 0.65 if crowded else 0.35
    high = sum(highs) + gap * (rows + 1) + head
    figure = Picture(figsize=(wide, high))
    figure.text(0.5, 1 - 0.21 / high, heading, size=12, ha="center", va="center")
    if crowded:
        figure.legend(
            handles=[Patch(color=_color(label), label=classes[label]) for label in crowded],
            loc="center", bbox_to_anchor=(0.5, 1 - 0.5 / high), ncols=len(crowded), frameon=False,
        )  # fmt: skip
    top = high - head
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        width, height = sizes[i]
        left = wide / 2 + (column - columns / 2) * (tile + gap) + (gap + tile - width) / 2
        under = top - sum(highs[:row]) - row * gap - height
        axes = figure.place(left, under, width, height)
        _show(axes, image, width)
        inch = image.shape[1] / width
        _mark(axes, truths[i][0], truths[i][1], founds[i], classes, inch, labelled=not crowded)
    return figure


def _crowded(truths: Sequence[tuple], founds: Sequence[tuple]) -> list[int]:
    """The classes that there are, if an image is crowded and each has a colour of its own."""
    pairs = list(zip(truths, founds, strict=True))
    if max(len(truth[0]) + len(found[0]) for truth, found in pairs) <= CROWD:
        return []
    labels = np.unique(np.concatenate([np.append(t[1], f[2]) for t, f in pairs])).astype(int)
    return labels.tolist() if len(set(map(_color, labels))) == len(labels) else []


def _show(axes: Axes, image: UInt8[np.ndarray, "h w c"], width: float) -> None:
    high, wide, _ = image.shape
    axes.imshow(
        image, cmap="gray", vmin=0, vmax=255, origin="upper", aspect="auto",
        interpolation="nearest" if 2 * wide <= width * axes.figure.dpi else "auto",
        extent=(0, wide, high, 0),  # pixel i covers [i, i + 1)
    )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="0.8")  # else a white image has no edge


def _mark(
    axes: Axes,
    boxes: Float[np.ndarray, "n 4"],
    labels: Integer[np.ndarray, " n"],
    found: tuple,
    classes: Sequence[str],
    inch: float,
    *,
    labelled: bool,
) -> None:
    """Draws the objects and detections of one image, which has `inch` pixels to an inch."""
    bounds, places = (axes.get_xlim()[1], axes.get_ylim()[0]), []
    solid = [(box, label, _percent(score)) for box, score, label in zip(*found, strict=True)]
    dashed = [(box, label, "") for box, label in zip(boxes, labels, strict=True)]
    for order, (box, label, percent) in enumerate(solid + dashed):
        color, is_found = _color(label), order < len(solid)
        line = "-" if is_found else "--"
        over = -order / (len(solid) + len(dashed))  # what is surer lies on top
        rim = withStroke(linewidth=3, foreground=readable_on(_rgb(color)))
        outline = Rectangle(
            box[:2], *(box[2:] - box[:2]), fill=False, ec=color, lw=2 if labelled else 1.4,
            ls=line, path_effects=[rim], zorder=(3 if is_found else 4) + over,
        )  # fmt: skip
        axes.add_patch(outline)
        if not labelled:
            continue
        ground = color if is_found else "white"
        room = bounds[0] / inch - 0.1
        text = fitting_label(classes[label], percent, room, text_width)
        size = inch * (text_width(text) + 0.1), inch * 0.19
        places.append(place_label(size, box, places, bounds, below=not is_found))
        left, top, _, _ = places[-1]
        sign = Rectangle((left, top), *size, fc=ground, ec=color, lw=0.8, ls=line, zorder=6 + over)
        axes.add_patch(sign)
        axes.text(
            left + size[0] / 2, top + size[1] / 2, text, size=SMALL, ha="center",
            va="center_baseline", color=readable_on(_rgb(ground)), zorder=6 + over,
        )  # fmt: skip


def _percent(score) -> str:
    return f"{100 * score:.0f} %"


def _color(label) -> str:
    return BOX_COLORS[int(label) % len(BOX_COLORS)]


def _rgb(color: str) -> tuple[float, ...]:
    return matplotlib.colors.to_rgb(color)


@lru_cache(maxsize=8)
def picture_font(height: int) -> ImageFont.FreeTypeFont:
    """The font that is written with in pictures of this height."""
    # Matplotlib's own, which is there wherever the plots are, and has more than Latin letters.
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), height)


def _check_image(name: str, image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
        raise ValueError(
            f"`{name}` must be uint8 [h, w, c] with c = 1 or 3, got one that is "
            f"{image.dtype} {list(image.shape)}: undo the normalisation, or pick the channels."
        )


def _check_boxes(name: str, boxes, labels, classes: Sequence[str], scores) -> None:
    k = len(labels)
    shapes = [np.shape(array) for array in (boxes, labels, *(() if scores is None else (scores,)))]
    if shapes != [(k, 4), *[(k,)] * (len(shapes) - 1)] or not np.isfinite(boxes).all():
        raise ValueError(
            f"`{name}` must have finite boxes [k, 4] and k values in each array beside them, got "
            f"shapes {shapes}: 0 boxes are `np.zeros((0, 4))`."
        )
    if k and not (np.min(labels) >= 0 and np.max(labels) < len(classes)):
        raise ValueError(
            f"`{name}` must have labels in [0, {len(classes)}), got {np.min(labels)} to "
            f"{np.max(labels)}: these are indices of `classes`, name every class."
        )
