"""Upsampling: more pixels than there were, by repeating, interpolating, moving channels, learning.

nearest          y[i, j] = x[floor(i / r), floor(j / r)]

bilinear         Output row i of m looks at row `source(i)` of n, between two pixels' centres:

                     align_corners=False    source(i) = (i + 1/2) n / m - 1/2, held to [0, n - 1]
                     align_corners=True     source(i) = i (n - 1) / (m - 1)

                 The first scales the image, edges included, by m / n; the second lets the centres
                 of the corner pixels coincide, so that the scale depends a little on the size. It
                 is a sample and no average: an image made smaller than half is aliased.

pixel shuffle    Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
                 Sub-Pixel Convolutional Neural Network", CVPR 2016, equation 4,
                 https://arxiv.org/abs/1609.05158. r^2 channels become the r x r pixels of one:

                     y[r i + k, r j + l, c] = x[i, j, r^2 c + r k + l]

                 The order of the channels is PyTorch's; the paper's has c last.

transposed       Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016,
                 section 4, https://arxiv.org/abs/1603.07285. Each input pixel adds a kernel to the
                 output, s pixels from its neighbour's:

                     y[s i + k - p, s j + l - p, m] += sum_n kernel[k, l, n, m] x[i, j, n]

                 which is what a convolution with stride s and padding p, from m channels to n, does
                 to a gradient on its way back.

On a CPU a transposed convolution is one matrix product. With k = s t + r, the output's pixels with
the same remainder r see the kernel's taps with that remainder only, each on the input as it is:

    y[s q + r - p] = sum_t kernel[s t + r] x[q - t]

so the s^2 remainders are channels, to be shuffled (Shi et al., "Is the deconvolution layer the same
as a convolutional layer?", 2016). There is no multiplication by the zeros between the pixels, and
the gradients are matrix products as well.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole
from jaxvision.ops.canonical_conv import AXES
from jaxvision.ops.platform import prefers_cpu_form
from jaxvision.ops.taps import window_taps


def upsample_nearest(x: Float[Array, "b h w c"], factor: int) -> Float[Array, "b hs ws c"]:
    """Repeats each pixel in a square of `factor` x `factor`.

    Raises:
        ValueError: if `factor` is below 1.
    """
    require_whole("factor", factor, low=1)
    b, h, w, c = x.shape
    squares = jnp.broadcast_to(x[:, :, None, :, None], (b, h, factor, w, factor, c))
    return squares.reshape(b, h * factor, w * factor, c)


def upsample_bilinear(
    x: Float[Array, "b h w c"], height: int, width: int, *, align_corners: bool
) -> Float[Array, "b {height} {width} c"]:
    """Interpolates linearly between the four pixels around, to any size.

    Args:
        x: the input.
        height: of the output, in pixels.
        width: alike.
        align_corners: which of the two conventions above.

    Raises:
        ValueError: if `height` or `width` is below 1.
    """
    for axis, name, pixels in ((1, "height", height), (2, "width", width)):
        require_whole(name, pixels, low=1)
        x = _interpolate(x, axis, pixels, align_corners)
    return x


def pixel_shuffle(x: Float[Array, "b h w n"], factor: int) -> Float[Array, "b hs ws c"]:
    """Makes of `factor`^2 channels the pixels of one, [b, factor h, factor w, n / factor^2].

    >>> pixel_shuffle(jnp.ones((1, 8, 8, 12)), factor=2).shape
    (1, 16, 16, 3)

    Raises:
        ValueError: if the channels are no multiple of `factor`^2.
    """
    require_whole("factor", factor, low=1)
    b, h, w, n = x.shape
    if n % factor**2:
        raise ValueError(
            f"`x` must have a multiple of {factor**2} channels, `factor` squared, got {n}: make "
            "the convolution before it wider, or take another factor."
        )
    parts = x.reshape(b, h, w, n // factor**2, factor, factor)
    return _interleave(parts.transpose(0, 1, 2, 4, 5, 3))


def pixel_unshuffle(x: Float[Array, "b h w c"], factor: int) -> Float[Array, "b hs ws n"]:
    """The inverse of `pixel_shuffle`: [b, h / factor, w / factor, factor^2 c].

    Raises:
        ValueError: if height or width is no multiple of `factor`.
    """
    require_whole("factor", factor, low=1)
    b, h, w, c = x.shape
    if h % factor or w % factor:
        raise ValueError(
            f"`x` must have sides that are multiples of `factor`, {factor}, got {h} x {w}: pad or "
            "crop it before."
        )
    parts = x.reshape(b, h // factor, factor, w // factor, factor, c)
    return parts.transpose(0, 1, 3, 5, 2, 4).reshape(b, h // factor, w // factor, -1)


def transposed_output_size(
    size: int, window: int, stride: int, padding: int = 0, output_padding: int = 0
) -> int:
    """Pixels a side that a transposed convolution makes of `size`: s (size - 1) + k - 2 p + a.

    Dumoulin & Visin's relationship 14. A convolution with the same numbers takes that many to
    `size` again. It takes up to s - 1 more to it, too: which of them it were says a, the
    `output_padding`.

    Args:
        size: pixels of the input along an axis.
        window: k, pixels of the kernel.
        stride: s.
        padding: p, pixels that are cut off at either side.
        output_padding: a.

    Raises:
        ValueError: if nothing is left, or `output_padding` is not below `stride`.
    """
    if not 0 <= output_padding < stride:
        raise ValueError(
            f"`output_padding` must be in [0, {stride}), below `stride`, got {output_padding}: "
            "whole windows more are another input."
        )
    pixels = stride * (size - 1) + window - 2 * padding + output_padding
    if pixels < 1:
        raise ValueError(
            f"`padding` must leave pixels, got {padding}, which makes {pixels} of {size} with a "
            f"window of {window} and a stride of {stride}: take a smaller one."
        )
    return pixels


def transposed_conv2d(
    x: Float[Array, "b h w n"],
    kernel: Float[Array, "kh kw n m"],
    stride: int,
    padding: int = 0,
    output_padding: int = 0,
) -> Float[Array, "b hs ws m"]:
    """The gradient of a convolution with respect to its input, as a layer; of one dtype.

    Args:
        x: the input.
        kernel: [rows, columns, in, out], not flipped: `kernel[k, l]` is what an input pixel adds k
            rows below and l columns right of where its window begins. PyTorch's weight is
            [in, out, rows, columns].
        stride: pixels of the output from one input pixel's window to the next.
        padding: pixels that are cut off on every side.
        output_padding: rows more below, and columns more to the right.

    Raises:
        ValueError: as `transposed_output_size`.
    """
    sides = zip(x.shape[1:3], kernel.shape[:2], strict=True)
    height, width = (
        transposed_output_size(side, window, stride, padding, output_padding)
        for side, window in sides
    )
    if not prefers_cpu_form():
        before = [window - 1 - padding for window in kernel.shape[:2]]
        return lax.conv_general_dilated(
            x,
            kernel[::-1, ::-1],
            window_strides=(1, 1),
            padding=[(pixels, pixels + output_padding) for pixels in before],
            lhs_dilation=(stride, stride),
            dimension_numbers=AXES,
        )
    y = _add_kernels(x, kernel, stride)
    cut = (height + padding - y.shape[1], width + padding - y.shape[2])
    return lax.pad(
        y, jnp.zeros((), y.dtype), ((0, 0, 0), *((-padding, more, 0) for more in cut), (0, 0, 0))
    )


def _add_kernels(x: Array, kernel: Array, stride: int) -> Array:
    """Without padding, and with zeros to whole strides behind: s (size - 1 + t) pixels a side."""
    b, h, w, n = x.shape
    kh, kw, _, m = kernel.shape
    rows, columns = -(-kh // stride), -(-kw // stride)  # t: taps of one remainder
    behind = ((0, rows * stride - kh), (0, columns * stride - kw), (0, 0), (0, 0))
    kernel = jnp.pad(kernel, behind).reshape(rows, stride, columns, stride, n, m)
    # x[q - t]: the window's first tap sees the input that is the most rows before.
    kernel = kernel[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    padding = ((rows - 1, rows - 1), (columns - 1, columns - 1))
    taps = jnp.concatenate(window_taps(x, (rows, columns), (1, 1), padding), axis=3)
    y = taps.reshape(-1, rows * columns * n) @ kernel.reshape(rows * columns * n, -1)
    return _interleave(y.reshape(b, h + rows - 1, w + columns - 1, stride, stride, m))


def _interleave(x: Float[Array, "b h w r r c"]) -> Float[Array, "b hs ws c"]:
    b, h, w, r, _, c = x.shape
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h * r, w * r, c)


def _interpolate(x: Array, axis: int, pixels: int, align_corners: bool) -> Array:
    n = x.shape[axis]
    places = np.arange(pixels)
    if align_corners:
        source = places * ((n - 1) / max(pixels - 1, 1))
    else:
        source = np.clip((places + 0.5) * (n / pixels) - 0.5, 0, n - 1)
    before = np.minimum(np.floor(source).astype(int), max(n - 2, 0))
    after = np.minimum(before + 1, n - 1)
    shape = [1] * x.ndim
    shape[axis] = pixels
    share = jnp.asarray((source - before).reshape(shape), x.dtype)
    return (1 - share) * x.take(before, axis=axis) + share * x.take(after, axis=axis)
