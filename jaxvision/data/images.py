"""The one door through which image files come in: what leaves it is uint8 [h, w, c], or an error.

`jaxvision.data.image_file` opens it, if its content has an allowed format and it is not too large.
It is decoded to its end: half an image is an error, not grey. Then:

    orientation   the EXIF tag is applied, so that up is up
    16 bits       v / 257, rounded: 65535 becomes 255. Pillow itself decodes 16-bit *colour* to
                  v // 256, which is at most one level away, or two where it is transparent
    transparency  laid over white, whether it is an alpha channel or a transparent colour (of the
                  colours, Pillow sees only those of PNGs with 1 or 8 bits, or 16 bits of grey)
    palette, 1 bit, CMYK, YCbCr   converted to RGB or grey
    colour profile (ICC)          followed if `to_srgb`, where the file has one that can be read
    grey          from colour: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)
    animation     the first frame
    float and 32-bit integers     refused: a file does not say which of their values is white
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageCms, ImageOps

from jaxvision.data.image_file import MAX_PIXELS, ImageError, open_image


def read_image(
    path: str | Path, channels: int = 3, max_pixels: int = MAX_PIXELS, *, to_srgb: bool = False
) -> UInt8[np.ndarray, "h w {channels}"]:
    """Reads an image file; the module says what becomes of each kind. Safe in threads.

    Args:
        path: a file of one of `image_file.FORMATS`.
        channels: 3 for RGB, 1 for grey.
        max_pixels: the largest height times width to decode.
        to_srgb: whether to follow the file's colour profile; networks learn without, and a picture
            that people shall look at needs it.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageError: if the file is no image, damaged, cut short, too large, or of a kind refused.
        ValueError: if `channels` or `max_pixels` is out of range.
    """
    check_channels(channels)
    with open_image(path, str(path), max_pixels=max_pixels) as image:
        return _to_uint8(image, str(path), channels, to_srgb)


def decode_image(
    data: bytes, channels: int = 3, max_pixels: int = MAX_PIXELS, name: str = "image"
) -> UInt8[np.ndarray, "h w {channels}"]:
    """`read_image` for the content of a file; `name` stands for the path in error messages.

    Raises:
        ImageError: if the data are no image, damaged, cut short, too large, or of a kind refused.
        ValueError: if `channels` or `max_pixels` is out of range.
    """
    check_channels(channels)
    with open_image(io.BytesIO(data), name, max_pixels=max_pixels) as image:
        return _to_uint8(image, name, channels, to_srgb=False)


def fit_image(
    image: UInt8[np.ndarray, "h w c"], height: int, width: int
) -> UInt8[np.ndarray, "{height} {width} c"]:
    """Scales `image` until it just covers height x width, aspect kept, and crops the centre.

    The scaling is bilinear, and antialiased where it shrinks. An image that has the size already
    is returned itself, not copied.

    Raises:
        ValueError: if `height`, `width` or a side of the image is less than 1.
    """
    if height < 1 or width < 1 or 0 in image.shape:
        raise ValueError(
            "`height`, `width` and the sides of `image` must be at least 1, "
            f"got height {height}, width {width}, image {list(image.shape)}."
        )
    if image.shape[:2] == (height, width):
        return image
    # Pillow knows three bands as a colour; any other number of them goes plane by plane, since it
    # would take a fourth for alpha and weight the other three by it.
    planes = [image] if image.shape[2] == 3 else np.moveaxis(image, 2, 0)
    fitted = [
        np.asarray(ImageOps.fit(Image.fromarray(plane), (width, height), Image.Resampling.BILINEAR))
        for plane in planes
    ]
    return fitted[0] if image.shape[2] == 3 else np.stack(fitted, axis=2)


def check_channels(channels: int) -> None:
    """Raises ValueError unless `channels` is a number that images are read with."""
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 (grey) or 3 (RGB), got {channels}.")


def _to_uint8(
    image: Image.Image, name: str, channels: int, to_srgb: bool
) -> UInt8[np.ndarray, "h w c"]:
    sixteen_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")
    if image.mode in ("F", "I") and not sixteen_bits:
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise ImageError(
            f"{name}: has {kind} pixels, whose white is unknown. Scale it and save it with 8 or 16 "
            "bits a channel."
        )
    image.load()  # to the end of the file, or an error
    image = ImageOps.exif_transpose(image)
    if sixteen_bits:  # not by `convert`, which clips: all above 255 would be white
        values = np.asarray(image).astype(np.uint32)
        grey = ((values + 128) // 257).astype(np.uint8)
        grey[values == image.info.get("transparency", -1)] = 255
        return np.repeat(_with_channel(grey), channels, axis=2)
    if image.mode in ("YCbCr", "LAB"):  # the grey that Pillow takes from them is another
        image = image.convert("RGB")
    profile = image.info.get("icc_profile") if to_srgb else None
    if profile and image.mode == "CMYK":
        image = _in_srgb(image, profile)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if profile and image.mode in ("RGB", "RGBA", "P"):
        image = _in_srgb(image.convert("RGB"), profile)
    return _with_channel(np.asarray(image.convert("RGB" if channels == 3 else "L")))


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The image's colours by its profile; a profile that says nothing of them changes nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image


def _with_channel(array: Shaped[np.ndarray, "h w *c"]) -> Shaped[np.ndarray, "h w c"]:
    return array.reshape(*array.shape[:2], -1)
