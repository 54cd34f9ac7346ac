"""Convolution by groups, in forms that XLA's CPU compiles well: its own is up to 200 times slower.

With n channels of input and m of output in g groups, there are three, by what the groups are like:

    depthwise    one input channel a group: y = sum over the taps of tap * kernel[tap]
    few, narrow  groups side by side form one dense convolution of some 32 channels, whose kernel
                 is block-diagonal: what it adds in zeros costs less than it saves
    many, wide   a matrix product for each tap and group, the groups as its batch
"""

import operator
from functools import reduce

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.ops.canonical_conv import canonical_conv
from jaxvision.ops.taps import Padding, Pair, window_taps

BLOCK = 32  # channels of a dense block: narrower ones leave vector units idle (measured)
MAX_BLOCKS = 8  # more convolutions than this take longer to compile than they save


def grouped_conv(
    x: Float[Array, "b h w n"],
    kernel: Float[Array, "kh kw n_group m"],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Float[Array, "b hs ws m"]:
    """Arguments as for `conv2d`, with at least two groups."""
    *_, inputs, m = kernel.shape
    if inputs == 1:
        return _depthwise(x, kernel, stride, padding, dilation)
    joined = _groups_in_a_block(max(inputs, m // groups), groups)
    if groups // joined <= MAX_BLOCKS:
        return _blocks(x, kernel, stride, padding, dilation, groups, joined)
    return _products(x, kernel, stride, padding, dilation, groups)


def _groups_in_a_block(width: int, groups: int) -> int:
    """The most groups of `width` channels that fit into a block and divide `groups`; at least 1."""
    fitting = max(1, BLOCK // width)
    return max(joined for joined in range(1, fitting + 1) if groups % joined == 0)


def _depthwise(x, kernel, stride, padding, dilation):
    *window, _, m = kernel.shape
    x = jnp.repeat(x, m // x.shape[-1], axis=-1)
    taps = window_taps(x, tuple(window), stride, padding, dilation)
    weights = kernel.reshape(len(taps), 1, 1, 1, m)
    return reduce(operator.add, map(operator.mul, taps, weights))


def _blocks(x, kernel, stride, padding, dilation, groups, joined):
    kh, kw, inputs, m = kernel.shape
    blocks, outputs = groups // joined, m // groups
    own = jnp.eye(joined, dtype=kernel.dtype).reshape(1, 1, joined, 1, 1, joined, 1)
    dense = kernel.reshape(kh, kw, 1, inputs, blocks, joined, outputs) * own
    dense = dense.reshape(kh, kw, joined * inputs, blocks, joined * outputs)
    parts = [
        canonical_conv(part, dense[:, :, :, block], stride, padding, dilation)
        for block, part in enumerate(jnp.split(x, blocks, axis=-1))
    ]
    return jnp.concatenate(parts, axis=-1)


def _products(x, kernel, stride, padding, dilation, groups):
    kh, kw, inputs, m = kernel.shape
    taps = window_taps(x, (kh, kw), stride, padding, dilation)
    weights = kernel.reshape(kh * kw, inputs, groups, m // groups)
    b, hs, ws, n = taps[0].shape

    def product(tap, weight):  # [g, pixels, m / g]
        pixels = tap.reshape(b * hs * ws, groups, n // groups)
        return lax.dot_general(pixels, weight, (((2,), (0,)), ((1,), (1,))))

    y = reduce(operator.add, map(product, taps, weights))
    return y.transpose(1, 0, 2).reshape(b, hs, ws, m)
