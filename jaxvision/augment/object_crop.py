"""A random window of an image with boxes, stretched to the image's size: zoom in, and zoom out.

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 2.2 (the crop) and section 3.6
(the zoom out), https://arxiv.org/abs/1512.02325. The window is sx w x sy h pixels and begins at
(x, y):

    area in [area], even in its logarithm           ratio in [aspect_ratio], likewise
    sx = sqrt(area ratio)    sy = sqrt(area / ratio)
    x = u1 (1 - sx) w        y = u2 (1 - sy) h      u1, u2 uniform in [0, 1)

An area below 1 crops, and the window lies inside of the image; one above 1 zooms out, and the image
lies inside of the window. For that `ratio` is held between area and 1 / area. A box stays if its
centre is in the window, and is cut off at the window's border.

We differ in two points. SSD draws windows until one overlaps an object by a given IoU; here one is
drawn, and it may hold no object. Nor does SSD let a crop and a zoom out be the ends of one range.

Image, segmentation and boxes move by one matrix (`augment.affine`). It samples and does not
average: an area above 4 aliases.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvision.augment.affine import affine
from jaxvision.augment.coin import coin
from jaxvision.augment.example import Augmentation, Example, RandomKey, boxes_of, image_of
from jaxvision.augment.fill import Color, require_color
from jaxvision.hyperparameters import Scalar, Whole, require


def random_object_crop(
    probability: Scalar = 0.5,
    area: tuple[Scalar, Scalar] = (0.3, 1.0),
    aspect_ratio: tuple[Scalar, Scalar] = (0.5, 2.0),
    fill: Color | str = 0.0,
    fill_class: Whole = 0,
) -> Augmentation:
    """Stretches a random window to the size of the image, or does nothing.

    Args:
        probability: of a window that is not the image itself.
        area: of the window, from and to, in areas of the image; (1, 4) only zooms out.
        aspect_ratio: of the window's width by its height, from and to, and by that of the image;
            (1, 1) keeps shapes.
        fill: what is around the image when it is zoomed out: "edge", its edge repeated, or a pixel
            value, or one a channel.
        fill_class: the class of that in the segmentation; with "edge" it is the edge's.

    Raises:
        ValueError: if a number is out of its range, or `fill` is another word.
    """
    require("probability", probability, "[0, 1]", "0.5 crops half of the examples")
    for end in area:
        require("area", end, "(0, inf)", "it is in areas of the image, from and to")
    for end in aspect_ratio:
        require("aspect_ratio", end, "(0, inf)", "it is width by height, from and to")
    require_color(fill, ("edge",))

    def apply(key: RandomKey, example: Example) -> Example:
        height, width, _ = image_of(example).shape
        coin_key, window_key = jax.random.split(key)
        u = jax.random.uniform(window_key, (4,))
        log_area = _log_between(u[0], area)
        bound = abs(log_area)  # where the narrower side of the window is the image's
        log_ratio = jnp.clip(_log_between(u[1], aspect_ratio), -bound, bound)
        # exp(0) is 1: where the coin says no, the window is the image, to the bit.
        logs = jnp.where(coin(coin_key, probability), jnp.stack([log_area, log_ratio]), 0.0)
        sides = jnp.exp((logs[0] + jnp.array([1, -1], jnp.float32) * logs[1]) / 2)  # sx, sy
        size = jnp.array([width, height], jnp.float32)
        # The window's middle less the image's, x + sx w / 2 - w / 2, without cancellation.
        off = (1 - sides) * (u[2:] - 0.5) * size
        matrix = jnp.concatenate([jnp.diag(1 / sides), (-off / sides)[:, None]], axis=1)
        if "boxes" in example:
            boxes, box_mask = boxes_of(example)
            middle = size / 2 + off
            inside = _centred_in(boxes, middle - sides * size / 2, middle + sides * size / 2)
            example = example | {"box_mask": box_mask & inside}
        return affine(example, matrix, fill, fill_class)

    return apply


def _log_between(u: Float[Array, ""], ends: tuple[Scalar, Scalar]) -> Float[Array, ""]:
    low, high = (jnp.log(jnp.asarray(end, jnp.float32)) for end in ends)
    return low + (high - low) * u


def _centred_in(
    boxes: Float[Array, "n 4"], start: Float[Array, " 2"], end: Float[Array, " 2"]
) -> Bool[Array, " n"]:
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((start[None] <= centres) & (centres < end[None])).all(axis=1)
