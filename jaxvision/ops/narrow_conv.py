"""Convolution from few channels to few: several pixels of a row are computed as one.

With fewer output channels than a vector unit has lanes, most of it idles. So p neighbouring pixels
lie side by side as channels, which in memory they do already, and one convolution of p n channels
to p m computes p pixels at once. Its kernel has the narrow one p times, each a column further on,

    wide[k, l, (s, n), (q, m)] = kernel[k, p l + s - q, n, m]      zero outside the narrow window

The zeros cost some arithmetic, a part 1 - w / (p ceil((p - 1 + w) / p)) for a window of width w.

The gradient of x would be a convolution from p m channels to p n, most of whose few outputs idle
again. It is a matrix product instead, of all outputs' gradients and the kernel, whose parts are
added where the window's positions lie.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from jaxvision.ops.canonical_conv import canonical_conv
from jaxvision.ops.taps import Padding

LANES = 32  # output channels to have at most; more gain nothing (measured)
MOST_INPUTS, MOST_OUTPUTS = 8, 16  # with more of either the zeros cost more than they save


def is_narrow(kernel: Float[Array, "kh kw n m"]) -> bool:
    """Whether there are so few channels that pixels side by side should be computed as channels."""
    *_, n, m = kernel.shape
    return n <= MOST_INPUTS and m <= MOST_OUTPUTS


def narrow_conv(
    x: Float[Array, "b h w n"], kernel: Float[Array, "kh kw n m"], padding: Padding
) -> Float[Array, "b hs ws m"]:
    """The convolution of stride 1; arguments as for `conv2d`."""
    b, _, w, n = x.shape
    kh, kw, _, m = kernel.shape
    vertical, (left, right) = padding
    ws = max(0, w + left + right - kw + 1)
    pixels = pixels_at_once(ws, m)
    outputs, taps = -(-ws // pixels), -(-(pixels - 1 + kw) // pixels)
    inputs = outputs + taps - 1
    edges = (0, 0, 0), (*vertical, 0), (left, pixels * inputs - w - left, 0), (0, 0, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    shifted = [
        jnp.pad(kernel, ((0, 0), (q, pixels * taps - kw - q), (0, 0), (0, 0)))
        for q in range(pixels)
    ]
    wide = jnp.stack(shifted, axis=3).reshape(kh, taps, pixels * n, pixels * m)
    y = _wide_conv(x.reshape(b, x.shape[1], inputs, pixels * n), wide)
    return y.reshape(b, y.shape[1], pixels * outputs, m)[:, :, :ws]


def pixels_at_once(width: int, channels: int) -> int:
    """As many as fit in the lanes, or as divide the row's width, if more than half of them do."""
    most = max(1, min(LANES // channels, width))
    return next((p for p in range(most, most // 2, -1) if width % p == 0), most)


def _conv(
    x: Float[Array, "b h w n"], kernel: Float[Array, "kh kw n m"]
) -> Float[Array, "b hs ws m"]:
    return canonical_conv(x, kernel, (1, 1), ((0, 0), (0, 0)), (1, 1))


_wide_conv = jax.custom_jvp(_conv)


@partial(_wide_conv.defjvp, symbolic_zeros=True)
def _derivative(primals, tangents):
    (x, kernel), (dx, dkernel) = primals, tangents
    if isinstance(dkernel, SymbolicZero):
        return _wide_conv(x, kernel), _product(dx, kernel)
    y, dy = jax.jvp(partial(_conv, x), (kernel,), (dkernel,))
    return y, dy if isinstance(dx, SymbolicZero) else dy + _product(dx, kernel)


def _product(
    x: Float[Array, "b h w n"], kernel: Float[Array, "kh kw n m"]
) -> Float[Array, "b hs ws m"]:
    """The same sum as the product of what each window sees, and the kernel, as matrices."""
    kh, kw, n, m = kernel.shape
    b, h, w, _ = x.shape
    hs, ws = max(0, h - kh + 1), w - kw + 1
    # Rows, and then columns of each: transposed, there are kh + kw additions, and not kh kw.
    rows = [x[:, down : down + hs] for down in range(kh)]
    seen = jnp.stack([row[:, :, at : at + ws] for row in rows for at in range(kw)], axis=3)
    y = seen.reshape(b * hs * ws, kh * kw * n) @ kernel.reshape(kh * kw * n, m)
    return y.reshape(b, hs, ws, m)
