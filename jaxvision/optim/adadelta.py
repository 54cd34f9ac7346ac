"""Adadelta: steps in the parameter's own units, without a learning rate to choose.

Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, Algorithm 1,
https://arxiv.org/abs/1212.5701. From E_0 = D_0 = 0, for t = 1, 2, ...:

    E_t = rho E_{t-1} + (1 - rho) g_t^2
    u_t = sqrt((D_{t-1} + eps) / (E_t + eps)) g_t
    D_t = rho D_{t-1} + (1 - rho) u_t^2
    w_t = w_{t-1} - learning_rate u_t

The paper has no learning rate: it is 1 here unless asked for. The first step is sqrt(eps) large at
most, and later steps grow from it, so `eps` decides how fast training gets under way.
"""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.base import chain, descend, map_leaves, transformation, zeros_like


class ScaleByAdadeltaState(NamedTuple):
    """Mean squares of gradients and of steps; like the parameters in structure and dtypes."""

    E: PyTree
    D: PyTree


def scale_by_adadelta(rho: Scalar = 0.9, eps: Scalar = 1e-6) -> optax.GradientTransformation:
    """Turns a gradient g_t into Adadelta's direction u_t (the module's equations).

    Raises:
        ValueError: if `rho` is a number outside [0, 1), or `eps` a negative one.
    """
    require("rho", rho, "[0, 1)")
    require("eps", eps, "[0, inf)")

    def init(params):
        return ScaleByAdadeltaState(E=zeros_like(params), D=zeros_like(params))

    def update(updates, state, params=None):
        del params
        E = map_leaves(lambda E, g: rho * E + (1 - rho) * g**2, state.E, updates)
        updates = map_leaves(
            lambda g, D, E: jnp.sqrt((D + eps) / (E + eps)) * g, updates, state.D, E
        )
        D = map_leaves(lambda D, u: rho * D + (1 - rho) * u**2, state.D, updates)
        return updates, ScaleByAdadeltaState(E=E, D=D)

    return transformation(ScaleByAdadeltaState, init, update)


def adadelta(
    learning_rate: ScalarOrSchedule = 1.0, rho: Scalar = 0.9, eps: Scalar = 1e-6
) -> optax.GradientTransformation:
    """Adadelta; `learning_rate` scales its steps.

    Raises:
        ValueError: if a hyperparameter is a number outside its range (`scale_by_adadelta`,
            `descend`).
    """
    return chain(scale_by_adadelta(rho, eps), descend(learning_rate))
