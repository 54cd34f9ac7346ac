"""Between the proposals and the second look: which are learned from, and what is pooled of each.

Girshick, "Fast R-CNN", ICCV 2015, section 2.3; Ren et al., "Faster R-CNN", NIPS 2015, section
3.1.2; of a pyramid, Lin et al., "Feature Pyramid Networks", CVPR 2017, section 4.2, equation 1:

    level of a region of w x h pixels = floor(k0 + log2(sqrt(w h) / 224))

with k0 the level of stride 16, cut to the levels that there are (the coarsest is for proposals
only).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.models.region_proposals import Proposals
from jaxvision.ops.boxes import encode, iou_matrix
from jaxvision.ops.matching import BACKGROUND, draw, match

SIZE = 7  # places a side of a region
ANCHOR_HIGH, ANCHOR_LOW, REGION_IOU = 0.7, 0.3, 0.5
WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # regression targets of regions are multiplied by these
CANONICAL, CANONICAL_STRIDE = 224.0, 16


class Lesson(NamedTuple):
    """What a step learns from: a anchors and n regions of an image."""

    anchor_logits: Float[Array, "b a"]
    anchor_deltas: Float[Array, "b a 4"]
    anchor_objects: Bool[Array, "b a"]  # drawn, and an object
    anchor_background: Bool[Array, "b a"]  # drawn, and none
    anchor_targets: Float[Array, "b a 4"]
    region_labels: Int[Array, "b n"]  # C for the background
    region_mask: Bool[Array, "b n"]  # False for filling
    region_targets: Float[Array, "b n 4"]
    places: int  # of all feature maps


def draw_anchors(
    key: Key[Array, ""], scene: Any, grid: Float[Array, "a 4"], size: int
) -> tuple[Bool[Array, "b a"], Bool[Array, "b a"], Float[Array, "b a 4"]]:
    """Of each image `size` anchors: (objects, background, the regression targets of all)."""

    def one(key, boxes, box_mask):
        matched = match(iou_matrix(grid, boxes), box_mask, ANCHOR_HIGH, ANCHOR_LOW, best=True)
        objects, background = draw(key, matched >= 0, matched == BACKGROUND, size, 0.5)
        targets = encode(boxes[jnp.maximum(matched, 0)], grid)
        return objects, background, jnp.where(objects[:, None], targets, 0)

    keys = jax.random.split(key, len(scene.boxes))
    return jax.vmap(one)(keys, scene.boxes, scene.box_mask)


def draw_regions(
    key: Key[Array, ""], scene: Any, proposals: Proposals, background: int, size: int
) -> tuple[Proposals, tuple[Int[Array, "b n"], Bool[Array, "b n"], Float[Array, "b n 4"]]]:
    """Of each image `size` of the proposals and objects: (they, (labels, mask, targets)).

    Args:
        key: decides which.
        scene: the objects.
        proposals: of the network.
        background: the label of what is no object.
        size: n; a quarter of them, at most, are objects.
    """

    def one(key, boxes, box_mask, labels, proposals):
        candidates = jnp.concatenate([boxes, proposals.boxes])
        there = jnp.concatenate([box_mask, proposals.mask])
        logits = jnp.concatenate([jnp.zeros(len(boxes)), proposals.logits])
        matched = match(iou_matrix(candidates, boxes), box_mask, REGION_IOU, REGION_IOU)
        objects, others = draw(
            key, there & (matched >= 0), there & (matched == BACKGROUND), size, 0.25
        )
        # Those that were drawn stand first: a stable sort by who was not.
        drawn = objects | others
        rows = jnp.argsort(~drawn, stable=True)[:size]
        object_of = jnp.maximum(matched[rows], 0)
        region_labels = jnp.where(objects[rows], labels[object_of], background)
        targets = encode(boxes[object_of], candidates[rows], WEIGHTS)
        targets = jnp.where(objects[rows][:, None], targets, 0)
        regions = Proposals(candidates[rows], logits[rows], drawn[rows])
        return regions, (region_labels, drawn[rows], targets)

    keys = jax.random.split(key, len(scene.boxes))
    return jax.vmap(one)(keys, scene.boxes, scene.box_mask, scene.labels, proposals)


def pool_levels(
    levels: Sequence[Float[Array, "b _ _ c"]],
    strides: Sequence[int],
    boxes: Float[Array, "b n 4"],
    pool: Callable[..., Array],
) -> Float[Array, "b n s s c"]:
    """What each region is made of, from the one feature map or from its level of a pyramid."""

    def pooled(level, stride):
        return jax.vmap(lambda features, boxes: pool(features, boxes, SIZE, stride))(level, boxes)

    if len(levels) == 1:
        return pooled(levels[0], strides[0])
    sides = boxes[..., 2:] - boxes[..., :2]
    finest = jnp.log2(strides[0] / CANONICAL_STRIDE)
    exact = jnp.log2(jnp.sqrt(jnp.prod(sides, axis=-1)) / CANONICAL + 1e-6) - finest
    # Every region is pooled from every level, and one of them kept: sizes are fixed.
    usable = len(levels) - 1
    number = jnp.clip(jnp.floor(exact), 0, usable - 1)[..., None, None, None]
    parts = [pooled(levels[i], strides[i]) * (number == i) for i in range(usable)]
    return sum(parts[1:], start=parts[0])
