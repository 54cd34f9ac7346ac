"""Batch, layer, instance and group norm as one picture: which numbers share a mean and a variance.

All four compute scale (x - mean) / sqrt(var + epsilon) + bias, a scale and a bias a channel, on
features [b, h, w, c]. They differ in what mean and var are taken over:

    batch norm       b h w           Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167
    layer norm       h w c           Ba, Kiros & Hinton 2016, https://arxiv.org/abs/1607.06450
    instance norm    h w             Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022
    group norm       h w, c / groups Wu & He 2018, section 3, https://arxiv.org/abs/1803.08494

Only batch norm mixes images: it alone differs between training and evaluation, and needs a batch.
Group norm with one group is layer norm, and with as many as channels instance norm.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.patches import Polygon

from jaxvision.inspect.picture import Picture, house_style

IMAGES, CHANNELS, PIXELS = 4, 6, 4  # of the block that is drawn; pixels: h and w as one axis
GROUPS = 2
# Whether image i and channel c share their statistics with image 0 and channel 0.
SHARES: dict[str, Callable[[int, int], bool]] = {
    "batch norm": lambda i, c: c == 0,
    "layer norm": lambda i, c: i == 0,
    "instance norm": lambda i, c: i == 0 and c == 0,
    "group norm": lambda i, c: i == 0 and c < CHANNELS // GROUPS,
}
OVER = {
    "batch norm": "b, h, w",
    "layer norm": "h, w, c",
    "instance norm": "h, w",
    "group norm": "h, w, c / groups",
}
SHARED, OTHER = "#3b6fb6", "0.93"
DEPTH = np.array([0.45, 0.32])  # how far one image lies behind the one before it


@house_style
def plot_normalization_axes() -> Picture:
    """Draws the four blocks of numbers [images, channels, pixels], with one set of each in blue."""
    width, height, left = 10.4, 2.7, 0.3  # inches
    figure = Picture(figsize=(width, height))
    step = (width - left) / len(SHARES)
    for column, (name, shares) in enumerate(SHARES.items()):
        axes = figure.place(left + column * step, 0.35, step - 0.25, height - 0.9)
        _draw_block(axes, shares)
        axes.set_title(f"{name}\nover {OVER[name]}")
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(0, CHANNELS + IMAGES * DEPTH[0])
        axes.set_ylim(0, PIXELS + IMAGES * DEPTH[1])
        if column == 0:
            _label_axes(axes)
    return figure


def _draw_block(axes, shares: Callable[[int, int], bool]) -> None:
    """A block of cubes, drawn from the back: only faces that can be seen remain uncovered."""
    right, up = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    for image in reversed(range(IMAGES)):
        for channel in range(CHANNELS):
            color = SHARED if shares(image, channel) else OTHER
            for pixel in range(PIXELS):
                corner = channel * right + pixel * up + image * DEPTH
                for one, other in ((right, up), (right, DEPTH), (up, DEPTH)):
                    start = corner + (up if one is right and other is DEPTH else 0)
                    start = start + (right if one is up else 0)
                    points = [start, start + one, start + one + other, start + other]
                    axes.add_patch(
                        Polygon(points, facecolor=color, edgecolor="0.35", linewidth=0.5)
                    )


def _label_axes(axes) -> None:
    axes.text(CHANNELS / 2, -0.25, "channels c", ha="center", va="top")
    axes.text(-0.25, PIXELS / 2, "pixels h, w", ha="right", va="center", rotation=90)
    middle = np.array([CHANNELS, 0]) + DEPTH * IMAGES / 2
    angle = np.degrees(np.arctan2(DEPTH[1], DEPTH[0]))
    x, y = middle + np.array([0.35, -0.25])
    axes.text(x, y, "images b", ha="center", va="center", rotation=angle)
