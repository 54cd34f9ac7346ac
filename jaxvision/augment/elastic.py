"""Elastic deformation: an image as if it were printed on rubber.

Ronneberger, Fischer & Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015, section 3.1, https://arxiv.org/abs/1505.04597. With grid x grid points laid evenly over
the image, the outermost ones on the centres of its corner pixels,

    vectors        (dy, dx) for each point, normal with mean 0 and standard deviation `deviation`
    displacement   of each pixel, interpolated between the vectors, bicubic (Keys, a = -1/2)
    image'[q]      what is seen at q + displacement[q]

The paper does not say what bicubic interpolation takes for the points around the grid: here the
outermost ones are repeated. Nor does it say what comes in from outside of the image: here that is
its edge, repeated.

Image and target are interpolated linearly, and each pixel of the segmentation takes the nearest
one's class (`jaxvision.ops.resampling`).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from jaxvision.augment.example import Augmentation, Example, RandomKey, image_of, partners_of
from jaxvision.augment.fill import Color, color_of, require_color
from jaxvision.hyperparameters import Scalar, Whole, require, require_whole
from jaxvision.ops.bicubic import keys
from jaxvision.ops.resampling import resample, resample_nearest


def elastic_deformation(
    deviation: Scalar = 10.0, grid: int = 3, fill: Color | str = "edge", fill_class: Whole = 0
) -> Augmentation:
    """Bends an image, its target and its segmentation smoothly.

    Args:
        deviation: of the grid's vectors in each direction, in pixels. The map folds over itself
            where neighbouring vectors differ by more than their points' distance: keep it well
            below side / grid.
        grid: points a side, 2 or more; more of them bend more finely.
        fill: what comes in from outside: "edge", the image's edge repeated, or a pixel value, or
            one a channel.
        fill_class: the class of that in the segmentation; with "edge" it is the edge's.

    Raises:
        ValueError: if a number is out of its range, `fill` is another word, or an example has
            boxes, which do not stay boxes.
    """
    require("deviation", deviation, "[0, inf)", "the paper has 10 pixels, of images of 512")
    require_whole("grid", grid, low=2, remedy="the paper has 3 points a side")
    require_color(fill, ("edge",))

    def apply(key: RandomKey, example: Example) -> Example:
        image = image_of(example)
        if "boxes" in example:
            raise ValueError(
                '`example` must have no "boxes" for an elastic deformation, got some: they do not '
                "stay boxes. `random_affine` moves them."
            )
        height, width, _ = image.shape
        vectors = deviation * jax.random.normal(key, (2, grid, grid))
        rows, columns = (jnp.asarray(_weights(side, grid), jnp.float32) for side in (height, width))
        # Coordinates, in pixels: to be as exact as on any other machine.
        displacement = jnp.einsum(
            "dij,yi,xj->dyx", vectors, rows, columns, precision=lax.Precision.HIGHEST
        )
        y, x = jnp.indices((height, width), jnp.float32) + displacement
        partners = partners_of(example)
        changed = {}
        for name, pixels in {"image": image, **partners}.items():
            if name == "segmentation":
                outside = "edge" if isinstance(fill, str) else jnp.asarray(fill_class)
                changed[name] = resample_nearest(pixels, y, x, outside)
            else:
                outside = "edge" if isinstance(fill, str) else color_of(fill, pixels.shape[2])
                changed[name] = resample(pixels.astype(jnp.float32), y, x, outside)
        return example | changed

    return apply


def _weights(side: int, grid: int) -> Float[np.ndarray, "side grid"]:
    """What each pixel's displacement has of each point's vector, along one side."""
    at = np.linspace(0, grid - 1, side)
    points = np.arange(-1, grid + 1)
    terms = keys(at[:, None] - points)
    weights = np.zeros((side, grid))
    np.add.at(weights.T, np.clip(points, 0, grid - 1), terms.T)
    return weights
