"""The last step of every detector: of all scored boxes, the few that are handed out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.ops.boxes import area, clip
from jaxvision.ops.nms import class_nms


class Selection(NamedTuple):
    """Which boxes are handed out."""

    score: float = 0.01  # no box of a lower one
    iou: float = 0.5  # of two of one class that overlap by more, the one of higher score
    most: int = 100  # an image


class Found(NamedTuple):
    """Boxes in descending order of their scores, filled up to `most`."""

    boxes: Float[Array, "b most 4"]  # left, top, right, bottom in pixels, cut at the image's border
    scores: Float[Array, "b most"]  # in [0, 1]
    labels: Int[Array, "b most"]
    mask: Bool[Array, "b most"]  # False for filling


def select(
    boxes: Float[Array, "b n 4"],
    scores: Float[Array, "b n"],
    labels: Int[Array, "b n"],
    height: int,
    width: int,
    selection: Selection,
) -> Found:
    """Non-maximum suppression within each class, in images of `height` x `width` pixels.

    Boxes without area inside the image are left out.
    """
    boxes = clip(boxes, height, width)
    candidates = (scores >= selection.score) & (area(boxes) > 0)

    def one(boxes, scores, labels, candidates):
        rows, kept = class_nms(
            boxes, scores, labels, selection.iou, most=selection.most, mask=candidates
        )
        return Found(boxes[rows], jnp.where(kept, scores[rows], 0), labels[rows], kept)

    return jax.vmap(one)(boxes, scores, labels, candidates)
