"""Batch normalisation in training: each channel centred and scaled by the batch's own statistics.

Ioffe & Szegedy, "Batch Normalization", ICML 2015, Algorithm 1, https://arxiv.org/abs/1502.03167.
Over the m = b h w values of a channel:

    mean = 1/m sum x        var = 1/m sum (x - mean)^2
    y = scale (x - mean) / sqrt(var + epsilon) + bias
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def batch_norm(
    x: Float[Array, "b h w c"], scale: Float[Array, " c"], bias: Float[Array, " c"], epsilon: float
) -> tuple[Float[Array, "b h w c"], Float[Array, " c"], Float[Array, " c"]]:
    """Returns (y, mean, var): y in the dtype of `x`, the statistics in that of `scale`.

    Gradients flow through y; mean and var are for the running averages and carry none.
    """
    values = x.astype(jnp.promote_types(x.dtype, scale.dtype))
    mean = values.mean(axis=(0, 1, 2))
    var = values.var(axis=(0, 1, 2))
    y = normalize(x, mean, var, scale, bias, epsilon)
    return y, lax.stop_gradient(mean), lax.stop_gradient(var)


def batch_norm_relu(
    x: Float[Array, "b h w c"], scale: Float[Array, " c"], bias: Float[Array, " c"], epsilon: float
) -> tuple[Float[Array, "b h w c"], Float[Array, " c"], Float[Array, " c"]]:
    """`batch_norm` and max(y, 0) after it, in one pass over the pixels."""
    y, mean, var = batch_norm(x, scale, bias, epsilon)
    return jax.nn.relu(y), mean, var


def normalize(
    x: Float[Array, "b h w c"],
    mean: Float[Array, " c"],
    var: Float[Array, " c"],
    scale: Float[Array, " c"],
    bias: Float[Array, " c"],
    epsilon: float,
) -> Float[Array, "b h w c"]:
    """The last equation for given statistics, in the dtype of `x`: what evaluation computes."""
    factor = scale * lax.rsqrt(var + epsilon)
    shift = bias - mean * factor
    values = x.astype(jnp.promote_types(x.dtype, scale.dtype))
    return (values * factor.reshape(1, 1, 1, -1) + shift.reshape(1, 1, 1, -1)).astype(x.dtype)
