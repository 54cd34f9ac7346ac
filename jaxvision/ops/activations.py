"""Activations that neither `jax.nn` nor Flax has.

LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc.
IEEE 86(11), 1998, Appendix A, https://doi.org/10.1109/5.726791:

    f(a) = A tanh(S a),    A = 1.7159,  S = 2/3
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

A = 1.7159  # 1 / tanh(S), to the paper's four decimals
S = 2 / 3


def scaled_tanh(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The squashing function of LeNet-5: `A tanh(S a)`, an odd function with asymptotes at +-A.

    The constants keep f(1) = 1 and f(-1) = -1 (to 3e-6, by the rounding of A). So targets of +-1
    lie inside the range, not at infinity, and where f bends most (|f''| is largest at +-0.988): a
    unit that reaches its target is at the end of the linear part, not where gradients die.

    Source: LeCun et al. 1998, Appendix A.
    """
    return A * jnp.tanh(S * a)
