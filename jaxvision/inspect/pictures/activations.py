"""What makes a channel answer most: the images of a data set, and the part of each that it sees.

Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4 and
Figure 2, https://arxiv.org/abs/1311.2901: for each channel the images with its strongest
activations, each image by its strongest unit. A data set goes by batch after batch; only the best
so far are kept, whatever its size.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from jaxvision.hyperparameters import require_whole
from jaxvision.inspect.features import Feature, Pixels
from jaxvision.inspect.picture import Picture
from jaxvision.inspect.pictures.network import Network, feature_of, run
from jaxvision.inspect.pictures.tiles import sheet


class Strongest(NamedTuple):
    """Of each of m channels the n strongest images, the strongest first."""

    channels: Int[np.ndarray, " m"]
    values: Float[np.ndarray, "m n"]  # the activation
    images: Int[np.ndarray, "m n"]  # places in the data set
    rows: Int[np.ndarray, "m n"]  # of the unit in the feature; 0 if it has no rows
    columns: Int[np.ndarray, "m n"]


def most_activating(
    network: Network,
    batches: Iterable[Mapping[str, Any]],
    feature: str,
    channels: Sequence[int],
    count: int,
) -> Strongest:
    """Finds the images of a data set that a feature's channels answer to most.

    Of equal activations the earlier image is the stronger, and in it the first unit, by rows.

    Args:
        network: images -> (logits, features).
        batches: each {"image": [b h w c]} of what the network takes, and "mask" [b] where a batch
            is padded: only images for which it is True are counted.
        feature: its name.
        channels: which of its channels.
        count: images for each.

    Raises:
        ValueError: if there is no such feature or channel, or fewer images than `count`.
    """
    require_whole("count", count, low=1)
    if not len(channels) or min(channels) < 0:
        raise ValueError(f"`channels` must be at least one, from 0 on, got {list(channels)}.")
    wanted = np.array(channels, np.int64)

    @jax.jit
    def of_batch(images: Array, mask: Bool[Array, " b"]):
        value = feature_of(run(network, images)[1], feature, int(wanted.max()))
        units = value[..., wanted].reshape(len(images), -1, len(wanted))
        best = jnp.where(mask[:, None], units.max(axis=1), -jnp.inf)
        best, which = jax.lax.top_k(best.T, min(count, len(images)))  # of equals the first
        unit = jnp.take_along_axis(units.argmax(axis=1).T, which, axis=1)
        return best, which, unit, jnp.zeros(value.shape[1:-1])

    kept = (np.empty((len(wanted), 0)), *(np.empty((len(wanted), 0), np.int64) for _ in range(2)))
    seen, grid = 0, ()
    for batch in batches:
        images = jnp.asarray(batch["image"])
        mask = np.asarray(batch.get("mask", np.ones(len(images), bool)))
        best, which, unit, places = of_batch(images, jnp.asarray(mask))
        number = seen + np.cumsum(mask) - 1
        found = (np.asarray(best), number[np.asarray(which)], np.asarray(unit))
        kept = tuple(np.concatenate(pair, axis=1) for pair in zip(kept, found, strict=True))
        order = np.argsort(-kept[0], axis=1, kind="stable")[:, :count]
        kept = tuple(np.take_along_axis(part, order, axis=1) for part in kept)
        seen, grid = seen + int(mask.sum()), places.shape
    if seen < count:
        raise ValueError(
            f"`count` must be at most the number of images, got {count} of {seen}: ask for fewer, "
            "and mind that an iterator can be gone through once."
        )
    values, images, units = kept
    rows, columns = np.unravel_index(units, grid if len(grid) == 2 else (1, max(1, *grid, 1)))
    return Strongest(wanted, values, images, rows, columns)


def activating_patches(
    images: Sequence[UInt8[np.ndarray, "_h _w _c"]] | UInt8[np.ndarray, "_n _h _w _c"],
    strongest: Strongest,
    field: Feature,
) -> list[list[UInt8[np.ndarray, "_h _w _c"]]]:
    """Cuts out of each image what the unit sees: its receptive field, as far as it is in the image.

    Args:
        images: those that `most_activating` went through, in that order and at that size. Only
            those that are needed are looked up, so any object with items will do.
        strongest: what it found.
        field: of the same feature, one of `summarize(...).features`.

    Returns:
        for each channel the patches, the strongest first.
    """
    return [
        [_patch(images[int(i)], field, int(y), int(x)) for i, y, x in zip(*places, strict=True)]
        for places in zip(strongest.images, strongest.rows, strongest.columns, strict=True)
    ]


def plot_patches(
    patches: Sequence[Sequence[UInt8[np.ndarray, "_h _w _c"]]], strongest: Strongest
) -> Picture:
    """Draws patches, a row a channel, with the activation above each.

    Args:
        patches: of `activating_patches`, or whole images in their place.
        strongest: what they were found by.

    Raises:
        ValueError: if they are not as many as `strongest` has.
    """
    m, n = strongest.values.shape
    if [len(row) for row in patches] != [n] * m:
        raise ValueError(
            f"`patches` must be {n} for each of {m} channels, got "
            f"{[len(row) for row in patches]}: pass those that were cut out by `strongest`."
        )
    tiles = [
        patch.squeeze(-1) if patch.shape[-1] == 1 else patch for row in patches for patch in row
    ]
    return sheet(
        tiles,
        [f"{value:.3g}" for value in strongest.values.ravel()],
        "What each channel answers to most",
        columns=n,
        side=1.1,
        rows=[f"channel {channel}" for channel in strongest.channels],
    )


def _patch(image: np.ndarray, field: Feature, row: int, column: int) -> np.ndarray:
    size, stride, offset = field.receptive_field, field.stride, field.offset
    rows, columns = (
        _seen(image.shape[axis], size[axis], stride[axis], offset[axis], unit)
        for axis, unit in enumerate((row, column))
    )
    return image[rows, columns]


def _seen(side: int, size: int | None, stride: Pixels, offset: int | None, unit: int) -> slice:
    """The pixels along a side that a unit sees, at least one."""
    if size is None or stride is None or offset is None:
        return slice(0, side)
    first = int(offset + unit * stride)
    start = min(max(first, 0), side - 1)
    return slice(start, max(start + 1, min(first + size, side)))
