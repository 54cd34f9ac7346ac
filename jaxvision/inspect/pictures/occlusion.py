"""What a class loses when a part of the image is hidden: no gradient, only trying it out.

Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.1,
https://arxiv.org/abs/1311.2901. A square of `window` pixels a side moves over the image, by
`stride`, and hides what is behind it. The map has at each pixel

    the mean, over the squares that hide the pixel, of log p(class | image) - log p(class | hidden)

above 0 where the class needs the pixel, below 0 where it does better without. The last squares of a
row and of a column end at the image's edge, so every pixel is hidden by one.

Where we deviate: the paper shows the probability, by the square's place. Logarithms add up, and
show what is lost where p is 0.999 before and 0.99 after.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, require_whole
from jaxvision.inspect.pictures.network import Classes, Network, chosen_classes, class_scores, run


def occlusion(
    network: Network,
    images: Float[Array, "b h w c"],
    classes: Classes = None,
    *,
    window: int,
    stride: int,
    fill: Scalar | Float[Array, " c"] | Float[np.ndarray, " c"],
    batch_size: int = 32,
) -> Float[Array, "b h w"]:
    """How much of a class's log probability each pixel accounts for.

    Args:
        network: images -> (logits, features).
        images: what it classifies.
        classes: one for each image; by default the most probable of the whole image.
        window: pixels a side of what is hidden.
        stride: pixels from one square to the next, at most `window`.
        fill: what is seen in its place, one value or one for each channel: grey, in the paper.
        batch_size: images that go through the network at once.

    Raises:
        ValueError: if `window` is not within the images, if `stride` would leave pixels out, if
            `batch_size` is below 1, or if a class is not one of the network's.
    """
    b, h, w, c = images.shape
    require_whole("window", window, low=1)
    require_whole("stride", stride, low=1)
    require_whole("batch_size", batch_size, low=1)
    if window > min(h, w):
        raise ValueError(
            f"`window` must be within the images of {h} x {w}, got {window}: hide less of them."
        )
    if stride > window:
        raise ValueError(
            f"`stride` must be at most `window` = {window}, got {stride}: there would be pixels "
            "between the squares that nothing hides."
        )
    rows, columns = (_squares(side, window, stride) for side in (h, w))
    places = np.stack(np.indices((len(rows), len(columns)))).reshape(2, -1)
    at_once = max(1, min(batch_size // b, places.shape[1]))
    rounds = math.ceil(places.shape[1] / at_once)
    # The last round is filled up by places that are not counted.
    row, column = (np.resize(place, (rounds, at_once)) for place in places)
    color = jnp.broadcast_to(jnp.asarray(fill, images.dtype), (c,)).reshape(1, 1, 1, 1, c)

    @jax.jit
    def compute(images):
        def log_probabilities(images):
            return jax.nn.log_softmax(run(network, images)[0])

        whole = log_probabilities(images)
        chosen = chosen_classes(whole, classes)

        def drops(place):
            row, column = place
            inside = jnp.asarray(rows)[row][:, :, None] & jnp.asarray(columns)[column][:, None, :]
            hidden = jnp.where(inside[:, None, :, :, None], color, images[None])
            after = log_probabilities(hidden.reshape(-1, h, w, c))
            after = class_scores(after, jnp.tile(chosen, len(row))).reshape(-1, b)
            return class_scores(whole, chosen)[None] - after

        found = jax.lax.map(drops, (row, column)).reshape(-1, b)[: places.shape[1]]
        found = found.reshape(len(rows), len(columns), b)
        total = jnp.einsum(
            "ijb,ih,jw->bhw", found, *(m.astype(found.dtype) for m in (rows, columns))
        )
        return total / np.outer(rows.sum(axis=0), columns.sum(axis=0))[None]

    return compute(images)


def _squares(side: int, window: int, stride: int) -> np.ndarray:
    """Whether each pixel along a side is in each square; the last ends where the side does."""
    starts = np.array(sorted({*range(0, side - window, stride), side - window}))[:, None]
    pixels = np.arange(side)[None]
    return (starts <= pixels) & (pixels < starts + window)
