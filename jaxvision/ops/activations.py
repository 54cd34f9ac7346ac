"""Activations: what bends a layer's sums, with the range of each and where it goes flat.

    name          f(a)                                  range              saturates (f' -> 0)
    relu          max(a, 0)                             [0, oo)            a < 0: f' = 0 exactly
    leaky_relu    a, or slope * a for a < 0             (-oo, oo)          nowhere
    prelu         the same, the slope learned           (-oo, oo)          nowhere
    elu           a, or alpha (exp(a) - 1) for a < 0    (-alpha, oo)       a -> -oo
    selu          lambda elu(a)                         (-1.758, oo)       a -> -oo
    sigmoid       1 / (1 + exp(-a))                     (0, 1)             both ends; f' <= 1/4
    tanh          2 sigmoid(2 a) - 1                    (-1, 1)            both ends; f' <= 1
    scaled_tanh   A tanh(S a)                           (-1.7159, 1.7159)  both ends; f' <= 1.144
    maxout        the largest of several sums           (-oo, oo)          nowhere

Where f' is 0 a unit learns nothing; that of a ReLU whose sum is negative for every image is dead.
A product of many slopes below 1 vanishes, which is why deep networks of sigmoids hardly learn.

Those that JAX has are JAX's; they are here for their ranges. A PReLU as a layer is Flax's
`nn.PReLU`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

A = 1.7159  # 1 / tanh(S), to the paper's four decimals
S = 2 / 3


def relu(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(a, 0), with slope 0 at 0.

    Source: Nair & Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", 2010.
    """
    return jax.nn.relu(a)


def leaky_relu(a: Float[Array, "*shape"], slope: float = 0.1) -> Float[Array, "*shape"]:
    """max(a, 0) + slope min(a, 0): a unit is never dead.

    The paper's slope is 0.01, which JAX and PyTorch have as their default; 0.1 learns faster and is
    the one of many courses.

    Source: Maas, Hannun & Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models",
    2013, section 2.
    """
    return jax.nn.leaky_relu(a, slope)


def prelu(a: Float[Array, "*shape c"], slope: Float[Array, " c"]) -> Float[Array, "*shape c"]:
    """A leaky ReLU whose slope is a parameter, one a channel; the paper begins at 0.25.

    Source: He, Zhang, Ren & Sun, "Delving Deep into Rectifiers", 2015, eq. 1,
    https://arxiv.org/abs/1502.01852.
    """
    return jnp.where(a >= 0, a, slope.reshape(*(1,) * (a.ndim - 1), -1) * a)


def elu(a: Float[Array, "*shape"], alpha: float = 1.0) -> Float[Array, "*shape"]:
    """a, or alpha (exp(a) - 1) below 0: smooth at 0 for alpha = 1, with a mean near 0.

    Source: Clevert, Unterthiner & Hochreiter, "Fast and Accurate Deep Network Learning by
    Exponential Linear Units", 2016, eq. 15, https://arxiv.org/abs/1511.07289.
    """
    return jax.nn.elu(a, alpha)


def selu(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1.0507 elu(a, 1.6733): brings mean and variance to 0 and 1, layer by layer.

    Its constants solve for that fixed point; see `jaxvision.models.self_normalizing`.

    Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-Normalizing Neural Networks", 2017,
    eq. 2, https://arxiv.org/abs/1706.02515.
    """
    return jax.nn.selu(a)


def sigmoid(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 / (1 + exp(-a)): a probability. f' = f (1 - f), at most 1/4, and 4.5e-5 at +-10."""
    return jax.nn.sigmoid(a)


def tanh(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The hyperbolic tangent: an odd sigmoid. f' = 1 - f^2, 1 at 0 and 8.2e-9 at +-10."""
    return jnp.tanh(a)


def scaled_tanh(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The squashing function of LeNet-5: `A tanh(S a)`, an odd function with asymptotes at +-A.

    The constants keep f(1) = 1 and f(-1) = -1 (to 3e-6, by the rounding of A). So targets of +-1
    lie inside the range, not at infinity, and where f bends most (|f''| is largest at +-0.988): a
    unit that reaches its target is at the end of the linear part, not where gradients die.

    Source: LeCun, Bottou, Bengio & Haffner 1998, Appendix A, https://doi.org/10.1109/5.726791.
    """
    return A * jnp.tanh(S * a)


def maxout(a: Float[Array, "*shape n"], pieces: int) -> Float[Array, "*shape n//{pieces}"]:
    """The largest of `pieces` neighbouring sums: unit i has channels i * pieces and after it.

    After a layer of c * pieces outputs it is a layer of c units, each of which learns its own
    convex, piecewise linear activation.

    Raises:
        ValueError: if the number of channels is not a multiple of `pieces`.

    Source: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, "Maxout Networks", 2013, section 3,
    https://arxiv.org/abs/1302.4389.
    """
    *shape, n = a.shape
    if pieces < 1 or n % pieces:
        raise ValueError(
            f"`pieces` must divide the {n} channels, got {pieces}: give the layer before "
            "units * pieces outputs."
        )
    return a.reshape(*shape, n // pieces, pieces).max(axis=-1)
