"""Boxes: their forms, how far two of them agree, and what a network says to move one.

A box is (left, top, right, bottom) in pixels, along the last axis; pixel i covers [i, i + 1). With
I and U the areas of the intersection and of the union of two boxes, C that of the smallest box
around both, c its diagonal, r the distance of their centres, and w and h the sizes:

    IoU  = I / U
    GIoU = IoU - (C - U) / C                Rezatofighi et al., "Generalized Intersection over
                                            Union", CVPR 2019, algorithm 1,
                                            https://arxiv.org/abs/1902.09630
    DIoU = IoU - r^2 / c^2                  Zheng et al., "Distance-IoU Loss", AAAI 2020,
    CIoU = IoU - r^2 / c^2 - alpha v        equations 6, 7 and 10, https://arxiv.org/abs/1911.08287
        v     = 4 / pi^2 (arctan(w' / h') - arctan(w / h))^2
        alpha = v / ((1 - IoU) + v), a constant to the gradient

The losses of these papers are 1 minus these. IoU and GIoU are in [0, 1] and [-1, 1].

Ren et al., "Faster R-CNN", NeurIPS 2015, equation 2, https://arxiv.org/abs/1506.01497, tells a box
with centre (x, y) from an anchor (x_a, y_a, w_a, h_a) as

    t_x = (x - x_a) / w_a    t_y = (y - y_a) / h_a    t_w = log(w / w_a)    t_h = log(h / h_a)

Deviations: a quotient is 0 where its denominator is below `SMALLEST` = 1e-12, the area of a
millionth by a millionth: boxes without area have an IoU of 0, also with themselves, and all
gradients are finite. The gradient of v is its own, and not the paper's (multiplied by w^2 + h^2).
"""

import math
from typing import TypeAlias

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, Whole

Weights: TypeAlias = tuple[Scalar, Scalar, Scalar, Scalar]

SMALLEST = 1e-12
SMALLEST_SIDE = 1e-6
LARGEST_LOG = math.log(1000 / 16)


def xyxy_to_cxcywh(boxes: Float[Array, "*n 4"]) -> Float[Array, "*n 4"]:
    """(left, top, right, bottom) -> (x and y of the centre, width, height)."""
    left, top, right, bottom = jnp.unstack(boxes, axis=-1)
    return jnp.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], axis=-1)


def cxcywh_to_xyxy(boxes: Float[Array, "*n 4"]) -> Float[Array, "*n 4"]:
    """(x and y of the centre, width, height) -> (left, top, right, bottom)."""
    x, y, w, h = jnp.unstack(boxes, axis=-1)
    return jnp.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=-1)


def xyxy_to_xywh(boxes: Float[Array, "*n 4"]) -> Float[Array, "*n 4"]:
    """(left, top, right, bottom) -> (left, top, width, height), COCO's form."""
    left, top, right, bottom = jnp.unstack(boxes, axis=-1)
    return jnp.stack([left, top, right - left, bottom - top], axis=-1)


def xywh_to_xyxy(boxes: Float[Array, "*n 4"]) -> Float[Array, "*n 4"]:
    """(left, top, width, height) -> (left, top, right, bottom)."""
    left, top, w, h = jnp.unstack(boxes, axis=-1)
    return jnp.stack([left, top, left + w, top + h], axis=-1)


def to_fractions(
    boxes: Float[Array, "*n 4"], height: Scalar | Whole, width: Scalar | Whole
) -> Float[Array, "*n 4"]:
    """Pixels -> fractions of the image, in any of the forms.

    Args:
        boxes: in pixels.
        height: of the image, in pixels.
        width: of the image, in pixels.
    """
    a, b, c, d = jnp.unstack(boxes, axis=-1)
    return jnp.stack([a / width, b / height, c / width, d / height], axis=-1)


def to_pixels(
    boxes: Float[Array, "*n 4"], height: Scalar | Whole, width: Scalar | Whole
) -> Float[Array, "*n 4"]:
    """Fractions of the image -> pixels, in any of the forms. Arguments as for `to_fractions`."""
    a, b, c, d = jnp.unstack(boxes, axis=-1)
    return jnp.stack([a * width, b * height, c * width, d * height], axis=-1)


def clip(
    boxes: Float[Array, "*n 4"], height: Scalar | Whole, width: Scalar | Whole
) -> Float[Array, "*n 4"]:
    """What of each box is inside of the image; outside of it nothing is left, a box without area.

    Args:
        boxes: in the pixels of an image of that height and width.
        height: of the image.
        width: of the image.
    """
    left, top, right, bottom = jnp.unstack(boxes, axis=-1)
    left, right = jnp.clip(left, 0, width), jnp.clip(right, 0, width)
    top, bottom = jnp.clip(top, 0, height), jnp.clip(bottom, 0, height)
    return jnp.stack([left, top, right, bottom], axis=-1)


def area(boxes: Float[Array, "*n 4"]) -> Float[Array, "*n"]:
    """Width times height; 0 of a box whose sides are exchanged."""
    left, top, right, bottom = jnp.unstack(boxes, axis=-1)
    return jnp.maximum(right - left, 0) * jnp.maximum(bottom - top, 0)


def iou(a: Float[Array, "*#n 4"], b: Float[Array, "*#n 4"]) -> Float[Array, "*n"]:
    """Intersection over union of a box of `a` with one of `b`, which are broadcast.

    >>> print(iou(jnp.array([0.0, 0.0, 2.0, 2.0]), jnp.array([1.0, 0.0, 2.0, 2.0])))
    0.5
    """
    return _ratio(*_overlap(a, b))


def iou_matrix(a: Float[Array, "n 4"], b: Float[Array, "m 4"]) -> Float[Array, "n m"]:
    """Intersection over union of each box of `a` with each of `b`."""
    return iou(a[:, None], b[None])


def giou(a: Float[Array, "*#n 4"], b: Float[Array, "*#n 4"]) -> Float[Array, "*n"]:
    """IoU less the share of the box around both that neither covers. Arguments as for `iou`."""
    intersection, union = _overlap(a, b)
    around = area(_hull(a, b))
    return _ratio(intersection, union) - _ratio(around - union, around)


def diou(a: Float[Array, "*#n 4"], b: Float[Array, "*#n 4"]) -> Float[Array, "*n"]:
    """IoU less the squared distance of the centres, in diagonals. Arguments as for `iou`."""
    return iou(a, b) - _distance(a, b)


def ciou(a: Float[Array, "*#n 4"], b: Float[Array, "*#n 4"]) -> Float[Array, "*n"]:
    """DIoU less a term for the difference of the aspect ratios. Arguments as for `iou`."""
    overlap = iou(a, b)
    v = 4 / math.pi**2 * (_aspect(a) - _aspect(b)) ** 2
    alpha = lax.stop_gradient(_ratio(v, (1 - overlap) + v))
    return overlap - _distance(a, b) - alpha * v


def encode(
    boxes: Float[Array, "*#n 4"], anchors: Float[Array, "*#n 4"], weights: Weights = (1, 1, 1, 1)
) -> Float[Array, "*n 4"]:
    """What to predict at each anchor: (t_x, t_y, t_w, t_h).

    Sides count as at least 1e-6: rows that are no boxes, but zeros, then give finite numbers.

    Args:
        boxes: to predict.
        anchors: one for each box; they are broadcast.
        weights: multiply t; 1 / their standard deviations make the four targets alike in size.
    """
    x, y, w, h = jnp.unstack(xyxy_to_cxcywh(boxes), axis=-1)
    x_a, y_a, w_a, h_a = jnp.unstack(xyxy_to_cxcywh(anchors), axis=-1)
    w, h, w_a, h_a = (jnp.maximum(side, SMALLEST_SIDE) for side in (w, h, w_a, h_a))
    t = (x - x_a) / w_a, (y - y_a) / h_a, jnp.log(w / w_a), jnp.log(h / h_a)
    return jnp.stack([of * weight for of, weight in zip(t, weights, strict=True)], axis=-1)


def decode(
    deltas: Float[Array, "*#n 4"], anchors: Float[Array, "*#n 4"], weights: Weights = (1, 1, 1, 1)
) -> Float[Array, "*n 4"]:
    """The boxes that are predicted; undoes `encode`.

    t_w and t_h are clamped at log(1000 / 16), so that exp cannot overflow: no box is more than 62.5
    times as wide or as high as its anchor.

    Args:
        deltas: (t_x, t_y, t_w, t_h) times `weights`.
        anchors: one for each; they are broadcast.
        weights: those of `encode`.
    """
    deltas = jnp.unstack(deltas, axis=-1)
    t_x, t_y, t_w, t_h = (of / weight for of, weight in zip(deltas, weights, strict=True))
    x_a, y_a, w_a, h_a = jnp.unstack(xyxy_to_cxcywh(anchors), axis=-1)
    w = w_a * jnp.exp(jnp.minimum(t_w, LARGEST_LOG))
    h = h_a * jnp.exp(jnp.minimum(t_h, LARGEST_LOG))
    return cxcywh_to_xyxy(jnp.stack([t_x * w_a + x_a, t_y * h_a + y_a, w, h], axis=-1))


def _overlap(a: Array, b: Array) -> tuple[Array, Array]:
    """The areas of the intersections and of the unions."""
    # Side by side and not corner by corner: XLA then makes one loop of it, without arrays between.
    left, top, right, bottom = jnp.unstack(a, axis=-1)
    others_left, others_top, others_right, others_bottom = jnp.unstack(b, axis=-1)
    w = jnp.minimum(right, others_right) - jnp.maximum(left, others_left)
    h = jnp.minimum(bottom, others_bottom) - jnp.maximum(top, others_top)
    intersection = jnp.maximum(w, 0) * jnp.maximum(h, 0)
    return intersection, area(a) + area(b) - intersection


def _hull(a: Array, b: Array) -> Array:
    """The smallest boxes around both."""
    corners = jnp.minimum(a[..., :2], b[..., :2]), jnp.maximum(a[..., 2:], b[..., 2:])
    return jnp.concatenate(corners, axis=-1)


def _distance(a: Array, b: Array) -> Array:
    """r^2 / c^2."""
    hull = _hull(a, b)
    between = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    return _ratio((between**2).sum(-1), ((hull[..., 2:] - hull[..., :2]) ** 2).sum(-1))


def _aspect(boxes: Array) -> Array:
    """arctan(w / h); 0 of a point, which has none."""
    _, _, w, h = jnp.unstack(xyxy_to_cxcywh(boxes), axis=-1)
    seen = w**2 + h**2 >= SMALLEST
    return jnp.arctan2(jnp.where(seen, w, 0), jnp.where(seen, h, 1))


def _ratio(numerator: Array, denominator: Array) -> Array:
    # The inner `where` keeps 1 / 0 out of the gradient too, which the outer one would make NaN.
    defined = denominator >= SMALLEST
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), 0)
