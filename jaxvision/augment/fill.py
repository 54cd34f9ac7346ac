"""What fills the pixels that an augmentation leaves empty."""

from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar

Color: TypeAlias = Scalar | tuple[float, ...] | Float[Array, " c"] | Float[np.ndarray, " c"]


def require_color(fill: Color | str, words: tuple[str, ...]) -> None:
    """Holds what fills pixels to a number, a number a channel, or one of `words`.

    Raises:
        ValueError: if `fill` is another word.
    """
    if isinstance(fill, str) and fill not in words:
        known = ", ".join(f'"{word}"' for word in words)
        raise ValueError(f"`fill` must be {known}, a pixel value or one a channel, got {fill!r}.")


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
