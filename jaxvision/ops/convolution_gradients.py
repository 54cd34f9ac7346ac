"""The gradients of a correlation, which are a correlation and a convolution again.

Goodfellow, Bengio & Courville, "Deep Learning", MIT Press 2016, section 9.5: equation 9.11 is the
kernel's gradient, 9.12 and 9.13 the input's. With dz the gradient of a loss with respect to
z = correlate(x, kernel), along each axis, s the stride, d the dilation and `before` the mode's
zeros (see `jaxvision.ops.convolution`),

    dkernel[k, c, m] = sum_{b, i} dz[b, i, m] x[b, d k + s i - before, c]
    dx[b, j, c] = sum_{k, i, m: s i + d k - before = j} kernel[k, c, m] dz[b, i, m]

The first is the *correlation* of x with dz as the kernel; stride and dilation have changed places,
and so have images and channels. The second is the full *convolution* of dz with the kernel, whose
inputs and outputs have changed places: s - 1 zeros lie between the elements of dz, and what would
be the gradient of the mode's zeros is cut off.

Stated here for all to see, with those of `convolve` one reversal away: its kernel's gradient is
`reverse(kernel_gradient(...))`, its input's `input_gradient(dz, reverse(kernel), ...)`. The bias's
gradient is the sum of dz over images and positions. Equal to `jax.grad`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxvision.ops.convolution import (
    SPACE,
    Kernel,
    Mode,
    Output,
    PerAxis,
    Signal,
    convolve,
    correlate,
    per_axis,
    zeros_of,
)


def kernel_gradient(
    x: Signal,
    dz: Output,
    window: PerAxis,
    *,
    mode: Mode = "valid",
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Kernel:
    """The gradient with respect to the kernel: the input correlated with the output's gradient.

    Args:
        x: what was correlated.
        dz: the gradient of the loss with respect to the output.
        window: the kernel's extent along each axis of space, in elements. It cannot be told from
            the others where the stride has left some of x unused.
        mode: as it was.
        stride: as it was.
        dilation: as it was.
        groups: as they were.

    Raises:
        ValueError: if an argument is out of range, or `dz` is not of the output's shape.
    """
    space = _space(x, dz)
    windows = per_axis("window", window, space)
    strides, dilations = per_axis("stride", stride, space), per_axis("dilation", dilation, space)
    plain = x.ndim == space
    sides = x.shape if plain else x.shape[1:-1]
    _check_output(dz, sides, windows, mode, strides, dilations)
    ends = [(before, after, 0) for before, after in zeros_of(mode, windows, dilations)]
    if plain:
        x, dz = x[None, ..., None], dz[None, ..., None]
    if len(x) != len(dz):
        raise ValueError(f"`x` and `dz` must be of as many images, got {len(x)} and {len(dz)}.")
    _check_groups(groups, x.shape[-1], dz.shape[-1])
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *ends, (0, 0, 0)))
    # [b, n, g c'] -> [c', n, g b], and [b, n, m] -> [n, b, m]: sums run over b, group by group.
    inputs = _split_last(padded, groups)
    inputs = jnp.moveaxis(inputs, (0, -1), (-1, 0))
    inputs = inputs.reshape(*inputs.shape[:-2], groups * len(x))
    dkernel = correlate(
        inputs, jnp.moveaxis(dz, 0, -2), stride=dilations, dilation=strides, groups=groups
    )
    # What a stride left unused would make for more elements than the kernel has.
    dkernel = dkernel[(slice(None), *(slice(k) for k in windows))]
    dkernel = jnp.moveaxis(dkernel, 0, -2)
    return dkernel[..., 0, 0] if plain else dkernel


def input_gradient(
    dz: Output,
    kernel: Kernel,
    size: PerAxis,
    *,
    mode: Mode = "valid",
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Signal:
    """The gradient with respect to the input: the output's gradient convolved with the kernel.

    It is also what is called a transposed convolution, or a deconvolution.

    Args:
        dz: the gradient of the loss with respect to the output.
        kernel: what the input was correlated with.
        size: the input's, along each axis of space.
        mode: as it was.
        stride: as it was.
        dilation: as it was.
        groups: as they were.

    Raises:
        ValueError: if an argument is out of range, or `dz` is not of the output's shape.
    """
    space = _space(dz, kernel)
    sizes = per_axis("size", size, space)
    strides, dilations = per_axis("stride", stride, space), per_axis("dilation", dilation, space)
    windows = kernel.shape[:space]
    _check_output(dz, sizes, windows, mode, strides, dilations)
    plain = dz.ndim == space
    if plain:
        dz, kernel = dz[None, ..., None], kernel[..., None, None]
    if dz.shape[-1] != kernel.shape[-1]:
        raise ValueError(
            f"`dz` must have a channel for each of the kernel's {kernel.shape[-1]} outputs, got "
            f"{dz.shape[-1]}."
        )
    _check_groups(groups, dz.shape[-1])
    zero = jnp.zeros((), dz.dtype)
    stretched = lax.pad(dz, zero, ((0, 0, 0), *((0, 0, s - 1) for s in strides), (0, 0, 0)))
    # [k, c', g m'] -> [k, m', g c']
    exchanged = jnp.moveaxis(_split_last(kernel, groups), -1, space)
    exchanged = jnp.swapaxes(exchanged, space + 1, space + 2)
    exchanged = exchanged.reshape(*windows, kernel.shape[-1] // groups, -1)
    whole = convolve(stretched, exchanged, mode="full", dilation=dilations, groups=groups)
    # Cut off what lies on the mode's zeros; where a stride left some of x unused there is too
    # little, and the rest is 0.
    before = [pair[0] for pair in zeros_of(mode, windows, dilations)]
    cuts = [
        (-low, side + low - length, 0)
        for low, side, length in zip(before, sizes, whole.shape[1:-1], strict=True)
    ]
    dx = lax.pad(whole, zero, ((0, 0, 0), *cuts, (0, 0, 0)))
    return dx[0, ..., 0] if plain else dx


def _split_last(array: Array, groups: int) -> Array:
    """[..., g c] -> [..., g, c]."""
    return array.reshape(*array.shape[:-1], groups, -1)


def _space(a: Array, b: Array) -> int:
    if a.ndim != b.ndim or a.ndim not in SPACE:
        raise ValueError(
            "the two arrays must be of one rank from 1 to 4, as for `correlate`, got shapes "
            f"{list(a.shape)} and {list(b.shape)}."
        )
    return SPACE[a.ndim]


def _check_groups(groups: int, *channels: int) -> None:
    if groups < 1 or any(c % groups for c in channels):
        raise ValueError(
            f"`groups` must divide the numbers of channels, {' and '.join(map(str, channels))}, "
            f"got {groups}."
        )


def _check_output(
    dz: Array,
    sides: tuple[int, ...],
    windows: tuple[int, ...],
    mode: Mode,
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> None:
    ends = zeros_of(mode, windows, dilations)
    expected = tuple(
        (n + sum(end) - d * (k - 1) - 1) // s + 1
        for n, end, k, s, d in zip(sides, ends, windows, strides, dilations, strict=True)
    )
    shape = dz.shape if dz.ndim == len(sides) else dz.shape[1:-1]
    if shape != expected:
        raise ValueError(
            f"`dz` must have the output's {list(expected)} positions, got {list(shape)}: give the "
            "input's size, window, mode, stride and dilation as they were."
        )
