"""How an image is optimised: in angles, by L-BFGS or Adam, and from one size on to the next.

Pixels stay in [0, 1] by what they are made of, x = (1 + sin z) / 2, and z is what is optimised,
without bounds. Pixels begin at most at 1 - EDGE, as at the bounds themselves dx/dz = 0. (With the
logistic function in the place of the sine, the loss falls more slowly; optimised without bounds and
cut off at the end, it ends no lower: docs/style.md.)

An optimisation goes on at another size with all that it knows. The loss is a mean over pixels, so
when there are r times as many, gradients are 1/r of what they were and their squares 1/r^2; steps
stay as they are. So Adam's moments become mu / r and nu / r^2, and L-BFGS' pairs s and y / r.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxvision import optim
from jaxvision.hyperparameters import Scalar
from jaxvision.optim.lbfgs import Pairs, lbfgs
from jaxvision.optim.line_search import dot
from jaxvision.optim.minimize import advance, start

EDGE = 1 / 255
NEVER = 1e-30  # a mean over a million pixels has a gradient far below any usual tolerance

Angles = Float[Array, "_ _ _ 3"]
Loss = Callable[[Angles], Float[Array, ""]]


class Optimizer(NamedTuple):
    """Pure functions of a state, which is arrays.

    Attributes:
        init: angles -> state.
        run: (loss, state, steps) -> state; the number of steps may be traced.
        angles: state -> where it stands.
        carry: (state, angles of another size) -> state there.
    """

    init: Callable[[Angles], Any]
    run: Callable[[Loss, Any, int | Int[Array, ""]], Any]
    angles: Callable[[Any], Angles]
    carry: Callable[[Any, Angles], Any]


def to_pixels(angles: Angles) -> Float[Array, "b h w 3"]:
    """The picture in [0, 1] that the angles stand for."""
    return (1 + jnp.sin(angles)) / 2


def to_angles(pixels: Float[Array, "b h w 3"]) -> Angles:
    """The angles of a picture; the inverse of `to_pixels`, a little away from 0 and 1."""
    return jnp.arcsin(2 * jnp.clip(pixels, EDGE, 1 - EDGE) - 1)


def by_lbfgs(memory: int = 10) -> Optimizer:
    """L-BFGS with a strong Wolfe line search: a step is an evaluation of the loss, seldom two."""
    method = lbfgs(memory)

    def run(loss, state, steps):
        return advance(loss, state, method, steps, tolerance=NEVER)

    def carry(state, angles):
        history = _carry_pairs(state.memory.history, state.x, angles)
        fresh = start(angles, method)
        known = fresh.memory._replace(history=history, pairs=state.memory.pairs)
        return fresh._replace(memory=known)

    return Optimizer(lambda angles: start(angles, method), run, lambda state: state.x, carry)


class AdamRun(NamedTuple):
    """Adam's state, and the angles that it moves."""

    angles: Angles
    state: Any


def by_adam(learning_rate: Scalar = 0.05) -> Optimizer:
    """Adam; a step is one evaluation of the loss.

    Args:
        learning_rate: in radians: at grey, 0.05 moves a pixel by 1/40 of its range.
    """
    optimizer = optim.adam(learning_rate)

    def run(loss, run, steps):
        def step(_, run):
            updates, state = optimizer.update(jax.grad(loss)(run.angles), run.state, run.angles)
            return AdamRun(run.angles + updates, state)

        return lax.fori_loop(0, steps, step, run)

    def carry(run, angles):
        ratio = angles.size / run.angles.size
        moments, descent = run.state
        moments = moments._replace(
            mu=_resize(moments.mu, angles.shape) / ratio,
            nu=_resize(moments.nu, angles.shape) / ratio**2,
        )
        return AdamRun(angles, (moments, descent))

    return Optimizer(
        lambda angles: AdamRun(angles, optimizer.init(angles)), run, lambda run: run.angles, carry
    )


def _carry_pairs(pairs: Pairs, old: Angles, new: Angles) -> Pairs:
    """The pairs at another size. One that no longer curves upwards says nothing any more."""

    def resize(rows):
        return jax.vmap(lambda row: _resize(row.reshape(old.shape), new.shape).ravel())(rows)

    s, y = resize(pairs.s), resize(pairs.y) / (new.size / old.size)
    sy = jax.vmap(dot)(s, y)
    holds = sy > 0
    s, y = (jnp.where(holds[:, None], rows, 0) for rows in (s, y))
    rho = jnp.where(holds, 1 / jnp.where(holds, sy, 1), 0)
    return Pairs(s, y, rho, gamma=pairs.gamma * (new.size / old.size))


def _resize(x, shape):
    return jax.image.resize(x, shape, "linear")
