"""Opens an image file, if it is one that may be: the only place that hands a file to Pillow.

A file is opened if its *content* (its name does not matter) is one of the formats asked for, and
if its head asks for no more pixels than allowed, before any is decoded. Whatever goes wrong later,
while it is decoded, is an `ImageError` that names the file. Formats that are refused are told by
how they begin: some of them are programs, as PostScript, and others have no size before they are
drawn, as SVG.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # Pillow's names
MAX_PIXELS = 50_000_000
START = 512  # bytes at the beginning of a file that its format is told by

# How files begin that are no image of `FORMATS`, and what they are. An ISO media file begins with
# its length, and then its kind.
BEGINNINGS = {
    b"%!PS": "PostScript (EPS)",
    b"\xc5\xd0\xd3\xc6": "PostScript (EPS) with a preview",
    b"%PDF": "PDF",
    b"8BPS": "a Photoshop file (PSD)",
    b"SIMPLE  =": "FITS",
    b"\0\0\1\0": "a Windows icon (ICO)",
    b"icns": "an Apple icon (ICNS)",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"DDS ": "a DirectDraw surface (DDS)",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"gimp xcf": "a GIMP file (XCF)",
    b"PF\n": "a float map (PFM)",
    b"\xd7\xcd\xc6\x9a": "a Windows metafile (WMF)",
    b"AT&TFORM": "DjVu",
    b"\x89HDF": "HDF5",
    b"\x93NUMPY": "a NumPy array",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"version https://git-lfs": "a pointer of Git LFS, in place of the file",
}
OWN_BEGINNINGS = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "HEIC"),
    b"crx ": "a Canon raw file (CR3)",
}

Image.init()  # Pillow registers its formats on first use; here, where no second thread can be


class ImageError(ValueError):
    """An image cannot be used: the message names the file, what is wrong, and the remedy."""


@contextmanager
def open_image(
    file: str | Path | io.BufferedIOBase,
    name: str,
    formats: Sequence[str] = FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Image.Image]:
    """Opens an image whose pixels are not decoded yet; what fails until it is closed is told.

    Args:
        file: its path, or its content.
        name: what error messages call it.
        formats: of `FORMATS`, those that it may be.
        max_pixels: the largest height times width.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageError: if the file is no such image or is too large; or, from the body of the `with`
            statement, whatever damaged content ends in.
        ValueError: if `max_pixels` is out of range.
    """
    _check_limit(max_pixels)
    with ExitStack() as stack:
        if isinstance(file, str | Path):
            file = stack.enter_context(_opened(Path(file), name))
        try:
            with Image.open(file, formats=formats) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise ImageError(_too_large(name, f"{width} x {height} pixels", max_pixels))
                yield image
        except ImageError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            size = f"over {Image.MAX_IMAGE_PIXELS} pixels, Pillow's own limit"
            raise ImageError(_too_large(name, size, max_pixels)) from error
        except Image.UnidentifiedImageError as error:
            file.seek(0)
            raise ImageError(
                f"{name}: is damaged or in none of the formats {', '.join(formats)}: "
                f"{_what_it_is(file.read(START))}. Convert it to {' or '.join(formats[:2])}, or "
                "remove it."
            ) from error
        # Which exception a damaged file ends in depends on the byte: OSError, SyntaxError,
        # ValueError, struct.error, zlib.error, OverflowError, ... None of them may pass for
        # anything else.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(
                f"{name}: is damaged or cut short ({reason}). Get a whole copy, or remove it."
            ) from error


@contextmanager
def numbered(item: str) -> Iterator[None]:
    """Adds to an error about an image which item of a data set it is: "Item 3, class 'ant'".

    Raises:
        ImageError: for an ImageError or FileNotFoundError from the body of the `with` statement.
    """
    try:
        yield
    except (ImageError, FileNotFoundError) as error:
        raise ImageError(f"{error} ({item}.)") from error


def known_format(start: bytes) -> str | None:
    """What a file is that begins like this, if it is none of `FORMATS`; None if nobody knows."""
    for beginning, kind in BEGINNINGS.items():
        if start.startswith(beginning):
            return kind
    if start[4:8] == b"ftyp":
        return BRANDS.get(start[8:12], "a video or picture in an ISO media file")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "SVG"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML)"
    return None


def own_format(start: bytes) -> str | None:
    """Which of `FORMATS` a file begins as; None for another (BMP and PPM begin with
    two letters, as any text may)."""
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for first, kind in OWN_BEGINNINGS.items() if start.startswith(first)), None)


def _check_limit(max_pixels: int) -> None:
    ceiling = Image.MAX_IMAGE_PIXELS or max_pixels  # None: the user has lifted Pillow's own limit
    if not 1 <= max_pixels <= ceiling:
        raise ValueError(
            f"`max_pixels` must be in [1, {ceiling}], Pillow's own limit, got {max_pixels}. "
            "Shrink larger images first."
        )


def _opened(path: Path, name: str) -> io.BufferedIOBase:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: no such image file. Check the path.") from None
    except OSError as error:
        raise ImageError(
            f"{name}: cannot be opened ({error.strerror}). Give a file that may be read."
        ) from error


def _what_it_is(start: bytes) -> str:
    if not start:
        return "it is empty"
    kind = known_format(start)
    if kind is not None:
        return f"it is {kind}"
    own = own_format(start)
    return f"it begins with {start[:12]!r}" if own is None else f"it begins as {own} does"


def _too_large(name: str, size: str, max_pixels: int) -> str:
    return (
        f"{name}: is too large ({size}; `max_pixels` is {max_pixels}). Shrink it, or raise "
        "`max_pixels`."
    )
