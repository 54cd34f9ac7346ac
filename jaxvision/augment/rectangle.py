"""Upright rectangles of whole pixels, which erasing and mixing cut out of images."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jaxvision.augment.example import RandomKey


def pixels_inside(
    top: Int[Array, ""],
    left: Int[Array, ""],
    rows: Int[Array, ""],
    columns: Int[Array, ""],
    height: int,
    width: int,
) -> Bool[Array, "h w 1"]:
    """Which pixels of an image are in a rectangle; what of it lies outside is cut off."""
    row, column = jnp.arange(height)[:, None, None], jnp.arange(width)[None, :, None]
    return (top <= row) & (row < top + rows) & (left <= column) & (column < left + columns)


def around_a_random_pixel(
    key: RandomKey, rows: Int[Array, ""], columns: Int[Array, ""], height: int, width: int
) -> Bool[Array, "h w 1"]:
    """A rectangle with its middle at any pixel alike: at the border a part of it is cut off."""
    row_key, column_key = jax.random.split(key)
    row = jax.random.randint(row_key, (), 0, height)
    column = jax.random.randint(column_key, (), 0, width)
    return pixels_inside(row - rows // 2, column - columns // 2, rows, columns, height, width)
