"""Learning-rate schedules: large steps to get there, small ones to settle.

A schedule is a function of `count`, the updates made before this one (0, 1, 2, ...), and stands
wherever a learning rate may: sgd(schedules.cosine(0.1, steps)). With t = count + 1 and p the part
of the updates that is over, min(count / steps, 1):

    constant      rate
    step_decay    initial factor^floor(count / every)
    exponential   initial factor^(count / every)
    inverse_sqrt  initial / sqrt(t)                            Zinkevich 2003, Theorem 1
    inverse_time  initial / (1 + decay count)                  Robbins & Monro 1951
    linear        final + (initial - final) (1 - p)
    polynomial    final + (initial - final) (1 - p)^power
    cosine        final + (initial - final) (1 + cos(pi p)) / 2
                                                               Loshchilov & Hutter 2017, equation 5
    warmup        then(0) t / (steps + 1), and from count = steps on then(count - steps)
                                                               Goyal et al. 2017, section 2.2
    one_cycle     a cosine up to `peak`, a cosine down         Smith & Topin 2018
    piecewise     one rate after the other
    joined        one schedule after the other, each counting from where it begins

https://doi.org/10.1214/aoms/1177729586 (Robbins), https://arxiv.org/abs/1608.03983 (Loshchilov),
https://arxiv.org/abs/1706.02677 (Goyal), https://arxiv.org/abs/1708.07120 (Smith); M. Zinkevich,
"Online Convex Programming and Generalized Infinitesimal Gradient Ascent", ICML 2003.

A schedule that ends has its `final` rate at count = `steps`, which is after the last of so many
updates (none is lost on a rate of zero), and keeps it. Rates, factors, powers and numbers of
updates may be traced arrays. Counts are subtracted and divided as integers before they become
float32, which holds no odd number above 2^24; so the schedules are right for every int32.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.hyperparameters import (
    Scalar,
    ScalarOrSchedule,
    Schedule,
    Whole,
    require,
    require_whole,
)


def constant(rate: Scalar) -> Schedule:
    """The same rate for ever.

    Raises:
        ValueError: if `rate` is a number that is negative or not finite.
    """
    require("rate", rate, "[0, inf)")
    return lambda count: jnp.asarray(rate, jnp.float32)


def step_decay(initial: Scalar, every: Whole, factor: Scalar = 0.9) -> Schedule:
    """Multiplies the rate by `factor` once in `every` updates, without end.

    Args:
        initial: the rate of the first `every` updates.
        every: a number of updates, as epochs times steps an epoch.
        factor: positive; 0.1 leaves a tenth.

    Raises:
        ValueError: if an argument is a number outside its range.
    """
    _require_power(initial, every, factor)
    return lambda count: initial * _power(factor, jnp.float32(count // every))


def exponential(initial: Scalar, every: Whole, factor: Scalar = 0.9) -> Schedule:
    """The smooth curve through the points where `step_decay` steps down, without end.

    Arguments and errors as for `step_decay`. With a factor above 1 it grows: exponential(1e-6, 100,
    10.0) tries every rate, to see at which the loss falls.
    """
    _require_power(initial, every, factor)
    return lambda count: initial * _power(factor, jnp.float32(count) / every)


def inverse_sqrt(initial: Scalar) -> Schedule:
    """Divides the rate by the square root of the update's number 1, 2, 3, ...

    Raises:
        ValueError: if `initial` is a number that is negative or not finite.
    """
    require("initial", initial, "[0, inf)")
    return lambda count: initial / jnp.sqrt(jnp.float32(count) + 1)


def inverse_time(initial: Scalar, decay: Scalar) -> Schedule:
    """Falls as 1 / count in the end: the sum of the rates diverges, that of their squares does not.

    Args:
        initial: the rate of the first update.
        decay: 1 / decay is the number of updates after which half of the rate is left.

    Raises:
        ValueError: if an argument is a number that is negative or not finite.
    """
    require("initial", initial, "[0, inf)")
    require("decay", decay, "[0, inf)")
    return lambda count: initial / (1 + decay * jnp.float32(count))


def linear(initial: Scalar, steps: Whole, final: Scalar = 0.0) -> Schedule:
    """A straight line from `initial` to `final`, down or up.

    Args:
        initial: the rate of the first update.
        steps: the number of updates after which the rate is `final`.
        final: the rate from there on.

    Raises:
        ValueError: if an argument is a number outside its range.
    """
    _require_ends(initial, steps, final)
    return lambda count: initial * _left(count, steps) + final * _over(count, steps)


def polynomial(initial: Scalar, steps: Whole, power: Scalar, final: Scalar = 0.0) -> Schedule:
    """As `linear`, with the part that is left to a positive `power`; above 1 it falls early."""
    _require_ends(initial, steps, final)
    require("power", power, "(0, inf)")

    def schedule(count):
        left = _left(count, steps) ** power
        return initial * left + final * (1 - left)

    return schedule


def cosine(initial: Scalar, steps: Whole, final: Scalar = 0.0) -> Schedule:
    """As `linear`, along half a period of a cosine: slow at both ends.

    >>> schedule = cosine(0.1, steps=100)
    >>> [round(float(schedule(count)), 3) for count in (0, 25, 50, 100)]
    [0.1, 0.085, 0.05, 0.0]

    Args:
        initial: the first rate.
        steps: updates until the last.
        final: the last rate, which stays.
    """
    _require_ends(initial, steps, final)

    def schedule(count):
        # (1 + cos(pi p)) / 2 without its cancellation near p = 1, where only rounding would be left
        left = jnp.sin(jnp.pi / 2 * _left(count, steps)) ** 2
        over = jnp.sin(jnp.pi / 2 * _over(count, steps)) ** 2
        return initial * left + final * over

    return schedule


def warmup(steps: Whole, then: ScalarOrSchedule) -> Schedule:
    """Climbs to the first rate of `then` by equal steps; there `then` begins to count.

    The first update has one step of the climb, for at a rate of zero it would be lost; the last
    step leads to the first update of `then`, so the line runs straight through the joint.

    >>> [round(float(warmup(3, 0.4)(count)), 3) for count in range(5)]
    [0.1, 0.2, 0.3, 0.4, 0.4]

    Args:
        steps: the number of updates before those of `then`.
        then: a schedule, or a number to stay at.

    Raises:
        ValueError: if `steps` is not a whole number from 1 on, or `then` is a number that is
            negative or not finite.
    """
    require_whole("steps", steps, low=1)
    then = _as_schedule(then)

    def schedule(count):
        climbed = jnp.float32(jnp.minimum(count, steps) + 1) / (steps + 1)
        return climbed * then(jnp.maximum(count - steps, 0))

    return schedule


def one_cycle(
    peak: Scalar,
    steps: Whole,
    peak_at: Whole | None = None,
    div_factor: Scalar = 25.0,
    final_div_factor: Scalar = 1e4,
) -> Schedule:
    """Up to a rate that would be too large to stay at, then down to almost nothing.

    Two cosines and fastai's divisors, as in Optax and in PyTorch, whose peak and end come one
    update earlier; Smith & Topin draw straight lines.

    Args:
        peak: the largest rate.
        steps: the number of updates in the cycle, 2 or more.
        peak_at: the number of those before the peak; None is 3/10, rounded up.
        div_factor: positive; the first rate is peak / div_factor.
        final_div_factor: positive; the last is the first / final_div_factor, from `steps` on.

    Raises:
        ValueError: if an argument is a number outside its range.
    """
    require("peak", peak, "[0, inf)")
    require_whole("steps", steps, low=2)
    peak_at = steps - steps * 7 // 10 if peak_at is None else peak_at
    require_whole("peak_at", peak_at, low=1)
    require_whole("steps - peak_at", steps - peak_at, low=1)
    require("div_factor", div_factor, "(0, inf)")
    require("final_div_factor", final_div_factor, "(0, inf)")
    initial = peak / div_factor
    up = cosine(initial, peak_at, peak)
    down = cosine(peak, steps - peak_at, initial / final_div_factor)
    return joined([up, down], [peak_at])


def piecewise(boundaries: Sequence[Whole], rates: Sequence[Scalar]) -> Schedule:
    """rates[0] until count = boundaries[0], from there on rates[1], ...; errors as `joined`."""
    return joined(rates, boundaries)


def joined(schedules: Sequence[ScalarOrSchedule], boundaries: Sequence[Whole]) -> Schedule:
    """One schedule after the other, each counting from 0 where it begins.

    Without a jump where one ends as the next begins, as in
    joined([linear(0.01, 500, 0.1), cosine(0.1, 9_500)], [500]).

    Args:
        schedules: the pieces, schedules or numbers.
        boundaries: the counts at which the second, third, ... piece begins.

    Raises:
        ValueError: if `boundaries` are not one fewer than the pieces, not whole numbers from 1 on,
            or do not increase; or if a piece is a number that is negative or not finite.
    """
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(
            f"`boundaries` must be one fewer than the pieces between which they lie, got "
            f"{len(boundaries)} for {len(schedules)} pieces."
        )
    for boundary in boundaries:
        require_whole("boundaries", boundary, low=1)
    known = [boundary for boundary in boundaries if not isinstance(boundary, jax.core.Tracer)]
    if any(later <= earlier for earlier, later in pairwise(known)):
        raise ValueError(f"`boundaries` must increase, got {list(map(int, known))}: sort them.")
    first, *others = map(_as_schedule, schedules)

    def schedule(count):
        rate = first(count)
        for boundary, other in zip(boundaries, others, strict=True):
            # All pieces are computed, and one that has not begun must not see a count below 0.
            rate = jnp.where(count < boundary, rate, other(jnp.maximum(count - boundary, 0)))
        return rate

    return schedule


def _require_power(initial: Scalar, every: Whole, factor: Scalar) -> None:
    require("initial", initial, "[0, inf)")
    require_whole("every", every, low=1)
    require("factor", factor, "(0, inf)")


def _require_ends(initial: Scalar, steps: Whole, final: Scalar) -> None:
    require("initial", initial, "[0, inf)")
    require_whole("steps", steps, low=1)
    require("final", final, "[0, inf)")


def _as_schedule(rate: ScalarOrSchedule) -> Schedule:
    return rate if callable(rate) else constant(rate)


def _over(count: Whole, steps: Whole) -> Float[Array, ""]:
    """The part of the updates that is over, exact near 0."""
    return jnp.float32(jnp.minimum(count, steps)) / steps


def _left(count: Whole, steps: Whole) -> Float[Array, ""]:
    """The part of the updates that is left: exact near 0, where a compiled 1 - over is not.

    That may even be negative, and its root NaN.
    """
    return jnp.float32(jnp.maximum(steps - count, 0)) / steps


def _power(factor: Scalar, exponent: Float[Array, ""]) -> Float[Array, ""]:
    """factor^exponent; float32(0.999)^10000 would be wrong in the fourth digit.

    The logarithm of a number is taken in double precision instead.
    """
    log_factor = jnp.log(factor) if isinstance(factor, jax.Array) else math.log(factor)
    return jnp.exp(exponent * log_factor)
