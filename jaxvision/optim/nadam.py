"""Nadam: Adam that looks ahead as Nesterov's momentum does.

Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop 2016, Algorithm 2,
https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ. From mu_0 = nu_0 = 0, for t = 1, 2, ...:

    mu_t = b1 mu_{t-1} + (1 - b1) g_t
    nu_t = b2 nu_{t-1} + (1 - b2) g_t^2
    m_t  = b1 mu_t / (1 - b1^{t+1}) + (1 - b1) g_t / (1 - b1^t)
    u_t  = m_t / (sqrt(nu_t / (1 - b2^t)) + eps)
    w_t  = w_{t-1} - learning_rate u_t

m_t is where Adam's corrected mean will be after the next update if nothing changes: its share of
the newest gradient is taken now. As in Optax, b1 is constant, where the paper lets it follow a
schedule (and PyTorch does), and nu_t is corrected as Adam's is, without the paper's factor b2.
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


class ScaleByNadamState(NamedTuple):
    """Both moments have the structure, shapes and dtypes of the parameters."""

    count: Int[Array, ""]  # t, updates made
    mu: PyTree
    nu: PyTree


def scale_by_nadam(
    b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8
) -> optax.GradientTransformation:
    """Turns a gradient g_t into Nadam's direction u_t (the module's equations).

    Raises:
        ValueError: if `b1` or `b2` is a number outside [0, 1), or `eps` a negative one.
    """
    require("b1", b1, "[0, 1)")
    require("b2", b2, "[0, 1)")
    require("eps", eps, "[0, inf)")

    def init(params):
        count = jnp.zeros([], jnp.int32)
        return ScaleByNadamState(count=count, mu=zeros_like(params), nu=zeros_like(params))

    def update(updates, state, params=None):
        del params
        t = state.count + 1
        mu = map_leaves(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = map_leaves(lambda v, g: b2 * v + (1 - b2) * g**2, state.nu, updates)
        from_mean = b1 / one_minus_power(b1, t + 1)
        from_newest = (1 - b1) / one_minus_power(b1, t)
        c2 = one_minus_power(b2, t)
        updates = map_leaves(
            lambda m, v, g: (from_mean * m + from_newest * g) / (jnp.sqrt(v / c2) + eps),
            mu,
            nu,
            updates,
        )
        return updates, ScaleByNadamState(count=t, mu=mu, nu=nu)

    return transformation(ScaleByNadamState, init, update)


def nadam(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
) -> optax.GradientTransformation:
    """Nadam: `scale_by_nadam`, then a step of `learning_rate` against it.

    Raises:
        ValueError: if a hyperparameter is a number outside its range (`scale_by_nadam`, `descend`).
    """
    return chain(scale_by_nadam(b1, b2, eps), descend(learning_rate))
