"""What a layer makes of an image that moves: the same thing at another place, or nothing new.

With T the shift of an image by n columns, and S that of the output by n / stride columns,

    f is invariant      f(T x) = f(x)
    f is equivariant    f(T x) = S f(x)

A convolution is equivariant. So is a pool, for shifts by whole strides; and where the largest pixel
of a window stays in it, a maximum is invariant to small ones, which a mean hardly ever is: of
scikit-learn's photograph of a temple, moved by one pixel, 53 % of the maxima of 2 x 2 pixels change
and 85 % of the means.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from matplotlib.ticker import MaxNLocator

from jaxvision.hyperparameters import require_whole
from jaxvision.inspect.picture import COLORS, Picture, house_style
from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.pooling import average_pool, max_pool

SOBEL = np.outer([1, 2, 1], [1, 0, -1])  # finds edges that stand upright


@house_style
def plot_shift_response(
    image: UInt8[np.ndarray, "h w c"], largest: int = 8, window: int = 2
) -> Picture:
    """Draws how many outputs of a convolution and of two pools change when a photograph moves.

    On the left outputs at the same place are compared, and on the right those at the place that the
    shift takes them to, rounded down to whole strides. All of what is compared is seen in the
    photograph: nothing is made up at the border. An output changes if it is not the same to the
    bit; of whole pixel values all three are exact.

    Args:
        image: a photograph.
        largest: shifts of 1 up to so many columns.
        window: of the pools, and their stride; the convolution is Sobel's 3 x 3.

    Raises:
        ValueError: if `largest` or `window` is too small, or `image` is too small for them.
    """
    require_whole("largest", largest, low=1, remedy="it is in pixels")
    require_whole("window", window, low=2, remedy="a window of one pixel pools nothing")
    height, width, _ = image.shape
    # Half of the columns at least are left to compare, wherever the shift takes them.
    rows, columns = max(3, window), 2 * largest + max(3, window)
    if height < rows or width < columns:
        raise ValueError(
            f"`image` must be at least {rows} x {columns} for shifts by up to {largest} and "
            f"windows of {window}, got {height} x {width}: take a larger one, or smaller shifts."
        )
    layers = {
        "convolution": (_edges, 1),
        "average pooling": (lambda x: average_pool(x, window, window), window),
        "max pooling": (lambda x: max_pool(x, window, window), window),
    }
    figure = Picture(figsize=(10, 4))
    panels = [figure.place(0.8 + 4.9 * i, 0.6, 4.0, 2.6) for i in range(2)]
    shifts = range(1, largest + 1)
    for color, (name, (layer, stride)) in zip(COLORS, layers.items(), strict=False):
        shares = np.array([_changed(layer, stride, image, n, largest) for n in shifts])
        for axes, share in zip(panels, shares.T, strict=True):
            axes.plot(shifts, 100 * share, "o-", lw=1.8, ms=5, c=color, label=name, clip_on=False)
    for axes, title in zip(panels, ("At the same place", "Where the shift takes it"), strict=True):
        axes.set_title(title, loc="left", pad=12)
        axes.set(xlabel="shift (pixels)", ylim=(0, 100))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    panels[0].set_ylabel("outputs that change (%)")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="upper left", ncols=3, frameon=False,
        bbox_to_anchor=(0.07, 1), columnspacing=1.5,
    )  # fmt: skip
    return figure


def _edges(x: Float[Array, "c h w 1"]) -> Float[Array, "c hs ws 1"]:
    return conv2d(x, jnp.asarray(SOBEL[:, :, None, None], x.dtype))


def _changed(
    layer: Callable[[Array], Array], stride: int, image: np.ndarray, shift: int, largest: int
) -> tuple[float, float]:
    """Which share of the outputs is another at the same place, and where the shift takes it."""
    channels = jnp.asarray(image.transpose(2, 0, 1)[..., None], jnp.float32)
    width = image.shape[1] - largest
    here, there = (np.asarray(layer(channels[:, :, first : first + width])) for first in (0, shift))
    moved = shift // stride
    same_place = np.mean(here != there)
    return same_place, np.mean(here[:, :, moved:] != there[:, :, : here.shape[2] - moved])
