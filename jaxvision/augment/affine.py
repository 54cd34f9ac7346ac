"""A random affine map: shift, scale, rotation and shear in one resampling.

What is seen at p, in pixels, goes to

    p' = M (p - m) + m + t,    m = (w/2, h/2), the image's middle

    M = factor [ cos r  -sin r ] [ 1  -tan s ]
               [ sin r   cos r ] [ 0       1 ]

with u1 .. u5 independent and uniform in [-1, 1),

    t = shift (u1 w, u2 h)    factor = (1 + scale)^u3    r = rotation u4    s = shear u5

One map, and so one interpolation: each further one would blur the image further. Image, target,
segmentation and boxes move by the same matrix (`jaxvision.ops.resampling`); a box becomes the
smallest upright one around its four corners, which is larger than what it holds if that is rotated.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.augment.example import (
    Augmentation,
    Example,
    RandomKey,
    boxes_of,
    image_of,
    partners_of,
    visible_boxes,
)
from jaxvision.augment.fill import Color, color_of, require_color
from jaxvision.hyperparameters import Scalar, Whole, require
from jaxvision.ops.resampling import (
    Matrix,
    affine_matrix,
    affine_points,
    affine_resample,
    affine_resample_nearest,
)


def random_affine(
    shift: Scalar = 0.0,
    scale: Scalar = 0.0,
    rotation: Scalar = 0.0,
    shear: Scalar = 0.0,
    fill: Color | str = 0.0,
    fill_class: Whole = 0,
) -> Augmentation:
    """Shifts, scales, rotates and shears an image and all that moves with it.

    Args:
        shift: at most this part of the width to the left or right, and of the height up or down.
        scale: enlarges by 1 + this at most and shrinks by as much; evenly in the logarithm.
        rotation: at most so many degrees, either way.
        shear: at most so many degrees, either way, along x.
        fill: what comes in from outside: "edge", the image's edge repeated, or a pixel value, or
            one a channel.
        fill_class: the class of that in the segmentation; with "edge" it is the edge's.

    Raises:
        ValueError: if a number is out of its range, or `fill` is another word.
    """
    require("shift", shift, "[0, inf)", "0.1 shifts by up to a tenth of the side")
    require("scale", scale, "[0, inf)", "0.25 enlarges to at most 5/4 and shrinks to 4/5")
    require("rotation", rotation, "[0, inf)", "it is the largest angle either way, in degrees")
    require("shear", shear, "[0, 90)", "it is the largest angle either way, in degrees")
    require_color(fill, ("edge",))

    def apply(key: RandomKey, example: Example) -> Example:
        height, width, _ = image_of(example).shape
        u = jax.random.uniform(key, (5,), minval=-1.0, maxval=1.0)
        matrix = affine_matrix(
            shift * u[:2] * jnp.array([width, height], jnp.float32),
            jnp.exp(u[2] * jnp.log1p(scale)),
            rotation * u[3],
            shear * u[4],
        )
        return affine(example, matrix, fill, fill_class)

    return apply


def affine(
    example: Example, matrix: Matrix, fill: Color | str = 0.0, fill_class: Whole = 0
) -> Example:
    """Moves an example by a given matrix [M | t]; for the other arguments see `random_affine`."""
    image = image_of(example)
    height, width, channels = image.shape
    edge = isinstance(fill, str)
    color = "edge" if edge else color_of(fill, channels)
    changed = {"image": affine_resample(image, matrix, color)}
    partners = partners_of(example)
    if "segmentation" in partners:
        outside = "edge" if edge else jnp.asarray(fill_class)
        changed["segmentation"] = affine_resample_nearest(partners["segmentation"], matrix, outside)
    if "target" in partners:
        target = partners["target"].astype(jnp.float32)
        color = "edge" if edge else color_of(fill, target.shape[2])
        changed["target"] = affine_resample(target, matrix, color)
    if "boxes" in example:
        boxes, box_mask = boxes_of(example)
        changed |= visible_boxes(_hull(boxes, matrix, height, width), box_mask, height, width)
    return example | changed


def _hull(
    boxes: Float[Array, "n 4"], matrix: Matrix, height: int, width: int
) -> Float[Array, "n 4"]:
    """The upright boxes around the moved corners."""
    left, top, right, bottom = boxes.T
    x = jnp.stack([left, right, right, left], axis=1)
    y = jnp.stack([top, top, bottom, bottom], axis=1)
    corners = affine_points(jnp.stack([x, y], axis=-1), matrix, height, width)
    return jnp.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
