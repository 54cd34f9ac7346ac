"""Gradient clipping: a bound on how far one exploding gradient can throw the parameters.

Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
Algorithm 1, https://arxiv.org/abs/1211.5063; by value, as in Mikolov's thesis, which they go on
from:

    clip_by_global_norm  g min(1, limit / ||g||),  ||g||^2 = the sum of g^2 over all parameters
    clip_by_value        min(max(g, -limit), limit), entry by entry, which turns the gradient

First in the chain, before penalties and direction: chain(clip_by_global_norm(1.0), scale_by_adam(),
descend(rate)). Where a penalty acts on the kernels, clipping acts on everything unless told
otherwise: biases explode too, and the norm of a part is not the norm that papers report.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from jaxvision.hyperparameters import Scalar, require
from jaxvision.optim.base import map_leaves, transformation
from jaxvision.optim.masks import Mask, everything, resolve


def clip_by_value(limit: Scalar, mask: Mask = everything) -> optax.GradientTransformation:
    """Holds each entry of the gradient to [-limit, limit].

    Args:
        limit: a positive number.
        mask: which parameters' gradients; the others pass unchanged.

    Raises:
        ValueError: if `limit` is a number that is not positive and finite, or if `mask` fits no
            parameter.
    """
    require("limit", limit, "(0, inf)")

    def clip(gradients):
        return map_leaves(lambda g: jnp.clip(g, -limit, limit), gradients)

    return _masked(clip, mask)


def clip_by_global_norm(limit: Scalar, mask: Mask = everything) -> optax.GradientTransformation:
    """Scales the gradient down to a norm of `limit`, and keeps its direction.

    At or below the limit it passes bit for bit. A gradient whose norm is not finite in float32
    passes too, for the divergence to be seen: no factor would bring it back.

    Args:
        limit: a positive number.
        mask: which parameters' gradients; the others count for nothing and pass unchanged.

    Raises:
        ValueError: as `clip_by_value`.
    """
    require("limit", limit, "(0, inf)")

    def clip(gradients):
        norm = _global_norm(gradients)
        over = (norm > limit) & (norm < jnp.inf)
        factor = limit / jnp.maximum(norm, limit)
        return map_leaves(lambda g: jnp.where(over, g * factor, g), gradients)

    return _masked(clip, mask)


def _masked(clip: Callable[[PyTree], PyTree], mask: Mask) -> optax.GradientTransformation:
    inner = optax.stateless(lambda gradients, params: clip(gradients))
    inner = optax.masked(inner, partial(resolve, mask))
    return transformation(optax.MaskedState, inner.init, inner.update)


def _global_norm(gradients: PyTree) -> Float[Array, ""]:
    """Summed in float32 at least: bfloat16's eight bits stop counting after 256 equal squares."""
    wide = [g.astype(jnp.promote_types(g.dtype, jnp.float32)) for g in jax.tree.leaves(gradients)]
    return jnp.sqrt(sum(jnp.sum(g**2) for g in wide))
