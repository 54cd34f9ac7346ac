"""The loss as a landscape: along a line, or on a plane, through the space of the parameters.

Goodfellow, Vinyals & Saxe, "Qualitatively Characterizing Neural Network Optimization Problems",
ICLR 2015, section 2, https://arxiv.org/abs/1412.6544: from one point to another, L((1 - a) start +
a end). Li, Xu, Taylor, Studer & Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS
2018, https://arxiv.org/abs/1712.09913, sections 2 to 4 and 7:

    plane     L(params + a first + b second)
    filters   d_i <- d_i |w_i| / |d_i|     every filter of a random direction is as long as that of
                                           the network; where there are no filters, d = 0
    path      first, second = the two principal directions of params_t - params_end

Without the second line, pictures of two networks say nothing of each other: a ReLU network is the
same function when one layer is multiplied by a and the next divided by a, and looks the flatter in
fixed directions the larger its numbers are. With it, both have one picture.

A filter is all that leads to one output: a kernel's slice at one index of its last axis, for a
convolution [h, w, in, out] as for a dense layer [in, out]. Parameters of fewer than two axes are
the biases and those of normalisations. Where we deviate: the plane of a path goes through its end
and the two directions that leave least of all its points, squared, outside; the authors' code
subtracts the mean first, and then the end need not be on it.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from jaxvision.ops.platform import compiler_options

Loss: TypeAlias = Callable[[PyTree], Float[Array, ""]]  # parameters -> loss


def loss_along_line(
    loss: Loss, start: PyTree, end: PyTree, at: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """The losses of (1 - a) start + a end, in one compiled program.

    Args:
        loss: of parameters; it has its examples inside, and normalisations in evaluation mode.
        start: parameters, as those at initialisation.
        end: parameters of the same structure, as those after training.
        at: the a's; 0 is the start and 1 the end, and there is a line beyond them.

    Raises:
        ValueError: if `start` and `end` do not have the same structure and shapes.
    """
    _check_alike("start", start, end=end)

    def at_one(a):
        return loss(jax.tree.map(lambda s, e: ((1 - a) * s + a * e).astype(s.dtype), start, end))

    return _map(at_one, at)


def loss_on_plane(
    loss: Loss,
    params: PyTree,
    first: PyTree,
    second: PyTree,
    at_first: Float[np.ndarray, " n"],
    at_second: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "n m"]:
    """The losses of params + a first + b second, for all pairs of a and b, in one program.

    Args:
        loss: of parameters, as for `loss_along_line`.
        params: the origin.
        first: a direction: of `random_direction`, or `path_directions`.
        second: another.
        at_first: the a's.
        at_second: the b's.

    Raises:
        ValueError: if a direction does not have the structure and the shapes of `params`.
    """
    _check_alike("params", params, first=first, second=second)

    def at_one(place):
        a, b = place
        moved = jax.tree.map(
            lambda p, d, e: (p + a * d + b * e).astype(p.dtype), params, first, second
        )
        return loss(moved)

    grid = np.stack(np.meshgrid(at_first, at_second, indexing="ij"), axis=-1)
    return _map(at_one, grid.reshape(-1, 2)).reshape(grid.shape[:2])


def random_direction(key: PRNGKeyArray, params: PyTree) -> PyTree:
    """Normal numbers, each filter as long as that of `params`; biases and normalisations 0.

    Two of them are all but orthogonal where there are many parameters.

    Args:
        key: of the random numbers. One key is one direction for all networks of these shapes, but
            for the lengths.
        params: what the direction is for, with the last axis of each leaf that of its outputs.

    Raises:
        ValueError: if no leaf has two axes: nothing would move.
    """
    leaves, structure = jax.tree.flatten(params)
    if not any(jnp.ndim(leaf) >= 2 for leaf in leaves):
        raise ValueError(
            "`params` must have a kernel, of two axes or more, got leaves of shape "
            f"{[jnp.shape(leaf) for leaf in leaves]}: a random direction leaves biases where they "
            "are."
        )

    return jax.tree.unflatten(structure, _draw(key, leaves))


@jax.jit
def _draw(key: PRNGKeyArray, leaves: list[Array]) -> list[Array]:
    direction = []
    for i, leaf in enumerate(leaves):
        if leaf.ndim < 2:
            direction.append(jnp.zeros_like(leaf))
            continue
        drawn = jax.random.normal(jax.random.fold_in(key, i), leaf.shape, leaf.dtype)
        inputs = tuple(range(leaf.ndim - 1))
        ours, theirs = (jnp.sqrt(jnp.sum(a**2, axis=inputs, keepdims=True)) for a in (drawn, leaf))
        direction.append(drawn * (theirs / ours))
    return direction


def path_directions(path: PyTree) -> tuple[PyTree, PyTree, Float[np.ndarray, " 2"]]:
    """The plane through the end of a path that is closest to all of it, as two unit directions.

    Args:
        path: parameters over time, [t, ...] each leaf, at least three; the last is the end.

    Returns:
        two orthogonal directions, the longer extent of the path first, and the share of the
        squared distances from the end that lies in each.

    Raises:
        ValueError: if there are fewer than three points, one is not finite, or they do not span a
            plane.
    """
    rows = _points_of(path)
    steps = rows - rows[-1:]
    if len(steps) < 3:
        raise ValueError(
            f"`path` must have at least three points, got {len(steps)}: two are on a line, which "
            "`loss_along_line` is for."
        )
    # The points are few and the parameters many: by the points' inner products.
    values, vectors = np.linalg.eigh(steps @ steps.T)
    values, vectors = np.maximum(values[::-1][:2], 0), vectors[:, ::-1][:, :2]
    if not values[1] > 1e-12 * values[0]:
        raise ValueError(
            "`path` must not lie on a line, got one that does: `loss_along_line` is for it."
        )
    directions = (vectors / np.sqrt(values)).T @ steps  # [2, d]
    directions *= np.where(directions @ steps[0] < 0, -1, 1)[:, None]  # the start is up and right
    leaves, structure = jax.tree.flatten(path)
    ends = np.cumsum([leaf[0].size for leaf in leaves])[:-1]
    first, second = (
        jax.tree.unflatten(
            structure,
            [
                jnp.asarray(piece.reshape(leaf.shape[1:]), leaf.dtype)
                for piece, leaf in zip(np.split(direction, ends), leaves, strict=True)
            ],
        )
        for direction in directions
    )
    return first, second, values / np.sum(steps**2)


def project_path(
    path: PyTree, params: PyTree, first: PyTree, second: PyTree
) -> Float[np.ndarray, "t 2"]:
    """The coordinates (a, b) of the points of params + a first + b second nearest to a path's.

    Args:
        path: parameters over time, [t, ...] each leaf.
        params: the origin.
        first: a direction; the two need be neither orthogonal nor of one length.
        second: another.

    Raises:
        ValueError: if the directions do not span a plane, or the path is not finite.
    """
    _check_alike("params", params, first=first, second=second)
    origin, *directions = (
        _as_rows(jax.tree.map(lambda leaf: leaf[None], tree))[0] for tree in (params, first, second)
    )
    basis = np.stack(directions, axis=1)
    coordinates, _, rank, _ = np.linalg.lstsq(
        basis, (_points_of(path) - origin[None]).T, rcond=None
    )
    if rank < 2:
        raise ValueError(
            f"`first` and `second` must span a plane, got directions of rank {rank}: take two that "
            "are not multiples of each other."
        )
    return coordinates.T


def _map(function: Callable, at: np.ndarray) -> Float[np.ndarray, " m"]:
    mapped = jax.jit(lambda at: lax.map(function, at), compiler_options=compiler_options())
    dtype = jax.dtypes.canonicalize_dtype(np.float64)
    return np.asarray(mapped(jnp.asarray(at, dtype)), np.float64)


def _as_rows(path: PyTree) -> Float[np.ndarray, "t d"]:
    leaves = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(path))
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)


def _points_of(path: PyTree) -> Float[np.ndarray, "t d"]:
    rows = _as_rows(path)
    if not (finite := np.isfinite(rows).all(axis=1)).all():
        raise ValueError(
            f"`path` must be finite, got point {int(np.argmin(finite))} that is not: cut it there."
        )
    return rows


def _check_alike(name: str, one: PyTree, **others: PyTree) -> None:
    shapes = jax.tree.map(jnp.shape, one)
    for other, tree in others.items():
        if jax.tree.structure(tree) != jax.tree.structure(one):
            what = f"{jax.tree.structure(tree)} and {jax.tree.structure(one)}"
        elif jax.tree.map(jnp.shape, tree) != shapes:
            what = f"{jax.tree.map(jnp.shape, tree)} and {shapes}"
        else:
            continue
        raise ValueError(
            f"`{other}` must have the structure and shapes of `{name}`, got {what}: take both from "
            "one network."
        )
