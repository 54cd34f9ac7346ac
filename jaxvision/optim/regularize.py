"""Penalties on large weights, and weight decay: for plain SGD the same, for others two things.

A penalty is part of the loss: its gradient joins the loss's, and momentum remembers it and Adam
rescales it. Decay shrinks the weights themselves, whatever the optimizer does:

    l2           g + penalty w                      gradient of  penalty / 2 sum w^2
    l1           g + penalty sign(w)                gradient of  penalty sum |w|
    elastic_net  g + l1_penalty sign(w) + l2_penalty w
    decay        u - tau w                          so that  w' = (1 - tau) w + u

Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, equation 1 (decay) and
Propositions 1 and 2 (the same for SGD at tau = learning_rate penalty, different for adaptive
gradients), https://arxiv.org/abs/1711.05101. The place in the chain decides what is meant:

    chain(l2(penalty), scale_by_adam(), descend(rate))     Adam with an L2 penalty, coupled
    chain(scale_by_adam(), l2(tau), descend(rate))         AdamW: decays by rate times tau
    chain(scale_by_adam(), descend(rate), decay(tau))      decays by tau, whatever the rate is

The `mask` says which parameters: a function or tree of `jaxvision.optim.masks`, by default the
kernels, not biases and norms. What moves the *new* weights is in `jaxvision.optim.proximal`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from jaxvision.hyperparameters import ScalarOrSchedule, require
from jaxvision.optim.base import chain, check_given, map_leaves, transformation
from jaxvision.optim.masks import Mask, kernels, resolve


class RegularizeState(NamedTuple):
    """The schedules' clock."""

    count: Int[Array, ""]  # updates made


def l2(penalty: ScalarOrSchedule, mask: Mask = kernels) -> optax.GradientTransformation:
    """Adds penalty w to what it is given; to a gradient, that of penalty / 2 sum w^2.

    Before the direction it is the L2 penalty; between the direction and `descend` it is the decay
    of AdamW, learning_rate penalty w, which follows the learning rate's schedule.

    Args:
        penalty: a number or a schedule. Mind the 1/2: a loss written penalty sum w^2, as in Keras,
            has twice this gradient.
        mask: which parameters.

    Raises:
        ValueError: if `penalty` is a number that is negative or not finite, or if `mask` fits no
            parameter.
    """
    require("penalty", penalty, "[0, inf)")
    return regularizer(lambda u, w, penalty: u + penalty * w, mask, penalty)


def l1(penalty: ScalarOrSchedule, mask: Mask = kernels) -> optax.GradientTransformation:
    """Adds penalty sign(w), a subgradient of penalty sum |w|; it is 0 at w = 0.

    Weights come near zero and then jump across it: `l1_proximal` makes them zero. It belongs
    before the direction.

    Args:
        penalty: a number or a schedule.
        mask: which parameters.

    Raises:
        ValueError: as `l2`.
    """
    require("penalty", penalty, "[0, inf)")
    return regularizer(lambda u, w, penalty: u + penalty * jnp.sign(w), mask, penalty)


def elastic_net(
    l1_penalty: ScalarOrSchedule, l2_penalty: ScalarOrSchedule, mask: Mask = kernels
) -> optax.GradientTransformation:
    """Both penalties: l1_penalty sum |w| + l2_penalty / 2 sum w^2, before the direction.

    Zou & Hastie, "Regularization and Variable Selection via the Elastic Net", JRSS B 67(2), 2005,
    equation 3, https://doi.org/10.1111/j.1467-9868.2005.00503.x, without their rescaling of the
    solution and with a 1/2 that they have not. For weights that are exactly zero, take `l2` before
    the direction and `l1_proximal` last.

    Args:
        l1_penalty: a number or a schedule.
        l2_penalty: a number or a schedule.
        mask: which parameters.

    Raises:
        ValueError: as `l2`, for either penalty.
    """
    require("l1_penalty", l1_penalty, "[0, inf)")
    require("l2_penalty", l2_penalty, "[0, inf)")
    return chain(l1(l1_penalty, mask), l2(l2_penalty, mask))


def decay(tau: ScalarOrSchedule, mask: Mask = kernels) -> optax.GradientTransformation:
    """Shrinks the weights that the step starts from: w' = (1 - tau) w + u; after `descend`.

    Args:
        tau: the part that is lost in one update, in [0, 1), or a schedule of it. The learning rate
            has no part in it: when that falls, the decay does not.
        mask: which parameters.

    Raises:
        ValueError: if `tau` is a number outside [0, 1), or if `mask` fits no parameter.
    """
    require("tau", tau, "[0, 1)")
    return regularizer(lambda u, w, tau: u - tau * w, mask, tau)


def regularizer(
    rule: Callable[..., Array], mask: Mask, *strengths: ScalarOrSchedule
) -> optax.GradientTransformation:
    """Replaces the update u of each chosen parameter w by rule(u, w, *strengths).

    Args:
        rule: elementwise or not, it sees one parameter at a time.
        mask: which parameters; the updates of the others pass unchanged.
        strengths: numbers, or schedules, which are given the number of updates made before.
    """

    def init(params):
        resolve(mask, params)  # a mask that fits nothing is better reported before the first step
        return RegularizeState(count=jnp.zeros([], jnp.int32))

    def update(updates, state, params=None):
        check_given(params)
        values = [s(state.count) if callable(s) else s for s in strengths]
        updates = map_leaves(
            lambda u, w, chosen: rule(u, w, *values) if chosen else u,
            updates,
            params,
            resolve(mask, params),
        )
        return updates, RegularizeState(count=state.count + 1)

    return transformation(RegularizeState, init, update)
