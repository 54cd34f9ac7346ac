"""Pooling: one number for each window of pixels, channel by channel.

    max      y[i, j] = max_{k, l < window} x[s i + d k - p, s j + d l - p]
    average  y[i, j] = the mean of the same pixels

with stride s, dilation d and padding p. The global forms have one window, the whole image, and give
[b, c].

The adaptive form is given the size of the output and not of the window (PyTorch's definition):
output i of n is the mean of the pixels from floor(i h / n) to ceil((i + 1) h / n).

On a CPU small windows are arithmetic on their taps (see `platform` and `taps`). Dilated ones are
that everywhere: `lax` has no gradient of their maximum.
"""

import operator
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole
from jaxvision.ops.platform import prefers_cpu_form
from jaxvision.ops.taps import Padding, window_taps

NO_PADDING = ((0, 0), (0, 0))
MOST_TAPS = 25  # windows of more pixels would make programs that are slow to compile


def max_pool(
    x: Float[Array, "b h w c"],
    window: int,
    stride: int,
    padding: Padding = NO_PADDING,
    dilation: int = 1,
) -> Float[Array, "b hs ws c"]:
    """The largest of each window; what is padded is never the largest.

    The gradient goes to the first of equal maxima, by rows.

    >>> print(max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1), window=2, stride=2)[0, :, :, 0])
    [[ 5.  7.]
     [13. 15.]]

    Args:
        x: the input.
        window: pixels a side.
        stride: pixels from one window to the next.
        padding: ((top, bottom), (left, right)), in pixels, each below `window`.
        dilation: pixels from one pixel of a window to the next.

    Raises:
        ValueError: if `dilation` is below 1.
    """
    if _by_taps(window, dilation):
        return _max_of_taps(x, window, stride, padding, dilation)
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (1, window, window, 1), (1, stride, stride, 1), _padded(padding)
    )


def average_pool(
    x: Float[Array, "b h w c"],
    window: int,
    stride: int,
    padding: Padding = NO_PADDING,
    dilation: int = 1,
) -> Float[Array, "b hs ws c"]:
    """The mean of each window; padding counts as zeros. Arguments as for `max_pool`.

    Raises:
        ValueError: if `dilation` is below 1.
    """
    if _by_taps(window, dilation):
        total = reduce(operator.add, _taps(x, window, stride, padding, dilation, fill=0.0))
    else:
        total = lax.reduce_window(
            x, 0.0, lax.add, (1, window, window, 1), (1, stride, stride, 1), _padded(padding)
        )
    return total / window**2


def global_max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """The largest of all pixels. The gradient goes to the first of equal maxima, by rows."""
    b, h, w, c = x.shape
    pixels = x.reshape(b, h * w, c)
    # A look-up, because the gradient of `jnp.max` is shared among equal maxima.
    first = jnp.argmax(pixels, axis=1, keepdims=True)
    return jnp.take_along_axis(pixels, first, axis=1)[:, 0]


def global_average_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """The mean of all pixels."""
    return x.mean(axis=(1, 2))


def adaptive_average_pool(x: Float[Array, "b h w c"], size: int) -> Float[Array, "b size size c"]:
    """Means over `size` x `size` windows that cover the image, whatever its size.

    Windows overlap where the size does not divide the image's, and repeat pixels if it is larger.
    """
    _, h, w, _ = x.shape
    if (h, w) == (size, size):
        return x
    if h % size == 0 and w % size == 0:
        b, _, _, c = x.shape
        return x.reshape(b, size, h // size, size, w // size, c).mean(axis=(2, 4))
    rows, columns = (jnp.asarray(_adaptive_weights(side, size), x.dtype) for side in (h, w))
    return jnp.einsum("bhwc,ih,jw->bijc", x, rows, columns)


def ceil_padding(height: int, width: int, window: int, stride: int) -> Padding:
    """Padding below and to the right, so that the last windows may hang over the edge.

    That is `ceil_mode` in PyTorch and the rounding of Caffe.

    Args:
        height: of the input, in pixels.
        width: of the input.
        window: pixels a side.
        stride: pixels from one window to the next.
    """
    return tuple(
        (0, max(0, -(-(side - window) // stride) * stride + window - side))
        for side in (height, width)
    )


def _by_taps(window: int, dilation: int) -> bool:
    require_whole("dilation", dilation, low=1, remedy="1 is for windows without gaps")
    return dilation > 1 or (prefers_cpu_form() and window**2 <= MOST_TAPS)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3, 4))
def _max_of_taps(x, window, stride, padding, dilation):
    return reduce(jnp.maximum, _taps(x, window, stride, padding, dilation, fill=-jnp.inf))


@_max_of_taps.defjvp
def _derivative(window, stride, padding, dilation, primals, tangents):
    """Each window's derivative is that of its first largest pixel, whose number is kept."""
    (x,), (dx,) = primals, tangents
    y, *others = _taps(x, window, stride, padding, dilation, fill=-jnp.inf)
    # As few bytes as hold a number; those of dilated windows have no limit.
    dtype = np.min_scalar_type(-(window**2))
    largest = jnp.zeros(y.shape, dtype)
    for number, tap in enumerate(others, start=1):
        largest = jnp.where(tap > y, dtype.type(number), largest)
        y = jnp.maximum(y, tap)
    taps = enumerate(_taps(dx, window, stride, padding, dilation, fill=0.0))
    terms = (jnp.where(largest == number, tap, 0) for number, tap in taps)
    return y, reduce(operator.add, terms)


def _taps(x, window, stride, padding, dilation, fill):
    return window_taps(x, (window, window), (stride, stride), padding, (dilation, dilation), fill)


def _padded(padding: Padding) -> tuple[tuple[int, int], ...]:
    return ((0, 0), *padding, (0, 0))


def _adaptive_weights(side: int, size: int) -> np.ndarray:
    """The mean as a matrix [size, side]: row i is 1 / n on the n pixels of window i."""
    starts = np.arange(size) * side // size
    stops = -(-(np.arange(1, size + 1) * side) // size)
    pixels = np.arange(side)
    inside = (pixels >= starts[:, None]) & (pixels < stops[:, None])
    return inside / inside.sum(axis=1, keepdims=True)
