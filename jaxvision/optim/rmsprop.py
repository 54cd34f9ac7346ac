"""RMSProp: measure each gradient in units of its own recent magnitude.

Tieleman & Hinton, "Neural Networks for Machine Learning", lecture 6.5, Coursera, 2012. From
E_0 = 0, for t = 1, 2, ...:

    E_t = rho E_{t-1} + (1 - rho) g_t^2
    u_t = g_t / sqrt(E_t + eps)
    w_t = w_{t-1} - learning_rate u_t

Centred, the unit is the standard deviation of the gradient and not its root mean square. Graves,
"Generating Sequences With Recurrent Neural Networks", 2013, equations 38 to 41,
https://arxiv.org/abs/1308.0850, with m_0 = 0:

    m_t = rho m_{t-1} + (1 - rho) g_t
    u_t = g_t / sqrt(max(E_t - m_t^2, 0) + eps)

E - m^2 is a variance, and negative only by rounding. With momentum, as in Graves' equation 41, the
learning rate is inside the running sum:

    v_t = momentum v_{t-1} + learning_rate u_t
    w_t = w_{t-1} - v_t

as in Keras and Optax; in PyTorch it is outside, which under a schedule is another algorithm
(`jaxvision.optim.momentum`). `eps` is inside the root, as in Optax; PyTorch adds it to the root.
"""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.base import chain, descend, map_leaves, transformation, zeros_like
from jaxvision.optim.momentum import accumulate


class ScaleByRmsState(NamedTuple):
    """The mean square; like the parameters in structure, shapes and dtypes."""

    E: PyTree


class ScaleByDeviationState(NamedTuple):
    """Mean square and mean; each like the parameters in structure, shapes and dtypes."""

    E: PyTree
    m: PyTree


def scale_by_rms(rho: Scalar = 0.9, eps: Scalar = 1e-8) -> optax.GradientTransformation:
    """Turns a gradient g_t into RMSProp's direction u_t (the module's equations).

    Raises:
        ValueError: if `rho` is a number outside [0, 1), or `eps` a negative one.
    """
    require("rho", rho, "[0, 1)")
    require("eps", eps, "[0, inf)")

    def init(params):
        return ScaleByRmsState(E=zeros_like(params))

    def update(updates, state, params=None):
        del params
        E = map_leaves(lambda E, g: rho * E + (1 - rho) * g**2, state.E, updates)
        updates = map_leaves(lambda g, E: g / jnp.sqrt(E + eps), updates, E)
        return updates, ScaleByRmsState(E=E)

    return transformation(ScaleByRmsState, init, update)


def scale_by_deviation(rho: Scalar = 0.9, eps: Scalar = 1e-8) -> optax.GradientTransformation:
    """Turns a gradient g_t into centred RMSProp's direction u_t (the module's equations).

    Raises:
        ValueError: if `rho` is a number outside [0, 1), or `eps` a negative one.
    """
    require("rho", rho, "[0, 1)")
    require("eps", eps, "[0, inf)")

    def init(params):
        return ScaleByDeviationState(E=zeros_like(params), m=zeros_like(params))

    def update(updates, state, params=None):
        del params
        E = map_leaves(lambda E, g: rho * E + (1 - rho) * g**2, state.E, updates)
        m = map_leaves(lambda m, g: rho * m + (1 - rho) * g, state.m, updates)
        updates = map_leaves(
            lambda g, E, m: g / jnp.sqrt(jnp.maximum(E - m**2, 0) + eps), updates, E, m
        )
        return updates, ScaleByDeviationState(E=E, m=m)

    return transformation(ScaleByDeviationState, init, update)


def rmsprop(
    learning_rate: ScalarOrSchedule,
    rho: Scalar = 0.9,
    eps: Scalar = 1e-8,
    *,
    momentum: Scalar | None = None,
) -> optax.GradientTransformation:
    """RMSProp; with `momentum`, steps add up (None keeps no sum of them).

    Raises:
        ValueError: if a hyperparameter is a number outside its range: `rho` and `momentum` [0, 1),
            `eps` and `learning_rate` [0, inf).
    """
    return _with_momentum(scale_by_rms(rho, eps), learning_rate, momentum)


def centered_rmsprop(
    learning_rate: ScalarOrSchedule,
    rho: Scalar = 0.9,
    eps: Scalar = 1e-8,
    *,
    momentum: Scalar | None = None,
) -> optax.GradientTransformation:
    """RMSProp in units of the gradient's standard deviation; otherwise as `rmsprop`.

    A gradient that stays the same has no deviation, and its steps grow towards learning_rate g /
    sqrt(eps): Graves uses eps = 1e-4.

    Raises:
        ValueError: as `rmsprop`.
    """
    return _with_momentum(scale_by_deviation(rho, eps), learning_rate, momentum)


def _with_momentum(
    direction: optax.GradientTransformation,
    learning_rate: ScalarOrSchedule,
    momentum: Scalar | None,
) -> optax.GradientTransformation:
    if momentum is None:
        return chain(direction, descend(learning_rate))
    require("momentum", momentum, "[0, 1)")
    return chain(direction, descend(learning_rate), accumulate(momentum))
