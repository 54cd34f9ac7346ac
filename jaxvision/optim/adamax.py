"""AdaMax: Adam with the largest recent gradient in place of the root mean square.

Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, section 7.1, Algorithm 2,
https://arxiv.org/abs/1412.6980. From mu_0 = nu_0 = 0, for t = 1, 2, ...:

    mu_t = b1 mu_{t-1} + (1 - b1) g_t
    nu_t = max(b2 nu_{t-1}, |g_t| + eps)
    u_t  = mu_t / (1 - b1^t) / nu_t
    w_t  = w_{t-1} - learning_rate u_t

The maximum begins at its own scale and needs no correction. The paper has no `eps` (and calls nu
u); it is where Optax and PyTorch put it, so that a zero gradient moves nothing.
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


class ScaleByAdamaxState(NamedTuple):
    """Mean and maximum have the structure, shapes and dtypes of the parameters."""

    count: Int[Array, ""]  # t, updates made
    mu: PyTree
    nu: PyTree


def scale_by_adamax(
    b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8
) -> optax.GradientTransformation:
    """Turns a gradient g_t into AdaMax's direction u_t (the module's equations).

    Raises:
        ValueError: if `b1` or `b2` is a number outside [0, 1), or `eps` a negative one.
    """
    require("b1", b1, "[0, 1)")
    require("b2", b2, "[0, 1)")
    require("eps", eps, "[0, inf)")

    def init(params):
        count = jnp.zeros([], jnp.int32)
        return ScaleByAdamaxState(count=count, mu=zeros_like(params), nu=zeros_like(params))

    def update(updates, state, params=None):
        del params
        t = state.count + 1
        mu = map_leaves(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = map_leaves(lambda v, g: jnp.maximum(b2 * v, jnp.abs(g) + eps), state.nu, updates)
        c1 = one_minus_power(b1, t)
        updates = map_leaves(lambda m, v: m / c1 / v, mu, nu)
        return updates, ScaleByAdamaxState(count=t, mu=mu, nu=nu)

    return transformation(ScaleByAdamaxState, init, update)


def adamax(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
) -> optax.GradientTransformation:
    """AdaMax: `scale_by_adamax`, then a step of `learning_rate` against it.

    Raises:
        ValueError: if a hyperparameter is a number outside its range (`scale_by_adamax`,
            `descend`).
    """
    return chain(scale_by_adamax(b1, b2, eps), descend(learning_rate))
