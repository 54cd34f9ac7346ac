"""Averages of the parameters over the last steps: less noise than in any one of them.

Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, section 7.2,
https://arxiv.org/abs/1412.6980 (after Polyak & Juditsky, 1992). With w_t the parameters after
update t, both averages move towards them,

    a_t = a_{t-1} + weight_t (w_t - a_{t-1})

    ema_from_initial  weight_t = 1 - decay                      begins with a_0 = w_0
    ema_corrected     weight_t = (1 - decay) / (1 - decay^t)    begins with a_1 = w_1

The second is the paper's, rewritten: m_t = decay m_{t-1} + (1 - decay) w_t from m_0 = 0 is biased
towards 0, and a_t = m_t / (1 - decay^t) is not; this keeps a_t itself, so that nothing is left to
do when it is read, and so that the average of a constant is that constant, exactly.

Training never sees the average; it is for evaluation. It comes last in the chain, where the updates
are what the parameters will get, and outside of any partition of them:

    optimizer = chain(scale_by_adam(), descend(rate), ema_corrected(0.999))
    params = averaged_params(opt_state)

Running statistics of a batch normalisation belong to the raw parameters, not to these.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from jaxvision.hyperparameters import Scalar, require
from jaxvision.optim.base import (
    check_given,
    find_states,
    map_leaves,
    one_minus_power,
    transformation,
)


class AverageState(NamedTuple):
    """The average has the structure and shapes of the parameters, in float32 at least.

    In bfloat16 it would stop: a step of 1/1000 of the way is below half its last bit.
    """

    count: Int[Array, ""]  # t, updates made
    average: PyTree


def ema_from_initial(decay: Scalar) -> optax.GradientTransformation:
    """Averages the parameters from the initial ones on; the updates pass unchanged.

    The initial parameters keep a part decay^t in it, so at 0.999 it lags for thousands of steps.

    Args:
        decay: how much of the average one step keeps; it looks 1 / (1 - decay) steps back.

    Raises:
        ValueError: if `decay` is a number outside [0, 1).
    """
    require("decay", decay, "[0, 1)")
    return _averaging(lambda t: 1 - decay)


def ema_corrected(decay: Scalar) -> optax.GradientTransformation:
    """Averages the parameters after each update, with bias correction; the updates pass unchanged.

    After t updates the parameters after update s weigh decay^(t-s), divided by their sum.

    Args:
        decay: how much of the average one step keeps; it looks 1 / (1 - decay) steps back.

    Raises:
        ValueError: if `decay` is a number outside [0, 1).
    """
    require("decay", decay, "[0, 1)")
    return _averaging(lambda t: (1 - decay) / one_minus_power(decay, t))


def averaged_params(opt_state: PyTree) -> PyTree:
    """Finds the average in an optimizer's state, however deep, or in a train state.

    Before the first update these are the initial parameters. They are the state's own arrays, so a
    step that donates the state takes them along; and float32 where the parameters are narrower.

    Raises:
        ValueError: if there is no average, or more than one.
    """
    found = find_states(opt_state, AverageState)
    if len(found) != 1:
        raise ValueError(
            f"`opt_state` must hold one average of the parameters, got {len(found)}: chain "
            f"`ema_corrected` or `ema_from_initial`, once, as the optimizer's last part."
        )
    return found[0].average


def start_average(tree: PyTree) -> AverageState:
    """The average of a tree of arrays before any update: the arrays themselves."""
    # A copy: the step donates state and parameters, and a buffer can be donated once.
    average = jax.tree.map(
        lambda w: jnp.array(w, jnp.promote_types(w.dtype, jnp.float32), copy=True), tree
    )
    return AverageState(count=jnp.zeros([], jnp.int32), average=average)


def move_average(state: AverageState, tree: PyTree, decay: Scalar) -> AverageState:
    """One update of the corrected average towards `tree`, parameters or anything else.

    Outside of an optimizer, as for the variables of a train state: parameters and statistics.
    """
    count = state.count + 1
    return _towards(state, tree, count, (1 - decay) / one_minus_power(decay, count))


def _averaging(weight: Callable[[Int[Array, ""]], Scalar]) -> optax.GradientTransformation:
    def update(updates, state, params=None):
        check_given(params)
        count = state.count + 1
        new_params = optax.apply_updates(params, updates)
        return updates, _towards(state, new_params, count, weight(count))

    return transformation(AverageState, start_average, update)


def _towards(
    state: AverageState, tree: PyTree, count: Int[Array, ""], weight: Scalar
) -> AverageState:
    average = map_leaves(lambda a, w: a + weight * (w - a), state.average, tree)
    return AverageState(count=count, average=average)
