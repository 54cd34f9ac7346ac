"""The taps of a sliding window: what each of its positions sees, as an image of its own.

    taps[k, l][b, i, j, c] = x[b, s i + d k - p, s j + d l - p, c]

with stride s, dilation d and padding p. Whatever slides a window is arithmetic on these.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]  # ((top, bottom), (left, right)), in pixels


def window_taps(
    x: Float[Array, "b h w c"],
    window: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair = (1, 1),
    fill: float = 0.0,
) -> list[Float[Array, "b hs ws c"]]:
    """One strided slice for each position (k, l) of the window, by rows; padded by `fill`."""
    x = lax.pad(x, jnp.asarray(fill, x.dtype), ((0, 0, 0), *((*p, 0) for p in padding), (0, 0, 0)))
    b, h, w, c = x.shape
    (rows, columns), (down, right) = window, dilation
    hs = (h - down * (rows - 1) - 1) // stride[0] + 1
    ws = (w - right * (columns - 1) - 1) // stride[1] + 1
    if hs < 1 or ws < 1:  # no position fits, and a slice cannot say so
        return [jnp.zeros((b, max(0, hs), max(0, ws), c), x.dtype)] * (rows * columns)
    return [
        lax.slice(
            x,
            (0, top, left, 0),
            (b, top + stride[0] * (hs - 1) + 1, left + stride[1] * (ws - 1) + 1, c),
            (1, *stride, 1),
        )
        for top in range(0, down * rows, down)
        for left in range(0, right * columns, right)
    ]
