"""Reduce the learning rate when a metric has stopped improving: a schedule that looks.

The rule is that of PyTorch's `ReduceLROnPlateau`, its default (relative, smaller is better) mode,
https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html. From
scale = 1, best = inf, bad = resting = 0, for each value that is observed:

    value < best (1 - threshold sign(best)):  best, bad = value, 0         otherwise bad += 1
    resting > 0:                              resting, bad = resting - 1, 0
    bad > patience:                           scale = max(scale factor, min_scale)
                                              resting, bad = cooldown, 0

A value that is NaN is no improvement. We deviate in three things. The scale multiplies the updates,
so `min_scale` is a part of the learning rate, where PyTorch's `min_lr` is a rate. The sign is ours:
without it, below zero a value that is slightly worse would pass for better; with it -accuracy,
observed, gives PyTorch's "max" mode. And no reduction is too small to be made.

It is the last part of an optimizer, and is told of the metric in one of two ways:

    optimizer = optax.chain(adam(1e-3), plateau(patience=5))
    opt_state = observe(opt_state, validation_loss)                                 # once an epoch
    updates, opt_state = optimizer.update(gradients, opt_state, value=train_loss)   # in every step

The second is the way of `optax.contrib.reduce_on_plateau`, whose `patience` is ours + 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from jaxvision.hyperparameters import Scalar, Whole, require, require_whole
from jaxvision.optim.base import find_states, map_leaves, transformation


class PlateauState(NamedTuple):
    """What was observed, and the rule, so that `observe` needs nothing but the state.

    A run that goes on from a checkpoint therefore keeps the rule that it began with.
    """

    scale: Float[Array, ""]  # what the updates are multiplied by
    best: Float[Array, ""]
    bad: Int[Array, ""]  # values since the best, the last reduction or the end of the cooldown
    resting: Int[Array, ""]  # values of the cooldown that are still to come
    factor: Float[Array, ""]
    patience: Int[Array, ""]
    threshold: Float[Array, ""]
    cooldown: Int[Array, ""]
    min_scale: Float[Array, ""]


def plateau(
    factor: Scalar = 0.1,
    patience: Whole = 10,
    threshold: Scalar = 1e-4,
    cooldown: Whole = 0,
    min_scale: Scalar = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Multiplies the updates by a scale that falls when the observed metric stops improving.

    Its `update` takes `value`, which it observes before it scales, or leaves the scale as it is.
    `optax.chain` hands that through, `base.chain` does not. Every argument may be a traced array.

    Args:
        factor: what the scale is multiplied by.
        patience: how many values in a row may bring no improvement; the next reduces the scale.
        threshold: how much smaller than the best a value must be, as a part of it, to count.
        cooldown: how many values after a reduction are not held against it.
        min_scale: the scale never falls below.

    Raises:
        ValueError: if `factor`, `threshold` or `min_scale` is a number outside [0, 1), or if
            `patience` or `cooldown` is not a whole number from 0 on.
    """
    require("factor", factor, "[0, 1)")
    require_whole("patience", patience, low=0)
    require("threshold", threshold, "[0, 1)")
    require_whole("cooldown", cooldown, low=0)
    require("min_scale", min_scale, "[0, 1)")

    def init(params):
        del params
        return PlateauState(
            scale=jnp.ones([], jnp.float32),
            best=jnp.full([], jnp.inf, jnp.float32),
            bad=jnp.zeros([], jnp.int32),
            resting=jnp.zeros([], jnp.int32),
            factor=jnp.array(factor, jnp.float32),
            patience=jnp.array(patience, jnp.int32),
            threshold=jnp.array(threshold, jnp.float32),
            cooldown=jnp.array(cooldown, jnp.int32),
            min_scale=jnp.array(min_scale, jnp.float32),
        )

    def scale(updates, state, params=None):
        del params
        return map_leaves(lambda u: state.scale * u, updates), state

    scaling = transformation(PlateauState, init, scale)

    def update(updates, state, params=None, *, value=None, **extra_args):
        del extra_args  # Optax's protocol: those of other parts of the chain
        if value is not None:
            state = observe(state, value)
        return scaling.update(updates, state, params)

    return optax.GradientTransformationExtraArgs(scaling.init, update)


def observe(opt_state: PyTree, value: ArrayLike) -> PyTree:
    """Tells every `plateau` in an optimizer's state, however deep, or in a train state, of a value.

    A pure function, for the loop over epochs or inside a compiled step.

    Args:
        opt_state: where the `PlateauState` is; all else in it is returned as it was.
        value: the metric; smaller is better. Of one where larger is better, pass the negative.

    Raises:
        ValueError: if there is no `plateau`, or if `value` is not one number.
    """
    if jnp.ndim(value) != 0:
        raise ValueError(
            f"`value` must be one number, got shape {jnp.shape(value)}: take its mean."
        )
    if not find_states(opt_state, PlateauState):
        raise ValueError(
            "`opt_state` must hold the state of a `plateau`, got none: chain `plateau(...)` as the "
            "optimizer's last part."
        )
    value = jnp.asarray(value, jnp.float32)

    def is_plateau(node):
        return isinstance(node, PlateauState)

    return jax.tree.map(
        lambda node: _after(node, value) if is_plateau(node) else node,
        opt_state,
        is_leaf=is_plateau,
    )


def _after(state: PlateauState, value: Float[Array, ""]) -> PlateauState:
    improved = value < state.best * (1 - state.threshold * jnp.sign(state.best))
    best = jnp.where(improved, value, state.best)
    rests = state.resting > 0
    bad = jnp.where(improved | rests, 0, state.bad + 1)
    reduces = bad > state.patience
    reduced = jnp.maximum(state.scale * state.factor, state.min_scale)
    return state._replace(
        scale=jnp.where(reduces, reduced, state.scale),
        best=best,
        bad=jnp.where(reduces, 0, bad),
        resting=jnp.where(reduces, state.cooldown, state.resting - rests),
    )
