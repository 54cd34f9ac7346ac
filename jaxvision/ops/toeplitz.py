"""A convolution is a matrix product: its matrix, for signals and for images.

Goodfellow, Bengio & Courville, "Deep Learning", MIT Press 2016, section 9.1. With f the first
output's place among those of the full convolution (0 for full, k // 2 for same, k - 1 for valid),

    convolve(x, kernel) = T x                   T[i, j] = kernel[f + i - j]

a *Toeplitz* matrix: along each diagonal it is constant, and away from the middle ones it is 0. Of
an image, whose pixels are one vector row after row,

    convolve(x, kernel).ravel() = D x.ravel()
    D[i w' + j, k w + l] = kernel[f + i - k, g + j - l]

is *doubly blocked*: each block is the Toeplitz matrix of one row of the kernel, and the same blocks
stand along each diagonal of blocks. The transposes are the input's gradients, and a correlation is
the matrix of `reverse(kernel)`. A stride keeps every s-th row of T; a dilation is a kernel with
zeros in between. The matrix of several channels has one of these for each pair of them.

For understanding and for checks: D has (h w)^2 entries, of which all but kh kw a row are 0.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from jaxvision.ops.convolution import Mode, check_arguments, zeros_of


def toeplitz_matrix(
    kernel: Float[Array, " k"], size: int, mode: Mode = "valid"
) -> Float[Array, "ns {size}"]:
    """The matrix that convolves a signal [size] with the kernel.

    Args:
        kernel: of one axis.
        size: elements of the signal.
        mode: as for `convolve`, and the kernel must fit likewise.

    Raises:
        ValueError: if an argument is out of range.
    """
    (places,) = _places(kernel, (size,), mode)
    return _lookup(kernel, places)


def doubly_blocked_toeplitz_matrix(
    kernel: Float[Array, "kh kw"], height: int, width: int, mode: Mode = "valid"
) -> Float[Array, "pixels_out {height}*{width}"]:
    """The matrix that convolves an image [height, width], row after row, with the kernel.

    Args:
        kernel: of two axes.
        height: of the image.
        width: of the image.
        mode: as for `convolve`, and the kernel must fit likewise.

    Raises:
        ValueError: if an argument is out of range.
    """
    down, right = _places(kernel, (height, width), mode)
    rows = _lookup(kernel, down)  # [hs, h, kw]: the row of the kernel that stands in each block
    blocks = _lookup(jnp.moveaxis(rows, -1, 0), right)  # [ws, w, hs, h]
    hs, ws = len(down), len(right)
    return blocks.transpose(2, 0, 3, 1).reshape(hs * ws, height * width)


def _places(kernel: Array, sizes: tuple[int, ...], mode: Mode) -> list[Integer[np.ndarray, "ns n"]]:
    """For each axis, the element of the kernel by which output i takes input j, if there is one."""
    if min(sizes) < 1:
        raise ValueError(f"the signal's sides must be at least 1, got {list(sizes)}.")
    check_arguments(jnp.zeros(sizes, kernel.dtype), kernel, mode, 1, 1, 1)
    places = []
    for k, n, (before, after) in zip(
        kernel.shape, sizes, zeros_of(mode, kernel.shape, (1,) * kernel.ndim), strict=True
    ):
        first, outputs = k - 1 - before, n + before + after - (k - 1)
        places.append(first + np.arange(outputs)[:, None] - np.arange(n))
    return places


def _lookup(values: Array, places: Integer[np.ndarray, "ns n"]) -> Array:
    """values[places] along the first axis, and 0 where there is none."""
    exists = (places >= 0) & (places < len(values))
    found = values[np.where(exists, places, 0)]
    return jnp.where(exists.reshape(exists.shape + (1,) * (values.ndim - 1)), found, 0)
