"""Convolution from few channels to few: several pixels of a row are computed as one.

With fewer output channels than a vector unit has lanes, most of it idles. So p neighbouring pixels
lie side by side as channels, which in memory they do already, and one convolution of p n channels
to p m computes p pixels at once. Its kernel has the narrow one p times, each a column further on,

    wide[k, l, (s, n), (q, m)] = kernel[k, p l + s - q, n, m]      zero outside the narrow window

The zeros cost some arithmetic, a part 1 - w / (p ceil((p - 1 + w) / p)) for a window of width w.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.ops.canonical_conv import canonical_conv
from jaxvision.ops.taps import Padding

LANES = 32  # output channels to have at least; more gain nothing (measured)
MOST_INPUTS, MOST_OUTPUTS = 8, 16  # with more of either the zeros cost more than they save


def is_narrow(kernel: Float[Array, "kh kw n m"]) -> bool:
    *_, n, m = kernel.shape
    return n <= MOST_INPUTS and m <= MOST_OUTPUTS


def narrow_conv(
    x: Float[Array, "b h w n"], kernel: Float[Array, "kh kw n m"], padding: Padding
) -> Float[Array, "b hs ws m"]:
    """The convolution of stride 1; arguments as for `conv2d`."""
    b, h, w, n = x.shape
    kh, kw, _, m = kernel.shape
    vertical, (left, right) = padding
    ws = max(0, w + left + right - kw + 1)
    pixels = max(1, min(LANES // m, ws))
    outputs, taps = -(-ws // pixels), -(-(pixels - 1 + kw) // pixels)
    inputs = outputs + taps - 1
    edges = (0, 0, 0), (0, 0, 0), (left, pixels * inputs - w - left, 0), (0, 0, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), edges).reshape(b, h, inputs, pixels * n)
    shifted = [
        jnp.pad(kernel, ((0, 0), (q, pixels * taps - kw - q), (0, 0), (0, 0)))
        for q in range(pixels)
    ]
    wide = jnp.stack(shifted, axis=3).reshape(kh, taps, pixels * n, pixels * m)
    y = canonical_conv(x, wide, (1, 1), (vertical, (0, 0)), (1, 1))
    return y.reshape(b, y.shape[1], pixels * outputs, m)[:, :, :ws]
