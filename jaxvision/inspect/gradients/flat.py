"""A function of a tree of arrays as one of a single vector of float64, and at many points at once.

Whatever looks at a function element by element -- differences, one forward mode per element -- then
needs to know nothing of leaves. The points go through `lax.map` in chunks of a `vmap`, so that a
network's many elements take little memory and one compiled program.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float64, Inexact, PyTree

MOST_AT_ONCE = 8  # 64 take twice as long, of a network on a CPU
MOST_NUMBERS = 2**22  # that the points of a chunk hold together: 32 MiB


class Leaf(NamedTuple):
    """Where an array of the tree is in the vector."""

    path: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


class Flat(NamedTuple):
    """What `flatten` makes of a function and its parameters.

    Attributes:
        fn: vector -> value, to be called where float64 is on.
        vector: the parameters, in float64.
        leaves: in the order of the vector.
        unravel: from a vector, of NumPy's or JAX's, to the tree.
    """

    fn: Callable[[Inexact[Array, " n"]], Inexact[Array, ""]]
    vector: Float64[np.ndarray, " n"]
    leaves: tuple[Leaf, ...]
    unravel: Callable[[Any], PyTree]

    def locate(self, place: int) -> tuple[str, tuple[int, ...]]:
        """The path of the leaf and the index in it of an element of the vector."""
        leaf = next(leaf for leaf in reversed(self.leaves) if leaf.start <= place and leaf.size)
        return leaf.path, tuple(map(int, np.unravel_index(place - leaf.start, leaf.shape)))


def flatten(fn: Callable[[PyTree], Any], params: PyTree) -> Flat:
    """Widens `params` to float64 and makes of `fn` a function of all of it as one vector.

    Raises:
        ValueError: if a leaf is not of floating point, or there is none; and as the function that
            is returned is traced, if `fn` does not return a scalar, in float64 if it is given that.
    """
    paths, tree = jax.tree_util.tree_flatten_with_path(params)
    leaves, columns, start = [], [], 0
    for path, leaf in paths:
        name = jax.tree_util.keystr(path, simple=True, separator="/") or "params"
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"`params` must be of floating point, got {name} of {dtype}: have `fn` close over "
                "what has no derivative."
            )
        values = np.asarray(leaf).astype(np.float64)
        leaves.append(Leaf(name, values.shape, start))
        columns.append(values.ravel())
        start += values.size
    if not start:
        raise ValueError("`params` must hold at least one number, got none.")

    def unravel(vector: Any) -> PyTree:
        parts = (vector[leaf.start : leaf.start + leaf.size].reshape(leaf.shape) for leaf in leaves)
        return jax.tree.unflatten(tree, list(parts))

    def of_vector(vector: Inexact[Array, " n"]) -> Inexact[Array, ""]:
        output = fn(unravel(vector))
        _require_scalar(output, vector.dtype)
        return jnp.asarray(output)

    return Flat(of_vector, np.concatenate(columns), tuple(leaves), unravel)


def require_finite(value: Float64[np.ndarray, ""]) -> None:
    """Raises ValueError if the value at the parameters is NaN or an infinity."""
    if not np.isfinite(value):
        raise ValueError(f"`fn` must be finite at `params`, got {value}: look for a NaN in them.")


def map_in_chunks(fn: Callable[..., Array], size: int, *columns: Array | np.ndarray) -> Array:
    """`fn` of each row of the columns, to be traced; a row stands for `size` numbers."""
    rows = len(columns[0])
    chunk = max(1, min(rows, MOST_AT_ONCE, MOST_NUMBERS // max(size, 1)))
    chunks = -(-rows // chunk)
    # What is missing to whole chunks is the last row again: a remainder would compile once more.
    which = jnp.minimum(jnp.arange(chunks * chunk), rows - 1).reshape(chunks, chunk)
    columns = tuple(jnp.asarray(column)[which] for column in columns)
    mapped = lax.map(lambda part: jax.vmap(fn)(*part), columns)
    return mapped.reshape(chunks * chunk, *mapped.shape[2:])[:rows]


def _require_scalar(output: Any, given: np.dtype) -> None:
    shape, dtype = getattr(output, "shape", None), getattr(output, "dtype", None)
    if shape != ():
        got = f"shape {list(shape)}" if shape is not None else type(output).__name__
        raise ValueError(
            f"`fn` must return one number, got {got}: take the sum or the mean, or index it."
        )
    if given == np.float64 and dtype != np.float64:
        raise ValueError(
            f"`fn` must return float64 where `params` are float64, got {dtype}: differences of "
            "fewer digits are noise. Take out what casts."
        )
