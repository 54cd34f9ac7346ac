"""Reads a mask: an image file whose pixels are numbers, of classes, and not shades of a colour.

A file with a palette gives the numbers of its palette's entries, as PASCAL VOC's do; one of grey,
of 1, 8 or 16 bits, its values; one of three equal channels, that of each. Nothing is converted:
what would be a colour is refused.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int32
from PIL import Image

from jaxvision.data.images import MAX_PIXELS, ImageError

FORMATS = ("PNG", "TIFF", "BMP")  # Pillow's names of those that change no value
LARGEST = 65535


def read_mask(path: Path, max_pixels: int = MAX_PIXELS) -> Int32[np.ndarray, "h w"]:
    """The values of a mask's pixels, from 0 to 65535. Safe in threads.

    Raises:
        ImageError: if the file is no image of one of the `FORMATS`, damaged, too large, or has
            colours in place of numbers.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise ImageError(
                    f"{path}: is too large ({image.width} x {image.height} pixels; at most "
                    f"{max_pixels} are read). Shrink the image and its mask."
                )
            image.load()
            mode, values = image.mode, np.asarray(image)
    except ImageError:
        raise
    except (Image.UnidentifiedImageError, FileNotFoundError) as error:
        raise ImageError(
            f"{path}: is no mask in one of the formats {', '.join(FORMATS)}, which keep values as "
            "they are. Save it as PNG."
        ) from error
    except Exception as error:  # whatever a damaged file ends in, see `jaxvision.data.images`
        raise ImageError(f"{path}: is damaged or cut short. Get a whole copy.") from error
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
