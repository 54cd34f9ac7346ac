"""Batch normalisation in training: each channel centred and scaled by the batch's own statistics.

Ioffe & Szegedy, "Batch Normalization", ICML 2015, Algorithm 1, https://arxiv.org/abs/1502.03167.
Over the m = b h w values of a channel:

    mean = 1/m sum x        var = 1/m sum (x - mean)^2
    y = scale (x - mean) / sqrt(var + epsilon) + bias

On a CPU (see `platform`) the derivative is stated in as few passes over the pixels as there can be,
for there a pass costs as much as the arithmetic in it. With a = scale / sqrt(var + epsilon) and the
normalised x^ = (x - mean) / sqrt(var + epsilon) it is

    dy = a (dx - 1/m sum dx - x^ 1/m sum x^ dx) + x^ dscale + dbias

one pass for both sums and one for the rest. It is its own transpose in dx: reverse mode, that
transposes it, takes the same two passes.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.ops.platform import prefers_cpu_form

PIXELS = (0, 1, 2)  # the axes that the statistics are over
FROZEN = "frozen_stats"  # the collection of statistics that training goes by and does not change


def batch_norm(
    x: Float[Array, "b h w c"], scale: Float[Array, " c"], bias: Float[Array, " c"], epsilon: float
) -> tuple[Float[Array, "b h w c"], Float[Array, " c"], Float[Array, " c"]]:
    """Returns (y, mean, var): y in the dtype of `x`, the statistics in that of `scale`.

    Gradients flow through y; mean and var are for the running averages and carry none.
    """
    return _batch_norm(x, scale, bias, epsilon, relu=False)


def batch_norm_relu(
    x: Float[Array, "b h w c"], scale: Float[Array, " c"], bias: Float[Array, " c"], epsilon: float
) -> tuple[Float[Array, "b h w c"], Float[Array, " c"], Float[Array, " c"]]:
    """`batch_norm` and max(y, 0) after it, in one pass over the pixels."""
    return _batch_norm(x, scale, bias, epsilon, relu=True)


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
    values = x.astype(jnp.promote_types(x.dtype, scale.dtype))
    return ((values - _channels(mean)) * _channels(factor) + _channels(bias)).astype(x.dtype)


def _batch_norm(x, scale, bias, epsilon, *, relu):
    if prefers_cpu_form():
        y, mean, var = _in_few_passes(x, scale, bias, epsilon, relu)
    else:
        values = x.astype(jnp.promote_types(x.dtype, scale.dtype))
        mean, var = values.mean(axis=PIXELS), values.var(axis=PIXELS)
        y = normalize(x, mean, var, scale, bias, epsilon)
        y = jax.nn.relu(y) if relu else y
    return y, lax.stop_gradient(mean), lax.stop_gradient(var)


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _in_few_passes(x, scale, bias, epsilon, relu):
    y, _, mean, var = _forward(x, scale, bias, epsilon, relu)
    return y, mean, var


@_in_few_passes.defjvp
def _derivative(epsilon, relu, primals, tangents):
    (x, scale, bias), (dx, dscale, dbias) = primals, tangents
    y, centred, mean, var = _forward(x, scale, bias, epsilon, relu)
    m = x.size // x.shape[-1]
    rsqrt = lax.rsqrt(var + epsilon)
    a = scale * rsqrt
    dx = dx.astype(centred.dtype)
    sum_dx, sum_product = dx.sum(axis=PIXELS), (centred * dx).sum(axis=PIXELS)
    slope = rsqrt * dscale - a * rsqrt**2 * sum_product / m
    offset = dbias - a * sum_dx / m
    dy = _channels(a) * dx + _channels(slope) * centred + _channels(offset)
    if relu:
        dy = jnp.where(y > 0, dy, 0)
    return (y, mean, var), (dy.astype(y.dtype), jnp.zeros_like(mean), jnp.zeros_like(var))


def _forward(x, scale, bias, epsilon, relu):
    values = x.astype(jnp.promote_types(x.dtype, scale.dtype))
    mean = values.mean(axis=PIXELS)
    centred = values - _channels(mean)
    # Not mean(x^2) - mean^2, which needs one pass less, gains nothing, and cancels if mean >> std.
    var = (centred**2).mean(axis=PIXELS)
    y = centred * _channels(scale * lax.rsqrt(var + epsilon)) + _channels(bias)
    y = (jnp.maximum(y, 0) if relu else y).astype(x.dtype)
    return y, centred, mean, var


def _channels(values):
    return values.reshape(1, 1, 1, -1)
