"""What the optimizers share: where the sign flips, what a learning rate is, argument checks.

An optimizer is an `optax.GradientTransformation`, two pure functions: `init(params) -> state` and
`update(gradients, state, params) -> (updates, state)`. A `scale_by_*` turns the gradient into a
direction of ascent; `descend` then takes the step, so `chain(scale_by_adam(), descend(1e-3))` is
Adam, and anything of Optax's may stand between the two.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

Scalar: TypeAlias = int | float | np.floating | Float[Array, ""] | Float[np.ndarray, ""]
Schedule: TypeAlias = Callable[[Int[Array, ""]], Scalar]  # updates made so far -> value
ScalarOrSchedule: TypeAlias = Scalar | Schedule


class DescendState(NamedTuple):
    """The schedule's clock."""

    count: Int[Array, ""]  # updates made


def descend(learning_rate: ScalarOrSchedule) -> optax.GradientTransformation:
    """Turns a direction of ascent u into the update -learning_rate u.

    The only place in `optim` where a sign flips.

    Args:
        learning_rate: a number (it may be a traced array), or a schedule, which is given the
            number of updates made before this one: 0, 1, 2, ...

    Raises:
        ValueError: if `learning_rate` is a number that is negative or not finite.
    """
    if not callable(learning_rate):
        require("learning_rate", learning_rate, low=0, high=float("inf"))

    def init(params):
        del params
        return DescendState(count=jnp.zeros([], jnp.int32))

    def update(updates, state, params=None):
        del params
        rate = learning_rate(state.count) if callable(learning_rate) else learning_rate
        # A float32 rate would widen bfloat16 parameters' updates.
        updates = jax.tree.map(lambda u: (-rate * u).astype(u.dtype), updates)
        return updates, DescendState(count=state.count + 1)

    return optax.GradientTransformation(init, update)


def require(name: str, value: Scalar, *, low: Scalar, high: Scalar) -> None:
    """Holds a concrete hyperparameter to [low, high); a traced one passes, for it has no value yet.

    Raises:
        ValueError: if `value` is outside, or not a number.
    """
    if not isinstance(value, jax.core.Tracer) and not low <= value < high:
        raise ValueError(f"`{name}` must be in [{low}, {high}), got {value}.")
