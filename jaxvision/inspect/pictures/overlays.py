"""Attributions beside the images that they are of: heat over a grey picture, or colours on grey."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.colors import to_rgb

from jaxvision.inspect.picture import SMALL, Picture, house_style, shorten, text_width

TILE, GAP, HEAD = 2.4, 0.08, 0.32  # inches
ABOVE, BELOW = to_rgb("#E60000"), to_rgb("#0050E6")  # what speaks for a class, and against it
DIM = 0.6  # of the picture's contrast under the heat
DENSE = 0.7  # of the colour where the heat is largest: the picture is to be seen through it
CLIPPED = 0.995  # of the magnitudes above 0 have a colour of their own; the few above the last


def heat(
    image: UInt8[np.ndarray, "h w c"], values: Float[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """A grey picture under red where values are above 0, and under blue where they are below.

    The colour is the denser, the larger the magnitude is, relative to the largest but the
    uppermost half per cent.
    """
    grey = image.mean(axis=2, keepdims=True).repeat(3, axis=2)
    under = 255 * (1 - DIM) / 2 + DIM * grey
    share = _share(values)[..., None]
    color = 255 * np.where(share > 0, ABOVE, BELOW)
    return np.rint(under + DENSE * np.abs(share) * (color - under)).astype(np.uint8)


def centred(values: Float[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """Signed values as colours, 0 as grey, scaled as for `heat`. One channel becomes three."""
    colors = np.rint(127.5 * (1 + _share(values))).astype(np.uint8)
    return np.broadcast_to(colors, (*colors.shape[:2], 3))


@house_style
def plot_attributions(
    images: UInt8[np.ndarray, "b h w c"],
    attributions: Mapping[str, Float[np.ndarray, "_b ..."]],
    rows: Sequence[str] = (),
) -> Picture:
    """Draws a row for each image: the image, and each attribution by its name.

    Args:
        images: grey (c = 1) or RGB (c = 3).
        attributions: of these images, by name: [b h w] is drawn as heat over the image, [b h w c]
            as colours around grey. Each is scaled by itself, and each image.
        rows: what is written before each image, as the class that is attributed; or nothing.

    Raises:
        ValueError: if there is no image or no attribution, one has another shape, or values that
            are not finite, or `rows` are not as many as images.
    """
    b, h, w, c = images.shape
    if rows and len(rows) != b:
        raise ValueError(f"`rows` must be one for each of {b} images, or none, got {len(rows)}.")
    if not images.size or c not in (1, 3) or not attributions:
        raise ValueError(
            "`images` must be at least one, grey or RGB, with at least one of `attributions`, got "
            f"shape {list(images.shape)} and {list(attributions)}."
        )
    for name, values in attributions.items():
        if values.shape not in {(b, h, w), (b, h, w, c)} or not np.isfinite(values).all():
            raise ValueError(
                f"`attributions` must be finite, [{b}, {h}, {w}] or with {c} channels, got "
                f"{name!r} of shape {list(values.shape)}: pass those of these images, at their "
                "size."
            )
    wide, high = (TILE * side / max(h, w) for side in (w, h))
    names = [shorten(name, 26) for name in rows]
    before = max((text_width(name) for name in names), default=-GAP) + 2 * GAP
    size = before + (1 + len(attributions)) * (wide + GAP), HEAD + b * (high + GAP)
    figure = Picture(figsize=size)
    titles = ["image", *attributions]
    for row, image in enumerate(images):
        drawn = [
            heat(image, values[row]) if values.ndim == 3 else centred(values[row])
            for values in attributions.values()
        ]
        for column, pixels in enumerate([image, *drawn]):
            left = before + column * (wide + GAP)
            axes = figure.place(left, size[1] - HEAD - (row + 1) * high - row * GAP, wide, high)
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect="auto")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color="0.8")
            if row == 0:
                axes.set_title(shorten(titles[column], 26), pad=4)
            if names and not column:
                axes.text(
                    -GAP / wide, 0.5, names[row], transform=axes.transAxes, ha="right", va="center",
                    fontsize=SMALL,
                )  # fmt: skip
    return figure


def _share(values: np.ndarray) -> np.ndarray:
    """In [-1, 1], relative to the largest magnitude that is not one of the few above."""
    magnitudes = np.abs(values)
    if not magnitudes.any():
        return values
    largest = np.quantile(magnitudes[magnitudes > 0], CLIPPED)
    return np.clip(values / largest, -1, 1)
