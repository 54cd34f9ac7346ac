"""Adam: step by the gradient's running mean, measured in units of its running magnitude.

Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1,
https://arxiv.org/abs/1412.6980. From mu_0 = nu_0 = 0, for t = 1, 2, ...:

    mu_t = b1 mu_{t-1} + (1 - b1) g_t
    nu_t = b2 nu_{t-1} + (1 - b2) g_t^2
    u_t  = mu_t / (1 - b1^t) / (sqrt(nu_t / (1 - b2^t) + eps_root) + eps)
    w_t  = w_{t-1} - learning_rate u_t

`eps` is outside the root, as in the Algorithm (and in Optax and PyTorch; Keras has it elsewhere).
`eps_root`, inside, is Optax's: it keeps the root differentiable at 0, for those who differentiate
through training. The paper has none.

Without the corrections by 1 - b^t, and with `eps` inside the root, it is the form that lectures
often show:

    u_t = mu_t / sqrt(nu_t + eps)

whose first step is (1 - b1) / sqrt(1 - b2) of Adam's: 3.2 times as long with the usual numbers.
"""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.base import (
    chain,
    descend,
    map_leaves,
    one_minus_power,
    transformation,
    zeros_like,
)


class ScaleByAdamState(NamedTuple):
    """Both moments have the structure, shapes and dtypes of the parameters."""

    count: Int[Array, ""]  # t, updates made
    mu: PyTree
    nu: PyTree


class ScaleByAdamUncorrectedState(NamedTuple):
    """Both moments have the structure, shapes and dtypes of the parameters."""

    mu: PyTree
    nu: PyTree


def scale_by_adam(
    b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8, eps_root: Scalar = 0.0
) -> optax.GradientTransformation:
    """Turns a gradient g_t into Adam's direction u_t (the module's equations).

    Every hyperparameter may be a traced array, for `jax.vmap` to sweep over.

    Raises:
        ValueError: if `b1` or `b2` is a number outside [0, 1), or `eps` or `eps_root` a negative
            one.
    """
    require("b1", b1, "[0, 1)")
    require("b2", b2, "[0, 1)")
    require("eps", eps, "[0, inf)")
    require("eps_root", eps_root, "[0, inf)")

    def init(params):
        count = jnp.zeros([], jnp.int32)
        return ScaleByAdamState(count=count, mu=zeros_like(params), nu=zeros_like(params))

    def update(updates, state, params=None):
        del params
        t = state.count + 1
        mu = map_leaves(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = map_leaves(lambda v, g: b2 * v + (1 - b2) * g**2, state.nu, updates)
        c1, c2 = one_minus_power(b1, t), one_minus_power(b2, t)
        updates = map_leaves(lambda m, v: m / c1 / (jnp.sqrt(v / c2 + eps_root) + eps), mu, nu)
        return updates, ScaleByAdamState(count=t, mu=mu, nu=nu)

    return transformation(ScaleByAdamState, init, update)


def scale_by_adam_uncorrected(
    b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-10
) -> optax.GradientTransformation:
    """Turns a gradient g_t into mu_t / sqrt(nu_t + eps) (the module's last equation).

    Raises:
        ValueError: if `b1` or `b2` is a number outside [0, 1), or `eps` a negative one.
    """
    require("b1", b1, "[0, 1)")
    require("b2", b2, "[0, 1)")
    require("eps", eps, "[0, inf)")

    def init(params):
        return ScaleByAdamUncorrectedState(mu=zeros_like(params), nu=zeros_like(params))

    def update(updates, state, params=None):
        del params
        mu = map_leaves(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = map_leaves(lambda v, g: b2 * v + (1 - b2) * g**2, state.nu, updates)
        updates = map_leaves(lambda m, v: m / jnp.sqrt(v + eps), mu, nu)
        return updates, ScaleByAdamUncorrectedState(mu=mu, nu=nu)

    return transformation(ScaleByAdamUncorrectedState, init, update)


def adam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
) -> optax.GradientTransformation:
    """Adam: `scale_by_adam`, then a step of `learning_rate` against it.

    Raises:
        ValueError: if a hyperparameter is a number outside its range (`scale_by_adam`, `descend`).
    """
    return chain(scale_by_adam(b1, b2, eps, eps_root), descend(learning_rate))


def adam_uncorrected(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-10,
) -> optax.GradientTransformation:
    """Adam without bias correction, as lectures often show it.

    Raises:
        ValueError: if a hyperparameter is a number outside its range (`scale_by_adam_uncorrected`,
            `descend`).
    """
    return chain(scale_by_adam_uncorrected(b1, b2, eps), descend(learning_rate))
