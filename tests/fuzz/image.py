"""Image files, damaged: they are decoded to their end, or refused by a message with their name.

The limit is a million pixels, so that a size that the damage invents costs no time.
"""

import io
import warnings

import numpy as np
from PIL import Image

from jaxvision.data.annotations import image_size
from jaxvision.data.images import ImageError, decode_image
from tests.data.image_files import encode, png, with_orientation

NAME = "cat.png"
MAX_PIXELS = 1_000_000
PIXELS = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)


def corpus() -> list[bytes]:
    """Small whole files: of each format, and of what else is decoded by code of its own."""
    rgb, grey = Image.fromarray(PIXELS), Image.fromarray(PIXELS[:, :, 0])
    alpha, cmyk = rgb.convert("RGBA"), Image.new("CMYK", (8, 8), (9, 90, 200, 30))
    frames = {"save_all": True, "append_images": [rgb.rotate(180)]}
    wide = PIXELS[:, :, :1].astype(np.int64) * 257
    palette = rgb.quantize(4)
    return [
        encode(rgb),
        encode(alpha),
        encode(palette, transparency=1),
        encode(rgb, **frames),
        png(wide, 16, "grey"),
        png(np.tile(wide, (1, 1, 4)), 16, "RGBA"),
        with_orientation(rgb, "JPEG", 6),
        encode(rgb, "JPEG", progressive=True),
        encode(cmyk, "JPEG"),
        encode(rgb, "BMP"),
        encode(palette, "BMP"),
        encode(palette, "GIF", transparency=2),
        encode(rgb, "GIF", **frames),
        encode(rgb, "TIFF"),
        *(
            encode(grey, "TIFF", compression=packing)
            for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ),
        encode(grey.convert("1"), "TIFF", compression="group4"),
        encode(Image.fromarray(wide[:, :, 0].astype(np.uint16)), "TIFF"),
        encode(rgb, "WEBP", lossless=True),
        encode(alpha, "WEBP"),
        encode(rgb, "WEBP", **frames),
        encode(rgb, "PPM"),
        b"P2 2 2 1000\n0 1 500 1000",
        b"P1 3 1\n0 1 0",
        encode(rgb, "EPS"),
        encode(rgb, "ICO"),
        encode(rgb, "PDF"),
    ]


def check(data: bytes) -> None:
    """Raises unless the data become an image of a bounded size, or an ImageError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, on what it finds odd
        try:
            image = decode_image(data, max_pixels=MAX_PIXELS, name=NAME)
        except ImageError as error:
            _check_message(error)
        else:
            height, width, channels = image.shape
            assert image.dtype == np.uint8 and channels == 3
            assert 1 <= height * width <= MAX_PIXELS, f"{height} x {width}"
        try:  # the head alone
            assert min(image_size(io.BytesIO(data), NAME)) >= 1
        except ImageError as error:
            _check_message(error)


def _check_message(error: ImageError) -> None:
    text = str(error)
    assert text.startswith(f"{NAME}: "), f"no name in {text!r}"
    assert "\n" not in text and len(text) < 1000, f"too long: {text!r}"
