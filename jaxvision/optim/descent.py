"""Methods that go from point to point: what one is, and those that search along lines.

Nocedal & Wright, "Numerical Optimization", 2nd edition, Springer 2006, chapter 3,
https://doi.org/10.1007/978-0-387-40065-5. From the point x with the gradient g, again and again:

    d = direction(history, g)                      the method's own: `lbfgs`, `bfgs`, ...
    x' = x + a d                                   a from `jaxvision.optim.line_search`
    s = x' - x,  y = g' - g                        recorded in the history if s.y > 0

A method is written as a transition from one evaluation of the function to the next, so that one
loop (`jaxvision.optim.minimize`) holds the search and the steps alike.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from jaxvision.optim.line_search import Point, Search, begin, dot, observe, select

PATIENCE = 10  # iterations without a new lowest value or gradient


class Step(NamedTuple):
    """A method's answer to one evaluation."""

    point: Point  # where the method now stands
    trial: Float[Array, " n"]  # what it wants evaluated next
    memory: PyTree
    moved: Bool[Array, ""]  # `point` is a new one: an iteration is complete
    failed: Bool[Array, ""]  # there is no way on


class Method(NamedTuple):
    """A way to minimise: two pure functions, and one evaluation between any two calls.

    `init(x0) -> memory`, a pytree of arrays. `step(memory, point, trial) -> Step`, given where the
    method stands and the evaluation that it asked for. It is first given x0: as `trial`, evaluated,
    and as `point`, where nothing is known yet: value and norm are infinite, the gradient is zero.

    Both are `jax.tree_util.Partial`s, so that a method is a pytree of its traced hyperparameters.
    """

    init: Callable[[Float[Array, " n"]], PyTree]
    step: Callable[[PyTree, Point, Point], Step]


class LineSearchState(NamedTuple):
    """What a method that searches along lines remembers."""

    search: Search
    history: PyTree
    pairs: Int[Array, ""]  # put into the history since it was last empty
    lowest: Float[Array, "2"]  # value and gradient_norm of all points so far
    idle: Int[Array, ""]  # iterations since either was lowered


def along_lines(
    init: Callable[[Float[Array, " n"]], Any],
    record: Callable[..., Any],
    direction: Callable[..., Float[Array, " n"]],
) -> Method:
    """The method that searches from point to point along what `direction` says.

    A search that ends no lower than it began empties the history, so that the next goes along the
    negative gradient; if that one ends no lower either, or if PATIENCE iterations lower neither the
    value nor the gradient, the method has failed: values no longer tell points apart.

    Args:
        init: x0 -> history, arrays.
        record: (history, pairs, s, y, keep) -> history, with s, the difference between two points,
            and y, that between their gradients, put in as pair number `pairs` (from 0) if `keep`.
        direction: (history, pairs, gradient) -> d; without pairs, `-gradient`.
    """

    def init_state(x0):
        zeros, infinity = jnp.zeros_like(x0), jnp.full([], jnp.inf, x0.dtype)
        return LineSearchState(
            search=begin(Point(x0, infinity, zeros, infinity), zeros, jnp.zeros_like(infinity)),
            history=init(x0),
            pairs=jnp.zeros([], jnp.int32),
            lowest=jnp.full([2], jnp.inf, x0.dtype),
            idle=jnp.zeros([], jnp.int32),
        )

    def step(state, point, trial):
        search = observe(state.search, trial)
        best = search.best
        done = search.accepted | search.exhausted
        moved = search.accepted | (search.exhausted & (best.value < point.value))
        stuck = done & ~moved

        s, y = best.x - point.x, best.gradient - point.gradient
        # s.y > 0 keeps H positive definite. After (3.7b) it is (1 - C2) |s.gradient| or more.
        least = -jnp.finfo(s.dtype).eps * search.low.step * search.start.slope
        keep = moved & (dot(s, y) > least)
        history = record(state.history, state.pairs, s, y, keep)
        pairs = jnp.where(stuck, 0, state.pairs + keep)

        d = direction(history, pairs, best.gradient)
        following = begin(best, d, jnp.ones_like(best.value))
        # The negative gradient has no scale of its own: its first trial moves by 1, or less.
        length = jnp.sqrt(jnp.abs(following.start.slope))
        first = jnp.where(pairs > 0, 1, jnp.minimum(1, 1 / length))
        search = select(done, following._replace(step=first), search)

        now = jnp.stack([best.value, best.gradient_norm])
        idle = jnp.where(jnp.any(now < state.lowest), 0, state.idle + 1)
        idle = jnp.where(moved, idle, state.idle)
        lowest = jnp.where(moved, jnp.minimum(now, state.lowest), state.lowest)

        point = select(moved, best, point)
        return Step(
            point=point,
            trial=point.x + search.step * search.direction,
            memory=LineSearchState(search, history, pairs, lowest, idle),
            moved=moved,
            failed=(stuck & (state.pairs == 0)) | (idle >= PATIENCE),
        )

    return Method(jax.tree_util.Partial(init_state), jax.tree_util.Partial(step))
