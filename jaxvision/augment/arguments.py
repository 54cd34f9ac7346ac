"""What a hyperparameter of an augmentation may be: a number, or a traced array to sweep over.

Numbers are held to their range when the augmentation is made. A traced value has none to look at
yet: it passes.
"""

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Key

Scalar: TypeAlias = int | float | np.floating | Float[Array, ""] | Float[np.ndarray, ""]
Whole: TypeAlias = int | np.integer | Integer[Array, ""] | Integer[np.ndarray, ""]
Color: TypeAlias = Scalar | tuple[float, ...] | Float[Array, " c"] | Float[np.ndarray, " c"]


def require(name: str, value: Scalar, interval: str, remedy: str) -> None:
    """Holds a number to an interval, written "[0, 1]" or "[0, inf)".

    Raises:
        ValueError: if `value` is a number outside, or NaN.
    """
    if isinstance(value, jax.core.Tracer):
        return
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below):
        raise ValueError(f"`{name}` must be in {interval}, got {value}; {remedy}.")


def require_whole(name: str, value: Whole, low: int, remedy: str) -> None:
    """Holds a count to the whole numbers from `low` on; a traced one to whole numbers.

    Raises:
        ValueError: if `value` is none of them.
    """
    whole = jnp.issubdtype(jnp.result_type(value), jnp.integer)
    if not whole or (not isinstance(value, jax.core.Tracer) and value < low):
        raise ValueError(f"`{name}` must be a whole number from {low} on, got {value}; {remedy}.")


def require_color(fill: Color | str, words: tuple[str, ...]) -> None:
    """Holds what fills pixels to a number, a number a channel, or one of `words`.

    Raises:
        ValueError: if `fill` is another word.
    """
    if isinstance(fill, str) and fill not in words:
        known = ", ".join(f'"{word}"' for word in words)
        raise ValueError(f"`fill` must be {known}, a pixel value or one a channel, got {fill!r}.")


def coin(key: Key[Array, ""], probability: Scalar) -> Bool[Array, ""]:
    """True with this probability, which may be a whole 0 or 1."""
    return jax.random.bernoulli(key, jnp.asarray(probability, jnp.float32))


def color_of(fill: Color, channels: int) -> Float[Array, " c"]:
    """A colour for an image of so many channels.

    Raises:
        ValueError: if `fill` has another number of channels.
    """
    color = jnp.asarray(fill, jnp.float32)
    if color.shape not in ((), (channels,)):
        raise ValueError(
            f"`fill` must be one pixel value or one for each of the {channels} channels of the "
            f"image, got {color.size}; give a number to fill all channels alike."
        )
    return jnp.broadcast_to(color, (channels,))
