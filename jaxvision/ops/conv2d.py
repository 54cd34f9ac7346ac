"""The convolution of the networks: a sum over a window of pixels and over channels.

    y[b, i, j, m] = sum_{k, l, n} kernel[k, l, n, m] x[b, s i + d k - p, s j + d l - p, n]

with stride s, dilation d and padding p by zeros: a cross-correlation, as in every deep-learning
library. With `groups` = g the channels fall into g parts, and output part i sees input part i.

This is one function in several forms (see `platform`). On a CPU the window of one pixel is a matrix
product, groups are in `grouped_conv`, 3 x 3 among many channels in `winograd`, few channels in
`narrow_conv`, and the rest in `canonical_conv`.
"""

from jax import lax
from jaxtyping import Array, Float

from jaxvision.ops.canonical_conv import AXES, canonical_conv
from jaxvision.ops.grouped_conv import grouped_conv
from jaxvision.ops.narrow_conv import is_narrow, narrow_conv
from jaxvision.ops.platform import prefers_cpu_form
from jaxvision.ops.taps import Padding, Pair
from jaxvision.ops.winograd import winograd_conv, winograd_pays

NO_PADDING = ((0, 0), (0, 0))


def conv2d(
    x: Float[Array, "b h w n"],
    kernel: Float[Array, "kh kw n_group m"],
    *,
    stride: Pair = (1, 1),
    padding: Padding = NO_PADDING,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Float[Array, "b hs ws m"]:
    """Convolves images, channels last; both arguments must be of one dtype.

    Args:
        x: the input; n channels in `groups` equal parts.
        kernel: for each of m output channels, a window over the n / groups channels of its part.
        stride: rows and columns that the window moves by.
        padding: rows of zeros above and below, columns of zeros left and right.
        dilation: distance between the rows, and columns, that a window takes.
        groups: parts that do not see each other.
    """
    if not prefers_cpu_form():
        return lax.conv_general_dilated(
            x,
            kernel,
            window_strides=stride,
            padding=padding,
            rhs_dilation=dilation,
            dimension_numbers=AXES,
            feature_group_count=groups,
        )
    if groups > 1:
        return grouped_conv(x, kernel, stride, padding, dilation, groups)
    if kernel.shape[:2] == (1, 1) and padding == NO_PADDING:
        return pointwise_conv(x, kernel, stride)
    if stride == dilation == (1, 1):
        if is_narrow(kernel):
            return narrow_conv(x, kernel, padding)
        if winograd_pays(x, kernel, padding):
            return winograd_conv(x, kernel, padding)
    return canonical_conv(x, kernel, stride, padding, dilation)


def pointwise_conv(
    x: Float[Array, "b h w n"], kernel: Float[Array, "1 1 n m"], stride: Pair
) -> Float[Array, "b hs ws m"]:
    """A window of one pixel: a matrix product over the channels of the pixels that it visits.

    The pixels are one axis: the kernel's gradient, a sum over it, is slow over three.
    """
    seen = lax.slice(x, (0, 0, 0, 0), x.shape, (1, *stride, 1))
    b, h, w, n = seen.shape
    return (seen.reshape(b * h * w, n) @ kernel[0, 0]).reshape(b, h, w, kernel.shape[3])
