"""Reads a mask: an image file whose pixels are numbers, of classes, and not shades of a colour.

A file with a palette gives the numbers of its palette's entries, as PASCAL VOC's do; one of grey,
of 1, 8 or 16 bits, its values; one of three equal channels, that of each. Nothing is converted:
what would be a colour is refused.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int32

from jaxvision.data.image_file import MAX_PIXELS, ImageError, open_image

FORMATS = ("PNG", "TIFF", "BMP")  # Pillow's names of those that change no value
LARGEST = 65535


def read_mask(path: Path, max_pixels: int = MAX_PIXELS) -> Int32[np.ndarray, "h w"]:
    """The values of a mask's pixels, from 0 to 65535. Safe in threads.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageError: if the file is no image of one of the `FORMATS`, damaged, too large, or has
            colours in place of numbers.
    """
    with open_image(path, str(path), FORMATS, max_pixels) as image:
        image.load()
        mode, values = image.mode, np.asarray(image)
    if mode in ("1", "L", "P", "I", "I;16", "I;16L", "I;16B"):
        if mode == "1":
            values = 255 * values.astype(np.int32)  # as where such a file is converted to grey
        if values.min() < 0 or values.max() > LARGEST:
            raise ImageError(
                f"{path}: has values from {values.min()} to {values.max()}, where a mask may have 0"
                f" to {LARGEST}. Number its classes from 0 on."
            )
        return values.astype(np.int32)
    if mode == "RGB" and (values == values[:, :, :1]).all():
        return values[:, :, 0].astype(np.int32)
    raise ImageError(
        f"{path}: has colours (Pillow's mode {mode}), where each pixel must be the number of a "
        "class. Save the mask in grey or with a palette, without transparency."
    )
