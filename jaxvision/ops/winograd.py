"""Convolution by windows of 3 x 3 with 2.25 multiplications a pixel, channel and output, not 9.

Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.3,
https://arxiv.org/abs/1509.09308: F(4 x 4, 3 x 3), after Winograd. The output is cut into tiles of
4 x 4 pixels; with d the 6 x 6 pixels of the input that a tile sees and g a kernel, of one channel,

    tile = A' [ (G g G') * (B' d B) ] A          * elementwise, ' transposed

summed over the input's channels: for each of the 36 places a matrix product, [tiles, n] x [n, m],
which is where the multiplications are. The sums before and after them are passes over the pixels
that cost what memory costs, so it pays where channels are many (see `conv2d`).

Both gradients have the same form. The one of the input is the convolution of dy with the kernel
flipped and its channels exchanged; the one of the kernel is a sum over tiles,

    dg = G' [ sum over tiles of (B' d B) * (A dy A') ] G

Derivatives are stated as transposes of these two, for reverse mode to transpose them back; forward
mode, higher orders and `vmap` work, without the gain in speed.

The points 0, 1, -1, 2, -2 make the entries of A and B up to 8, so in float32 the output and the
input's gradient have four to ten times the rounding error of the plain sum, 1e-6 to 3e-6 of their
size, and the kernel's gradient the same error; in float64 the forms agree to 1e-12. Half precision
would not do. An infinite pixel makes NaN of every tile that sees it, not of its neighbours alone.
"""

import operator
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from jaxvision.ops.taps import Padding

FEWEST_CHANNELS = 32  # with fewer, the sums cost more than the products save (measured)
CHANNELS_A_TILE = 12  # with fewer tiles, transforming the kernel costs too much (measured)
TILE, SEEN = 4, 6  # pixels a side, of the output and of the input
A = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]).T
B = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
).T
G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
KERNEL = np.kron(G, G)  # [36, 9]: G g G' of the flattened g


def winograd_pays(
    x: Float[Array, "b h w n"], kernel: Float[Array, "kh kw n m"], padding: Padding
) -> bool:
    """Whether a convolution of stride 1 has this form, and enough tiles and channels to gain."""
    *window, n, m = kernel.shape
    precise = jnp.finfo(x.dtype).bits >= 32
    if window != [3, 3] or max(*padding[0], *padding[1]) > 2 or not precise:
        return False
    b, hs, ws, _ = _size(x, kernel, padding)
    tiles = b * -(-hs // TILE) * -(-ws // TILE)
    return min(n, m) >= FEWEST_CHANNELS and tiles * CHANNELS_A_TILE >= max(n, m)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def winograd_conv(
    x: Float[Array, "b h w n"], kernel: Float[Array, "3 3 n m"], padding: Padding
) -> Float[Array, "b hs ws m"]:
    """The convolution of stride 1 by a kernel of 3 x 3, with padding of at most 2 on each side."""
    return _product(_transform_input(x, padding), kernel, _size(x, kernel, padding))


@partial(winograd_conv.defjvp, symbolic_zeros=True)
def _derivative(padding, primals, tangents):
    (x, kernel), (dx, dkernel) = primals, tangents
    transformed = _transform_input(x, padding)
    y = _product(transformed, kernel, _size(x, kernel, padding))
    terms = []
    if not isinstance(dx, SymbolicZero):
        terms.append(_transposed(partial(_input_gradient, kernel, padding, x.shape), y, dx))
    if not isinstance(dkernel, SymbolicZero):
        terms.append(_transposed(partial(_kernel_gradient, transformed), y, dkernel))
    return y, reduce(operator.add, terms)


def _transposed(gradient, y, tangent):
    """The linear map whose transpose is `gradient`, a function of dy that is shaped like y."""
    (dy,) = jax.linear_transpose(gradient, jax.typeof(y))(tangent)
    return dy


def _input_gradient(kernel, padding, shape, dy):
    """The convolution by the flipped kernel, from its outputs to its inputs: x has `shape`."""
    transformed = _transform_input(dy, tuple((2 - before, 2 - after) for before, after in padding))
    flipped = _transform_kernel(KERNEL[:, ::-1], kernel)
    products = lax.dot_general(transformed, flipped, (((2,), (2,)), ((0,), (0,))))
    return _transform_output(products, shape)


def _kernel_gradient(transformed, dy):
    """`transformed` is B' d B, of `_transform_input`."""
    sums = lax.dot_general(transformed, _transform(A, dy), (((1,), (1,)), ((0,), (0,))))
    gradient = jnp.asarray(KERNEL.T, sums.dtype) @ sums.reshape(SEEN**2, -1)
    return gradient.reshape(3, 3, *sums.shape[1:])


def _transform_input(x, padding):
    edges = ((0, 0, 0), *((*edge, 0) for edge in padding), (0, 0, 0))
    return _transform(B.T, lax.pad(x, jnp.zeros((), x.dtype), edges))


def _transform(matrix, x):
    """matrix tile matrix', for all tiles of x: [36, tiles, channels].

    With six columns in the matrix tiles overlap, with four they do not; zeros complete the last.
    """
    _, seen = matrix.shape
    b, h, w, c = x.shape
    rows, columns = (-(-(side - seen) // TILE) + 1 for side in (h, w))
    below, right = TILE * (rows - 1) + seen - h, TILE * (columns - 1) + seen - w
    x = jnp.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))
    lines = [lax.slice_in_dim(x, i, i + TILE * (rows - 1) + 1, TILE, axis=1) for i in range(seen)]
    # Without the barrier XLA would compute each of these sums six times, in those of the columns.
    x = lax.optimization_barrier(jnp.stack(_combine(matrix, lines)))  # [6, b, rows, w, c]
    lines = [
        lax.slice_in_dim(x, j, j + TILE * (columns - 1) + 1, TILE, axis=3) for j in range(seen)
    ]
    return jnp.stack(_combine(matrix, lines), axis=1).reshape(SEEN**2, b * rows * columns, c)


def _product(transformed, kernel, shape):
    kernel = _transform_kernel(KERNEL, kernel)
    products = lax.dot_general(transformed, kernel, (((2,), (1,)), ((0,), (0,))))
    return _transform_output(products, shape)


def _transform_kernel(matrix, kernel):
    *_, n, m = kernel.shape
    return (jnp.asarray(matrix, kernel.dtype) @ kernel.reshape(9, -1)).reshape(SEEN**2, n, m)


def _transform_output(products, shape):
    b, hs, ws, m = shape
    rows, columns = -(-hs // TILE), -(-ws // TILE)
    products = products.reshape(SEEN, SEEN, b, rows, columns, m)
    lines = [products[i] for i in range(SEEN)]
    products = lax.optimization_barrier(jnp.stack(_combine(A.T, lines)))
    lines = [products[:, j] for j in range(SEEN)]
    tiles = jnp.stack(_combine(A.T, lines), axis=4)  # [4, b, rows, columns, 4, m]
    tiles = tiles.transpose(1, 2, 0, 3, 4, 5).reshape(b, TILE * rows, TILE * columns, m)
    return tiles[:, :hs, :ws]


def _combine(matrix, parts):
    """matrix @ parts, written out: as a product of matrices it would be too small to be fast."""

    def row_times_parts(row):
        terms = (part * factor for factor, part in zip(row, parts, strict=True) if factor)
        return reduce(operator.add, terms)

    return [row_times_parts(row) for row in matrix.tolist()]


def _size(x, kernel, padding):
    b, h, w, _ = x.shape
    vertical, horizontal = padding
    return b, h + sum(vertical) - 2, w + sum(horizontal) - 2, kernel.shape[-1]
