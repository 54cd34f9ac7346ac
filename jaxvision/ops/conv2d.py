"""The convolution of the networks: a sum over a window of pixels and over channels.

    y[b, i, j, m] = sum_{k, l, n} kernel[k, l, n, m] x[b, s i + d k - p, s j + d l - p, n]

with stride s, dilation d and padding p by zeros: a cross-correlation, as in every deep-learning
library. With `groups` = g the channels fall into g parts, and output part i sees input part i.
"""

from jax import lax
from jaxtyping import Array, Float

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]  # ((top, bottom), (left, right)), in pixels


def conv2d(
    x: Float[Array, "b h w n"],
    kernel: Float[Array, "kh kw n_group m"],
    *,
    stride: Pair = (1, 1),
    padding: Padding = ((0, 0), (0, 0)),
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
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=stride,
        padding=padding,
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
