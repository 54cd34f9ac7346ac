"""A convolution whose gradients are convolutions in the canonical layout, as XLA's CPU likes them.

Both gradients of a convolution are convolutions again. `lax` states them on the arrays as they
lie, with the axes of image, kernel and output exchanged; XLA's CPU compiler rewrites that to its
one fast layout (NHWC, HWIO -> NHWC), but not inside a loop, where such a step is 4 to 30 times
slower. Here they are in that layout to begin with: a `lax.scan` of steps is as fast as the steps.

How: convolution is linear in each argument, so its derivative is two convolutions,

    dy = conv(dx, kernel) + conv(x, dkernel)

and reverse mode transposes them, which exchanges two axes of every operand (`lax` transposes
conv(dx, kernel) to conv(dy, flipped kernel) with inputs and outputs of the kernel exchanged). We
state the derivative with those axes exchanged beforehand, and explicitly in the arrays; transposing
it gives the canonical layout. It is an ordinary derivative, so forward mode, higher orders and
`vmap` work as for `lax`; forward mode alone does not gain speed.
"""

import operator
from functools import partial, reduce

import jax
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from jaxvision.ops.taps import Padding, Pair

AXES = ("NHWC", "HWIO", "NHWC")


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def canonical_conv(
    x: Float[Array, "b h w n"],
    kernel: Float[Array, "kh kw n m"],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> Float[Array, "b hs ws m"]:
    """Arguments as for `conv2d`."""
    return lax.conv_general_dilated(
        x, kernel, stride, padding, rhs_dilation=dilation, dimension_numbers=AXES
    )


@partial(canonical_conv.defjvp, symbolic_zeros=True)
def _derivative(stride, padding, dilation, primals, tangents):
    (x, kernel), (dx, dkernel) = primals, tangents
    conv = partial(
        lax.conv_general_dilated, window_strides=stride, padding=padding, rhs_dilation=dilation
    )
    y = canonical_conv(x, kernel, stride, padding, dilation)
    terms = []
    if not isinstance(dx, SymbolicZero):
        exchanged = kernel.transpose(0, 1, 3, 2)
        terms.append(conv(dx, exchanged, dimension_numbers=("NHWC", "HWOI", "NHWC")))
    if not isinstance(dkernel, SymbolicZero):
        exchanged = x.transpose(3, 1, 2, 0), dkernel.transpose(2, 0, 1, 3)
        term = conv(*exchanged, dimension_numbers=("CHWN", "IHWO", "HWNC"))
        terms.append(term.transpose(2, 0, 1, 3))
    return y, reduce(operator.add, terms)
