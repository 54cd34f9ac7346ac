"""Pictures on the host: RGB arrays [h, w, 3] with values in [0, 1], resized and drawn at random."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from PIL import Image

Picture: TypeAlias = Float[np.ndarray, "_ _ 3"]
"""Of a size of its own, [height, width, 3]."""


def scaled_size(picture: Picture, long_side: int | float) -> tuple[int, int]:
    """The height and width of a picture whose long side is to have so many pixels."""
    height, width, _ = picture.shape
    factor = long_side / max(height, width)
    return max(1, round(factor * height)), max(1, round(factor * width))


def resized(
    picture: Float[np.ndarray, "h w c"], height: int, width: int
) -> Float[np.ndarray, "{height} {width} c"]:
    """The picture with `height` x `width` pixels: Lanczos' windows, antialiased, within [0, 1]."""
    if picture.shape[:2] == (height, width):
        return picture
    planes = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
        for plane in np.moveaxis(picture, 2, 0).astype(np.float32)
    ]
    return np.clip(np.stack(planes, axis=2), 0, 1)


def noise_like(
    pictures: Sequence[Picture], size: tuple[int, int], random: np.random.Generator
) -> Picture:
    """Noise of the pictures' colours: each pixel is one of theirs, drawn by chance."""
    palette = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
    return palette[random.integers(len(palette), size=size)]
