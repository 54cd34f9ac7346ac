"""The strong Wolfe line search: how far to go along a direction.

Nocedal & Wright, "Numerical Optimization", 2nd edition, Springer 2006, chapter 3,
https://doi.org/10.1007/978-0-387-40065-5. With phi(a) = f(x + a d), a step a is accepted when

    phi(a)    <= phi(0) + C1 a phi'(0)            it has fallen by enough         (3.7a)
    |phi'(a)| <= -C2 phi'(0)                      and has flattened               (3.7b)

The search keeps two ends with such a step between them: `low`, with the lowest value so far and a
slope that falls towards the other, and `high`, at first infinitely far. After the trial of a:

    phi(a) is above (3.7a) or phi(low)            high = a
    else (3.7b) holds                             accepted
    else phi'(a) (high - low) >= 0                high = low, low = a
    else                                          low = a

While `high` is at infinity this is Algorithm 3.5 (bracketing), from then on Algorithm 3.6 (zoom).
The next trial is where the cubic through both ends has its minimum (3.59), kept well inside.

Where we deviate:

- Values are compared with an allowance for round-off. Near a minimum the decrease (3.7a) asks for
  is less than the last digit of phi, while (3.7b) still tells the minimum by its slope: after Hager
  & Zhang, "Algorithm 851: CG_DESCENT", ACM Transactions on Mathematical Software 32(1), 2006,
  equation 23, https://doi.org/10.1145/1132973.1132979. It is how float32 reaches small gradients.
- Where f is not finite the step was too far: `high` goes there, and the next trial is halfway.
- After MAX_TRIALS, when the bracket holds no further float, or when d turns out not to descend,
  the search ends at `low`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

C1, C2 = 1e-4, 0.9  # what the book advises for quasi-Newton directions
ROUND_OFF = 10  # allowed between two values, in units of the last digit
MAX_TRIALS = 30

dot = partial(jnp.vdot, precision="highest")  # accelerators would otherwise round to 10 bits or 8


class Point(NamedTuple):
    """A place, and what the function is there. Pytrees are flattened to vectors of length n."""

    x: Float[Array, " n"]
    value: Float[Array, ""]
    gradient: Float[Array, " n"]
    gradient_norm: Float[Array, ""]  # its largest magnitude


class End(NamedTuple):
    """An end of the bracket: a step, phi there, and phi'."""

    step: Float[Array, ""]
    value: Float[Array, ""]
    slope: Float[Array, ""]


class Search(NamedTuple):
    """A search in progress, which wants `step` along `direction` evaluated."""

    direction: Float[Array, " n"]
    step: Float[Array, ""]
    start: End  # a = 0
    low: End
    high: End
    best: Point  # at `low`
    trials: Int[Array, ""]
    accepted: Bool[Array, ""]  # `best` satisfies both conditions
    exhausted: Bool[Array, ""]  # no trial is left that might


def begin(point: Point, direction: Float[Array, " n"], step: Float[Array, ""]) -> Search:
    """A search from `point` along `direction`, whose first trial is `step`."""
    infinity = jnp.full_like(step, jnp.inf)
    start = End(jnp.zeros_like(step), point.value, dot(point.gradient, direction))
    return Search(
        direction=direction,
        step=step,
        start=start,
        low=start,
        high=End(infinity, infinity, infinity),
        best=point,
        trials=jnp.zeros([], jnp.int32),
        accepted=jnp.zeros([], bool),
        exhausted=jnp.zeros([], bool),
    )


def observe(search: Search, trial: Point) -> Search:
    """The search after the evaluation it wanted. Once it has ended it wants no more."""
    start, low, high = search.start, search.low, search.high
    new = End(search.step, trial.value, dot(trial.gradient, search.direction))

    size = jnp.maximum(jnp.abs(start.value), jnp.abs(low.value))
    round_off = ROUND_OFF * jnp.finfo(trial.value.dtype).eps * size
    ceiling = jnp.minimum(start.value + C1 * new.step * start.slope, low.value) + round_off
    fell = jnp.isfinite(new.value) & (new.value <= ceiling)
    flat = jnp.abs(new.slope) <= -C2 * start.slope
    turned = new.slope * (high.step - low.step) >= 0
    uphill = ~(start.slope < 0)  # by round-off alone

    beyond = _beyond(low, new)
    high = select(fell, select(turned, low, high), new)
    low = select(fell, new, low)
    trials = search.trials + 1
    return Search(
        direction=search.direction,
        step=jnp.where(jnp.isfinite(high.step), _between(low, high), beyond),
        start=start,
        low=low,
        high=high,
        best=select(fell, trial, search.best),
        trials=trials,
        accepted=fell & flat,
        exhausted=(trials >= MAX_TRIALS) | uphill | jnp.all(trial.x == search.best.x),
    )


def _beyond(low: End, new: End) -> Float[Array, ""]:
    """A step from twice to ten times as far as `new`."""
    factor = _cubic_minimum(low, new) / new.step
    return new.step * jnp.where(jnp.isfinite(factor), jnp.clip(factor, 2, 10), 10)


def _between(low: End, high: End) -> Float[Array, ""]:
    """A step inside the bracket, a tenth of its width or more from both ends."""
    width = high.step - low.step
    part = (_cubic_minimum(low, high) - low.step) / width
    return low.step + width * jnp.where(jnp.isfinite(part), jnp.clip(part, 0.1, 0.9), 0.5)


def _cubic_minimum(a: End, b: End) -> Float[Array, ""]:
    """Where the cubic with the values and slopes of both is least (3.59); NaN if nowhere."""
    width = b.step - a.step
    d1 = a.slope + b.slope - 3 * (b.value - a.value) / width
    d2 = jnp.sign(width) * jnp.sqrt(d1**2 - a.slope * b.slope)
    return b.step - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)


def select(condition: Bool[Array, ""], yes: PyTree, no: PyTree) -> PyTree:
    """`jnp.where` for whole pytrees."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
