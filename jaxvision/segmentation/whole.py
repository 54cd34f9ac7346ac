"""The class of every pixel of an image of any size, whatever size the network learned from.

An image is scaled as in training, goes through the network in tiles or windows, so that memory is
that of one piece, and the classes are scaled back: each pixel takes the nearest one's.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Int32, UInt8

from jaxvision.ops.normalization import Normalization
from jaxvision.ops.platform import compiler_options
from jaxvision.ops.tiled_inference import apply_in_windows, overlap_tile
from jaxvision.segmentation.canvas import scale_image, scale_mask, scaled_size
from jaxvision.segmentation.networks import Segmenter
from jaxvision.train.state import Variables

Segment: TypeAlias = Callable[[UInt8[np.ndarray, "h w c"]], Int32[np.ndarray, "h w"]]

TILE = 388  # pixels a side that a network of valid convolutions answers for at once, at most
INSIDE = 256  # pixels a side, at least, that of a window of a padded one are used


def segmenting(
    segmenter: Segmenter, variables: Variables, normalization: Normalization, longer: int | None
) -> Segment:
    """The function from an image, of any size, to the class of each of its pixels.

    Args:
        segmenter: the network.
        variables: what it has learned.
        normalization: of the pixels.
        longer: what images' longer sides were scaled to in training; None if they were not.
    """

    def logits(variables: Variables, images: jax.Array) -> jax.Array:
        return segmenter.model.apply(variables, normalization(images), train=False)[0]

    # The variables are no constants of the program: it would be as large as they are.
    program = jax.jit(logits, compiler_options=compiler_options())

    def segment(image: UInt8[np.ndarray, "h w c"]) -> Int32[np.ndarray, "h w"]:
        size = image.shape[:2]
        if longer is not None:
            image = scale_image(image, scaled_size(*size, longer))
        pixels = _as_large(image, segmenter.smallest).astype(np.float32)

        def apply(images: jax.Array) -> jax.Array:
            return program(variables, images)

        if segmenter.margin:
            tile = segmenter.fit(min(max(pixels.shape[:2]), TILE))
            answer = overlap_tile(apply, pixels, tile, segmenter.margin, segmenter.stride)
        else:
            window, halo = window_of(segmenter)
            answer = apply_in_windows(apply, pixels, window, halo, segmenter.stride)
        classes = answer[: image.shape[0], : image.shape[1]].argmax(axis=2).astype(np.int32)
        return classes if longer is None else scale_mask(classes, size)

    return segment


def _as_large(image: UInt8[np.ndarray, "h w c"], side: int) -> UInt8[np.ndarray, "hs ws c"]:
    """The image, continued by its mirror image until both sides have so many pixels."""
    lacking = [(0, max(side - own, 0)) for own in image.shape[:2]]
    return np.pad(image, [*lacking, (0, 0)], mode="reflect")


def window_of(segmenter: Segmenter) -> tuple[int, int]:
    """A window's side, and what at its inner borders is not used, both multiples of the stride."""
    stride = segmenter.stride
    halo = -(-segmenter.radius // stride) * stride
    return -(-INSIDE // stride) * stride + 2 * halo, halo
