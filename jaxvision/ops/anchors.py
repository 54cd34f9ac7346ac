"""Anchors: the boxes that a detector starts from, the same at each place of a feature map.

Ren, He, Girshick & Sun, "Faster R-CNN", NeurIPS 2015, section 3.1.1,
https://arxiv.org/abs/1506.01497. At row i and column j, for each size s and ratio r = h / w,

    x = (j + 1/2) stride_x    w = s / sqrt(r)
    y = (i + 1/2) stride_y    h = s sqrt(r)

so that all ratios of a size have its area, s^2. Anchors may reach beyond the image.

torchvision has them half a stride further up and left, and rounds w / 2 and h / 2.
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from jaxvision.hyperparameters import require, require_whole


def anchors(
    height: int,
    width: int,
    stride: int | tuple[int, int],
    sizes: Sequence[int | float],
    ratios: Sequence[int | float],
) -> Float32[Array, "n 4"]:
    """The anchors of a feature map, (left, top, right, bottom) in the image's pixels.

    They are in the order of its rows, then of its columns, of the sizes, and of the ratios: those
    of one place are neighbours, as the channels of a prediction [height, width, sizes * ratios * 4]
    are.

    Args:
        height: of the feature map.
        width: of the feature map.
        stride: pixels of the image for one of the feature map, or (y, x) of them.
        sizes: the sides of squares, in pixels of the image.
        ratios: height over width.

    Returns:
        n = height * width * len(sizes) * len(ratios) boxes, constants of a program.

    Raises:
        ValueError: if there is no size or no ratio, or one is not positive, or a length is not a
            whole number of pixels from 1 on.
    """
    y_stride, x_stride = (stride, stride) if isinstance(stride, int) else stride
    for name, length in (("height", height), ("width", width)):
        require_whole(name, length, low=1)
    for length in (y_stride, x_stride):
        require_whole("stride", length, low=1)
    for name, values in (("sizes", sizes), ("ratios", ratios)):
        if len(values) == 0:
            raise ValueError(f"`{name}` must have a number at least, got none; (1.0,) is one.")
        for value in values:
            require(name, value, "(0, inf)")
    shapes = [(s / math.sqrt(r), s * math.sqrt(r)) for s in sizes for r in ratios]
    halves = np.array([(-w / 2, -h / 2, w / 2, h / 2) for w, h in shapes])
    y, x = np.mgrid[:height, :width] + 0.5
    centres = np.stack([x * x_stride, y * y_stride] * 2, axis=-1)
    return jnp.asarray((centres[:, :, None] + halves[None, None]).reshape(-1, 4), jnp.float32)
