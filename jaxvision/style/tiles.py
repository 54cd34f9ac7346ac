"""Sums over the positions of an image, window by window, exactly: memory is that of one window.

A loss of sums over positions, as the Gram matrix and the content loss are, needs no more than one
window of the image at a time, if each position is counted in a window that holds all the pixels
that its features depend on. So windows overlap by what a feature sees (its receptive field, read
off the network's program), and each answers for its core:

    |<------ window ------>|                        zeros outside the image are the network's own
    |       core      |halo|                        padding, so that the outermost windows have no
                 |halo|   core   |halo|             halo there
                           |halo|      core      |

All windows are of one size, and begin at a multiple of what the network's pools divide by, so one
program serves all. Going forward, sums are added up; going backward, each window is computed again,
with the derivative of the loss by the sums, and its pixels' gradients are added up: that is
`jax.checkpoint`. The cost is one more pass forward, and the halos.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, PyTree

from jaxvision.inspect import Feature

Maps = PyTree
"""Values [n, h, w, c] at the positions of features, in dicts whose innermost keys are theirs."""


class Windows(NamedTuple):
    """Of one axis, in pixels: windows of `size` from each of `starts`, each with a core."""

    size: int
    starts: tuple[int, ...]
    cores: tuple[tuple[int, int], ...]  # the first pixel, and the one after the last


class Grid(NamedTuple):
    """Windows across an image, and pixels from one position of each feature to the next."""

    rows: Windows
    columns: Windows
    strides: dict[str, int]

    def __len__(self) -> int:
        return len(self.rows.starts) * len(self.columns.starts)


class Window(NamedTuple):
    """One window, of an image that may be traced: by its place, and what it answers for."""

    row: Array
    column: Array
    cores: dict[str, Bool[Array, "h w"]]  # by feature


def plan_windows(height: int, width: int, features: Sequence[Feature], window: int) -> Grid:
    """Windows of at most about `window` x `window` pixels, as few as cover an axis, and as small.

    An axis that is no longer than `window` is one window.

    Args:
        height: of the image, in pixels.
        width: of the image.
        features: of a network, by `summarize`; those whose sums are asked for.
        window: in pixels.

    Raises:
        ValueError: if a feature sees the whole image, or `window` has no room beside the halos.
    """
    for feature in features:
        if None in (*feature.receptive_field, *feature.stride):
            raise ValueError(
                f"`features` must see a part of the image each, got {feature.name}, which sees all "
                "of it: choose a layer of convolutions."
            )
    rows, columns = (
        _plan_axis(length, window, [_reach(feature, axis) for feature in features])
        for axis, length in enumerate((height, width))
    )
    return Grid(rows, columns, {feature.name: int(feature.stride[0]) for feature in features})


def _reach(feature: Feature, axis: int) -> tuple[int, int, int]:
    """The stride, and the pixels that a position sees before the first and after the last of it."""
    stride, offset = int(feature.stride[axis]), feature.offset[axis]
    return stride, max(0, -offset), max(0, offset + feature.receptive_field[axis] - stride)


def _plan_axis(length: int, size: int, reaches: list[tuple[int, int, int]]) -> Windows:
    step = math.lcm(*(stride for stride, _, _ in reaches))
    before, after = (-(-max(reach[i] for reach in reaches) // step) * step for i in (1, 2))
    # The last window ends where the image does, and begins at a multiple of the step.
    asked, size = size, size // step * step + length % step
    if length <= asked:
        return Windows(length, (0,), ((0, length),))
    if size - before - after < step:
        raise ValueError(
            f"`window` must leave room for {before} + {after} pixels that features see beside a "
            f"window's core, got {asked}: choose {before + after + 128} or more."
        )
    windows = _cover(length, size, before, after, step)
    # As small as so many windows can be: what they have twice costs twice.
    while size - step - before - after >= step:
        smaller = _cover(length, size - step, before, after, step)
        if len(smaller.starts) > len(windows.starts):
            break
        size, windows = size - step, smaller
    return windows


def _cover(length: int, size: int, before: int, after: int, step: int) -> Windows:
    starts, cores, done = [], [], 0
    while done < length:
        start = max(0, min(done - before, length - size))
        end = length if start + size == length else (start + size - after) // step * step
        starts.append(start)
        cores.append((done, end))
        done = end
    return Windows(size, tuple(starts), tuple(cores))


def sum_over_windows(
    fn: Callable[[Float[Array, "b h w 3"], Maps, dict[str, Array] | None], PyTree],
    images: Float[Array, "b h w 3"],
    maps: Maps,
    grid: Grid,
) -> PyTree:
    """The sum over windows of fn(images, maps, cores), all three cut to a window.

    Args:
        fn: gives sums over those positions of each feature that `cores`, [h, w], is true at; None
            stands for all, where one window is the whole image.
        images: pixels.
        maps: values at the positions of features.
        grid: of `plan_windows` for this size.
    """
    if len(grid) == 1:
        return fn(images, maps, None)

    # Without the checkpoint, the backward pass would keep what each window's has computed.
    @jax.checkpoint
    def one(images, maps, window):
        return fn(_cut(images, window, grid), cut_maps(maps, window, grid), window.cores)

    windows = _windows(grid)
    shapes = jax.eval_shape(one, images, maps, jax.tree.map(lambda x: x[0], windows))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def add(total, window):
        return jax.tree.map(jnp.add, total, one(images, maps, window)), None

    total, _ = lax.scan(add, zeros, windows)
    return total


def map_over_windows(
    fn: Callable[[Float[Array, "b h w 3"]], Maps], images: Float[Array, "b h w 3"], grid: Grid
) -> Maps:
    """fn(images), features by name, of the whole image, computed window by window.

    Args:
        fn: gives features that `grid` knows the strides of.
        images: pixels.
        grid: of `plan_windows` for this size.
    """
    if len(grid) == 1:
        return fn(images)
    b, h, w, _ = images.shape
    cut = jax.ShapeDtypeStruct((b, grid.rows.size, grid.columns.size, 3), images.dtype)
    whole = {
        name: jnp.zeros((b, h // grid.strides[name], w // grid.strides[name], x.shape[3]), x.dtype)
        for name, x in jax.eval_shape(fn, cut).items()
    }

    def put(whole, window):
        found = fn(_cut(images, window, grid))
        before = cut_maps(whole, window, grid)
        for name, core in window.cores.items():
            if name in whole:
                values = jnp.where(core[None, :, :, None], found[name], before[name])
                place = (0, *_place(window, grid.strides[name]), 0)
                whole[name] = lax.dynamic_update_slice(whole[name], values, place)
        return whole, None

    whole, _ = lax.scan(put, whole, _windows(grid))
    return whole


def cut_maps(maps: Maps, window: Window, grid: Grid) -> Maps:
    """The positions of each feature that lie in the window."""

    def cut(path, x):
        return _cut(x, window, grid, grid.strides[path[-1].key])

    return jax.tree.map_with_path(cut, maps)


def _cut(x, window, grid, stride=1):
    n, _, _, c = x.shape
    size = n, grid.rows.size // stride, grid.columns.size // stride, c
    return lax.dynamic_slice(x, (0, *_place(window, stride), 0), size)


def _place(window, stride):
    return window.row // stride, window.column // stride


def _windows(grid: Grid) -> Window:
    """All windows of the grid, stacked for a scan."""
    places = [(i, j) for i in range(len(grid.rows.starts)) for j in range(len(grid.columns.starts))]
    rows, columns = (np.array(axis) for axis in zip(*places, strict=True))

    def cores(stride):
        down, across = (_inside(windows, stride) for windows in (grid.rows, grid.columns))
        return jnp.asarray(down[rows][:, :, None] & across[columns][:, None, :])

    return Window(
        row=jnp.asarray(np.array(grid.rows.starts)[rows], jnp.int32),
        column=jnp.asarray(np.array(grid.columns.starts)[columns], jnp.int32),
        cores={name: cores(stride) for name, stride in grid.strides.items()},
    )


def _inside(windows: Windows, stride: int) -> np.ndarray:
    """For each window, which of its positions begin in its core."""
    pixels = np.arange(windows.size // stride) * stride
    at = np.array(windows.starts)[:, None] + pixels
    first, end = np.array(windows.cores).T[:, :, None]
    return (first <= at) & (at < end)
