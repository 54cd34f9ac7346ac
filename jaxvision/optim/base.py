"""What the optimizers share: where the sign flips, how states and dtypes are kept.

An optimizer is an `optax.GradientTransformation`, two pure functions: `init(params) -> state` and
`update(gradients, state, params) -> (updates, state)`. A `scale_by_*` turns the gradient into a
direction of ascent; `descend` then takes the step, so `chain(scale_by_adam(), descend(1e-3))` is
Adam, and anything of Optax's may stand between the two.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require


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
    require("learning_rate", learning_rate, "[0, inf)")

    def init(params):
        del params
        return DescendState(count=jnp.zeros([], jnp.int32))

    def update(updates, state, params=None):
        del params
        rate = learning_rate(state.count) if callable(learning_rate) else learning_rate
        updates = map_leaves(lambda u: -rate * u, updates)
        return updates, DescendState(count=state.count + 1)

    return transformation(DescendState, init, update)


def transformation(
    State: type,
    init: Callable[[PyTree], Any],
    update: Callable[..., tuple[PyTree, Any]],
) -> optax.GradientTransformation:
    """An `optax.GradientTransformation` that refuses what it cannot work with.

    Its `init` raises ValueError if a parameter is not floating-point, its `update` if the state is
    not a `State`, the NamedTuple that `init` returns.
    """

    def checked_init(params):
        check_floating(params)
        return init(params)

    def checked_update(updates, state, params=None):
        if not isinstance(state, State):
            raise ValueError(
                f"`state` must be the {State.__name__} that this optimizer's `init` returned, "
                f"got {type(state).__name__}: each optimizer goes on from its own state only."
            )
        return update(updates, state, params)

    return optax.GradientTransformation(checked_init, checked_update)


def chain(*transformations: optax.GradientTransformation) -> optax.GradientTransformation:
    """`optax.chain`, with an error of its own for a state of another optimizer."""
    inner = optax.chain(*transformations)

    def update(updates, state, params=None):
        if not isinstance(state, tuple) or len(state) != len(transformations):
            raise ValueError(
                f"`state` must be what this optimizer's `init` returned, a tuple of "
                f"{len(transformations)}, got {type(state).__name__}: each optimizer goes on from "
                f"its own state only."
            )
        return inner.update(updates, state, params)

    return optax.GradientTransformation(inner.init, update)


def map_leaves(function: Callable, tree: PyTree, *rest: PyTree) -> PyTree:
    """`jax.tree.map` whose results have the dtypes of `tree`.

    A traced float32 hyperparameter would otherwise widen bfloat16 states and updates.
    """
    return jax.tree.map(lambda x, *ys: function(x, *ys).astype(x.dtype), tree, *rest)


def zeros_like(params: PyTree) -> PyTree:
    """Fresh zeros; each call's are its own, for a donated state must not alias itself."""
    return jax.tree.map(jnp.zeros_like, params)


def find_states(opt_state: PyTree, State: type) -> list:
    """Every `State` in an optimizer's state, however deep, or in a train state."""

    def is_one(node):
        return isinstance(node, State)

    return [node for node in jax.tree.leaves(opt_state, is_leaf=is_one) if is_one(node)]


def check_given(params: PyTree | None) -> None:
    """Raises ValueError if `update` was called without the parameters."""
    if params is None:
        raise ValueError(
            "`params` must be given to `update`, for this transformation reads the parameters: "
            "call `optimizer.update(gradients, state, params)`."
        )


def check_floating(params: PyTree) -> None:
    """Raises ValueError if a leaf of `params` is not of a floating-point type; names it."""
    for path, leaf in jax.tree.leaves_with_path(params):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise ValueError(
                f"`params` must be floating-point, but {jax.tree_util.keystr(path) or 'it'} is "
                f"{jnp.result_type(leaf)}: an integer has no gradient. Cast it, or leave it out "
                f"(`optax.partition`)."
            )


def one_minus_power(decay: Scalar, t: Int[Array, ""] | np.integer) -> Float[Array, ""]:
    """1 - decay^t, exact in float32, where `1 - 0.999**1` is wrong in the fifth digit."""
    if isinstance(decay, jax.Array):
        return -jnp.expm1(t * jnp.log(decay))
    log_decay = math.log(decay) if decay > 0 else -math.inf  # in double precision
    return -jnp.expm1(t * log_decay)
