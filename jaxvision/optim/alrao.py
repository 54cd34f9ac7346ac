"""Alrao, all learning rates at once: every unit draws a rate of its own, and keeps it.

Blier, Wolinski & Ollivier, "Learning with Random Learning Rates", ECML-PKDD 2019, Algorithm 1,
https://arxiv.org/abs/1810.01322. Once, for unit i of layer l:

    log rate_{l,i} ~ Uniform(log eta_min, log eta_max)

and at every step, with u the direction of ascent (for SGD the gradient, for Adam Adam's):

    w_{l,i} <- w_{l,i} - rate_{l,i} u_{l,i},    w_{l,i} the weights and bias that lead into unit i

A unit is an output of a dense layer or a filter of a convolution: the last axis, in Flax's layout.
So that a kernel and its bias agree, the rates depend only on the layer -- the path of the innermost
container that holds the parameter; a flat list of arrays is one layer -- and on the last axis's
length. A batch norm's scale and bias of a channel are one unit too (the authors' code draws two
rates). In a bare array the entries of the last axis are the units; a scalar is a unit by itself.

This trains the *body*. In the last layer a unit is a class, and random rates would favour some:
there Alrao averages whole copies of the layer, see `jaxvision.optim.alrao_head`.
"""

import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from jaxvision.hyperparameters import Scalar, require
from jaxvision.optim.adam import scale_by_adam
from jaxvision.optim.base import chain, descend, map_leaves, transformation


class ScaleByRandomRatesState(NamedTuple):
    """Drawn at the start and never changed; a checkpoint holds them."""

    rates: PyTree  # the structure of the parameters; of [..., units] the rates are [1, ..., units]


def scale_by_random_rates(
    key: PRNGKeyArray, eta_min: Scalar, eta_max: Scalar
) -> optax.GradientTransformation:
    """Multiplies a unit's direction by the unit's own rate (the module's equations).

    `descend(1.0)` takes the step; `descend(schedule)` lets all rates vary in time alike. `key`,
    `eta_min` and `eta_max` may be traced, for `jax.vmap` to sweep over.

    Args:
        key: decides the rates, whatever the order of the parameters.
        eta_min: the smallest rate, positive.
        eta_max: the largest. Where they are equal, every unit has exactly this rate.

    Raises:
        ValueError: if `eta_min` or `eta_max` is a number that is not positive and finite, or if
            `eta_min` exceeds `eta_max`.
    """
    require_interval(eta_min, eta_max)

    def draw(path, parameter):
        # zlib.crc32, because Python's own hash of a string differs from process to process.
        layer = zlib.crc32(jax.tree_util.keystr(path[:-1]).encode())
        shape = (1,) * (jnp.ndim(parameter) - 1) + jnp.shape(parameter)[-1:]
        fraction = jax.random.uniform(jax.random.fold_in(key, layer), shape, jnp.float32)
        return log_interpolate(eta_min, eta_max, fraction)

    def init(params):
        return ScaleByRandomRatesState(rates=jax.tree.map_with_path(draw, params))

    def update(updates, state, params=None):
        del params
        return map_leaves(lambda u, rate: rate * u, updates, state.rates), state

    return transformation(ScaleByRandomRatesState, init, update)


def alrao_sgd(
    key: PRNGKeyArray, eta_min: Scalar = 1e-5, eta_max: Scalar = 10.0
) -> optax.GradientTransformation:
    """Alrao on gradient descent; the default interval is the paper's, for any problem.

    Units with a large rate may end with large outputs: the authors ask for batch normalisation or
    a bounded activation against it.

    Raises:
        ValueError: if the interval is not one of positive numbers (`scale_by_random_rates`).
    """
    return chain(scale_by_random_rates(key, eta_min, eta_max), descend(1.0))


def alrao_adam(
    key: PRNGKeyArray,
    eta_min: Scalar,
    eta_max: Scalar,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
) -> optax.GradientTransformation:
    """Alrao on Adam, which the authors found less reliable than on SGD.

    There is no default interval: the steps have the size of the rate, and 10 would be too large.

    Args:
        key: draws the rates.
        eta_min: the smallest rate; `eta_max` is the largest.
        b1: as `b2` and `eps` that of `scale_by_adam`.

    Raises:
        ValueError: if a hyperparameter is a number outside its range (`scale_by_adam`), or the
            interval is not one of positive numbers (`scale_by_random_rates`).
    """
    return chain(
        scale_by_adam(b1, b2, eps), scale_by_random_rates(key, eta_min, eta_max), descend(1.0)
    )


def log_interpolate(
    eta_min: Scalar, eta_max: Scalar, fraction: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The rates at `fraction` (0 to 1) of the way from `eta_min` to `eta_max`, as logarithms go."""
    rates = jnp.exp((1 - fraction) * jnp.log(eta_min) + fraction * jnp.log(eta_max))
    # The exponential's rounding must not leave the interval, least of all one of a single rate.
    return jnp.clip(rates, eta_min, eta_max).astype(jnp.float32)


def require_interval(eta_min: Scalar, eta_max: Scalar) -> None:
    """Holds concrete rates to 0 < eta_min <= eta_max; a traced one passes.

    Raises:
        ValueError: if they are not that.
    """
    require("eta_min", eta_min, "(0, inf)")
    require("eta_max", eta_max, "(0, inf)")
    traced = isinstance(eta_min, jax.core.Tracer) or isinstance(eta_max, jax.core.Tracer)
    if not traced and eta_min > eta_max:
        raise ValueError(
            f"`eta_min` must be at most `eta_max`, got {eta_min} and {eta_max}: exchange them."
        )
