"""Max pooling that says where each maximum was, and unpooling, which puts values back there.

Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 2.1,
whose "switches" are the positions here. With window k, stride s, padding p and dilation d,

    y[i, j]         = max_{m, n < k} x[s i + d m - p, s j + d n - p]
    positions[i, j] = w (s i + d m - p) + (s j + d n - p)    of that maximum, in an image h x w

channel by channel. Of equal maxima it is the first, by rows. What is padded is never a maximum.
Unpooling has y[i, j] at positions[i, j], and zeros wherever no position points to:

    unpooled[positions[i, j]] = y[i, j]

The derivative of y[i, j] is 1 at its position and 0 elsewhere, also among equal maxima. That of
unpooling is the transpose: it takes from each position what is there.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvision.ops.taps import window_taps


def max_pool_with_positions(
    x: Float[Array, "b h w c"],
    window: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
) -> tuple[Float[Array, "b hs ws c"], Int[Array, "b hs ws c"]]:
    """The largest of each window and where it is: (y, positions). A NaN counts as the largest.

    Args:
        x: the input.
        window: pixels a side.
        stride: pixels from one window to the next; by default `window`.
        padding: pixels on every side.
        dilation: pixels from one that a window sees to the next.

    Raises:
        ValueError: if a window would see nothing but padding.
    """
    _, h, w, _ = x.shape
    stride = window if stride is None else stride
    rows, columns = (_seen(side, window, stride, padding, dilation) for side in (h, w))
    places = np.where(
        (rows[:, None, :, None] >= 0) & (columns[None, :, None, :] >= 0),
        w * rows[:, None, :, None] + columns[None, :, None, :],
        -1,
    ).astype(np.int32)
    places = places.reshape(window**2, 1, *places.shape[2:], 1)
    if (places.max(axis=0) < 0).any():
        raise ValueError(
            f"`padding` must leave each window a pixel of the image, got {padding} around "
            f"{h} x {w} with a window of {window} and a dilation of {dilation}: take at most "
            f"{window // 2}."
        )
    sides = (window, window), (stride, stride), ((padding, padding),) * 2, (dilation, dilation)
    y, *others = window_taps(x, *sides, fill=-jnp.inf)
    positions = jnp.broadcast_to(places[0], y.shape)
    for tap, place in zip(others, places[1:], strict=True):
        # The first pixel of the image is taken whatever it is: before it there was only padding.
        taken = (tap > y) | jnp.isnan(tap) | ((positions < 0) & (place >= 0))
        y, positions = jnp.where(taken, tap, y), jnp.where(taken, place, positions)
    return y, positions


def max_unpool(
    y: Float[Array, "b hs ws c"], positions: Int[Array, "b hs ws c"], height: int, width: int
) -> Float[Array, "b {height} {width} c"]:
    """Each value at its position, zeros elsewhere.

    Where windows overlap, several may have one position. After pooling their values are the same
    too; if they differ, one of them is taken and it is not said which.

    Args:
        y: the values.
        positions: where they go, as `max_pool_with_positions` says.
        height: of the output, in pixels; that of the image which was pooled.
        width: alike.

    Raises:
        ValueError: if a position is outside of the output. Inside `jit`, where positions have no
            value yet, such a value is left away.
    """
    b, _, _, c = y.shape
    if not isinstance(positions, jax.core.Tracer) and positions.size:
        low, high = int(positions.min()), int(positions.max())
        if low < 0 or high >= height * width:
            raise ValueError(
                f"`positions` must be in [0, {height * width}), got {low} to {high}: `height` and "
                "`width` must be those of the image that was pooled."
            )
    image, _, channel = np.ogrid[:b, :1, :c]
    places = positions.reshape(b, -1, c)
    flat = jnp.zeros((b, height * width, c), y.dtype)
    flat = flat.at[image, places, channel].set(y.reshape(places.shape), mode="drop")
    return flat.reshape(b, height, width, c)


def _seen(side: int, window: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    """For each tap and window, [window, windows], the row that it sees; -1 in the padding."""
    windows = (side + 2 * padding - dilation * (window - 1) - 1) // stride + 1
    taps = dilation * np.arange(window)[:, None]
    rows = stride * np.arange(windows)[None] + taps - padding
    return np.where((rows >= 0) & (rows < side), rows, -1)
