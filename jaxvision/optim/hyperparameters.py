"""What a hyperparameter may be: a number, a traced array for `vmap` to sweep over, or a schedule.

Numbers are held to their range when the optimizer is made. A traced value has none to look at yet,
and a schedule has one for every update: they pass.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Scalar: TypeAlias = int | float | np.floating | Float[Array, ""] | Float[np.ndarray, ""]
Whole: TypeAlias = int | np.integer | Int[Array, ""] | Int[np.ndarray, ""]
Schedule: TypeAlias = Callable[[Int[Array, ""]], Scalar]  # updates made so far -> value
ScalarOrSchedule: TypeAlias = Scalar | Schedule


def require(name: str, value: ScalarOrSchedule, interval: str) -> None:
    """Holds a number to an interval.

    Args:
        interval: as it is written: "[0, 1)", "(0, inf)".

    Raises:
        ValueError: if `value` is a number outside, or NaN.
    """
    if callable(value) or isinstance(value, jax.core.Tracer):
        return
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below):
        raise ValueError(f"`{name}` must be in {interval}, got {value}.")


def require_whole(name: str, value: Whole, *, low: int) -> None:
    """Holds a count to the integers from `low` on; a traced one to the integers.

    Raises:
        ValueError: if `value` is none of them.
    """
    whole = jnp.issubdtype(jnp.result_type(value), jnp.integer)
    if not whole or (not isinstance(value, jax.core.Tracer) and value < low):
        raise ValueError(f"`{name}` must be a whole number from {low} on, got {value}.")
