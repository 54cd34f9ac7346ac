"""What a layer looks for, and what it finds in one image: its kernels and its feature maps."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxvision.hyperparameters import require_whole
from jaxvision.inspect.picture import Picture
from jaxvision.inspect.pictures.tiles import scaled, sheet


def plot_filters(kernel: Float[np.ndarray, "h w c n"], most: int = 64) -> Picture:
    """Draws the kernels of a first layer, each scaled by itself; grey is 0.

    With 3 input channels a kernel is a colour picture: of the colours that it answers to. With
    another number it is a row of grey ones, an input channel each, white above 0 and black below.

    Args:
        kernel: of n output channels.
        most: the largest number of pictures; the heading says how many kernels there are.

    Raises:
        ValueError: if there is no kernel, or `most` is too small for one.
    """
    require_whole("most", most, low=1)
    _, _, c, n = kernel.shape
    pictures = 1 if c == 3 else c  # of a kernel
    if kernel.size == 0 or pictures > most:
        raise ValueError(
            f"`kernel` must be one that fits {most} pictures, got {list(kernel.shape)}, with "
            f"{pictures} each: look at a first layer, or allow for more by `most`."
        )
    shown = min(n, most // pictures)
    heading = f"{shown} of {n} kernels" if shown < n else f"{n} kernel{'s'[n == 1 :]}"
    if pictures == 1:
        tiles = [
            _signed(kernel[..., i].squeeze(-1) if c == 1 else kernel[..., i]) for i in range(shown)
        ]
        return sheet(tiles, [str(i) for i in range(shown)], heading, side=0.6)
    tiles = [part for i in range(shown) for part in np.moveaxis(_signed(kernel[..., i]), -1, 0)]
    names = [str(i) for i in range(shown)]
    return sheet(
        tiles, [""] * len(tiles), f"{heading} of {c} channels", columns=c, side=0.6, rows=names
    )


def plot_feature_maps(
    feature: Float[np.ndarray, "h w c"],
    channels: Sequence[int] | None = None,
    most: int = 48,
) -> Picture:
    """Draws what each channel of a feature is in one image, scaled by itself: white is its largest.

    Black is 0, as long as a channel has nothing below; else grey is, and black below 0.

    Args:
        feature: of one image.
        channels: which to draw; by default all, in their order.
        most: the largest number of maps; the heading says how many there are.

    Raises:
        ValueError: if a channel is none of the feature's, or there is none to draw.
    """
    require_whole("most", most, low=1)
    c = feature.shape[-1]
    wanted = list(range(c)) if channels is None else list(channels)
    if not wanted or not all(0 <= channel < c for channel in wanted) or not feature.size:
        raise ValueError(
            f"`channels` must be some of 0 to {c - 1} of a feature with pixels, got {wanted} of "
            f"shape {list(feature.shape)}."
        )
    shown = wanted[:most]
    heading = f"{len(shown)} of {c} channels" if len(shown) < c else f"{c} channels"
    tiles = [scaled(feature[..., channel]) for channel in shown]
    return sheet(tiles, [str(channel) for channel in shown], f"{heading}, each by itself")


def _signed(values: np.ndarray) -> np.ndarray:
    """Grey values in which 0 is the middle."""
    largest = np.abs(values).max() or 1.0
    return np.rint(127.5 * (1 + values / largest)).astype(np.uint8)
