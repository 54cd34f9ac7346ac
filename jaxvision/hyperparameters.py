"""What a hyperparameter may be: a number, a traced array for `vmap` to sweep over, or a schedule.

Numbers are held to their range when the optimizer or the augmentation is made. A traced value has
none to look at yet, and a schedule has one for every update: they pass.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer

Scalar: TypeAlias = int | float | np.floating | Float[Array, ""] | Float[np.ndarray, ""]
Whole: TypeAlias = int | np.integer | Integer[Array, ""] | Integer[np.ndarray, ""]
Schedule: TypeAlias = Callable[[Int[Array, ""]], Scalar]  # updates made so far -> value
ScalarOrSchedule: TypeAlias = Scalar | Schedule


def require(name: str, value: ScalarOrSchedule, interval: str, remedy: str | None = None) -> None:
    """Holds a number to an interval.

    Args:
        interval: as it is written: "[0, 1)", "(0, inf)".
        remedy: what to do about a wrong value, where the interval does not say it.

    Raises:
        ValueError: if `value` is a number outside, or NaN.
    """
    if callable(value) or isinstance(value, jax.core.Tracer):
        return
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below):
        raise ValueError(_message(name, f"in {interval}", value, remedy))


def require_whole(name: str, value: Whole, *, low: int, remedy: str | None = None) -> None:
    """Holds a count to the integers from `low` on; a traced one to the integers.

    Raises:
        ValueError: if `value` is none of them.
    """
    whole = jnp.issubdtype(jnp.result_type(value), jnp.integer)
    if not whole or (not isinstance(value, jax.core.Tracer) and value < low):
        raise ValueError(_message(name, f"a whole number from {low} on", value, remedy))


def is_zero(value: Scalar) -> bool:
    """Whether it is known to be 0; a traced value might be anything."""
    return not isinstance(value, jax.core.Tracer) and value == 0


def _message(name, rule, value, remedy):
    return f"`{name}` must be {rule}, got {value}" + (f"; {remedy}." if remedy else ".")
