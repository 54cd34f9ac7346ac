"""Momentum: the gradients of many steps add up where they agree and cancel where they do not.

Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
Mathematics and Mathematical Physics 4(5), 1964, https://doi.org/10.1016/0041-5553(64)90137-5.
Three algorithms go by the name. From v_0 = 0, with g_t the gradient at w_t and eta_t the
learning rate of update t:

    momentum        v_{t+1} = gamma v_t + eta_t g_t        w_{t+1} = w_t - v_{t+1}
    heavy_ball      v_{t+1} = beta v_t + g_t               w_{t+1} = w_t - eta_t v_{t+1}
    ema_momentum    v_{t+1} = a g_t + (1 - a) v_t          w_{t+1} = w_t - eta_t v_{t+1}

`momentum` has the rate inside the running sum, as Polyak and Rumelhart, Hinton & Williams (1986)
have it, and Keras; `heavy_ball` has it outside, as Optax and PyTorch do. Unrolled,

    momentum        w_{t+1} = w_t - sum_{s <= t} gamma^(t-s) eta_s g_s
    heavy_ball      w_{t+1} = w_t - eta_t sum_{s <= t} beta^(t-s) g_s

so with a constant rate the two are one algorithm. Under a schedule they are not: a gradient keeps
the rate of its own time in the one, and takes that of today in the other. When the rate drops by a
factor, `heavy_ball` slows down at once, and `momentum` after about 1 / (1 - gamma) updates.

`ema_momentum` is `heavy_ball` at beta = 1 - a with a rate that is `a` times as large, under any
schedule: its v is a mean of gradients and not a sum, so the step does not grow with the memory.

In code the first two are the same two parts in the other order, for that is all the difference.
"""

from typing import NamedTuple

import optax
from jaxtyping import PyTree

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.base import chain, descend, map_leaves, transformation, zeros_like


class VelocityState(NamedTuple):
    """What has been accumulated; like the parameters in structure, shapes and dtypes."""

    v: PyTree


def accumulate(decay: Scalar) -> optax.GradientTransformation:
    """Turns updates u_t into their decaying sum v_{t+1} = decay v_t + u_t.

    Raises:
        ValueError: if `decay` is a number outside [0, 1).
    """
    require("decay", decay, "[0, 1)")

    def init(params):
        return VelocityState(v=zeros_like(params))

    def update(updates, state, params=None):
        del params
        v = map_leaves(lambda v, u: decay * v + u, state.v, updates)
        return v, VelocityState(v=v)

    return transformation(VelocityState, init, update)


def average(a: Scalar) -> optax.GradientTransformation:
    """Turns updates u_t into their exponential moving average v_{t+1} = a u_t + (1 - a) v_t.

    Raises:
        ValueError: if `a` is a number outside (0, 1].
    """
    require("a", a, "(0, 1]")

    def init(params):
        return VelocityState(v=zeros_like(params))

    def update(updates, state, params=None):
        del params
        v = map_leaves(lambda v, u: a * u + (1 - a) * v, state.v, updates)
        return v, VelocityState(v=v)

    return transformation(VelocityState, init, update)


def momentum(learning_rate: ScalarOrSchedule, gamma: Scalar = 0.9) -> optax.GradientTransformation:
    """Momentum with the learning rate inside the sum, as the course defines it.

    Raises:
        ValueError: if `gamma` is a number outside [0, 1), or `learning_rate` a negative or
            non-finite one.
    """
    require("gamma", gamma, "[0, 1)")
    return chain(descend(learning_rate), accumulate(gamma))


def heavy_ball(learning_rate: ScalarOrSchedule, beta: Scalar = 0.9) -> optax.GradientTransformation:
    """Momentum with the learning rate outside the sum, as Optax and PyTorch define it.

    Raises:
        ValueError: if `beta` is a number outside [0, 1), or `learning_rate` a negative or
            non-finite one.
    """
    require("beta", beta, "[0, 1)")
    return chain(accumulate(beta), descend(learning_rate))


def ema_momentum(learning_rate: ScalarOrSchedule, a: Scalar = 0.1) -> optax.GradientTransformation:
    """Steps along the moving average of the gradients; `a` is the weight of the newest.

    Raises:
        ValueError: if `a` is a number outside (0, 1], or `learning_rate` a negative or non-finite
            one.
    """
    return chain(average(a), descend(learning_rate))
