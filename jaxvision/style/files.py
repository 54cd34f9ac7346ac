"""Pictures in files: read in sRGB with the right side up, written whole or not at all."""

import io
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from jaxvision.data.images import read_image
from jaxvision.data.pictures import photographs
from jaxvision.style.picture import Picture
from jaxvision.train.run import write_whole

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
QUALITY = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}
FRAME, LAST_FRAME = 120, 1500  # milliseconds of a video
VIDEO_SIDE = 480  # pixels at most


def own_pictures() -> tuple[Path, Path]:
    """A picture and another to paint it like, which are always there: two of scikit-learn's."""
    return photographs()


def free_name(path: Path) -> Path:
    """The first of a.png, a-2.png, ... that does not exist."""
    names = chain([path], (path.with_stem(f"{path.stem}-{i}") for i in count(2)))
    return next(name for name in names if not name.exists())


def check_free(path: Path, read: Sequence[Path], *, force: bool) -> None:
    """Refuses what cannot be written, or must not be: no file that is read is ever written.

    Raises:
        FileNotFoundError: if its folder does not exist.
        FileExistsError: if it exists and `force` is not given, or is a folder or one of `read`.
    """
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"the folder of {path} does not exist: make {path.absolute().parent}, or choose another"
        )
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder: name a file in it")
    if not path.exists():
        return
    if any(each.exists() and path.samefile(each) for each in read):
        raise FileExistsError(
            f"{path} is one of the files to read, which are never written over: choose another name"
        )
    if not force:
        raise FileExistsError(f"{path} exists: choose another name, or replace it by --force")


def load_picture(path: Path) -> Picture:
    """The picture in a file, of any kind that `read_image` reads.

    Raises:
        FileNotFoundError, ImageError: as `read_image`.
    """
    return (read_image(path, to_srgb=True) / 255).astype(np.float32)


def load_mask(path: Path) -> Float[np.ndarray, "h w 1"]:
    """The luminance of a picture: 1 where it is white.

    Raises:
        FileNotFoundError, ImageError: as `read_image`.
    """
    return (read_image(path, channels=1) / 255).astype(np.float32)


def save_picture(path: Path, picture: Picture | Float[np.ndarray, "_ _ 1"]) -> None:
    """Writes a picture, in colour or grey, in the format that its name ends in.

    Raises:
        OSError: if it cannot be written; what was there is as it was.
    """
    kind, content = FORMATS[path.suffix.lower()], io.BytesIO()
    _to_image(picture).save(content, kind, **QUALITY[kind])
    write_whole(path, content.getvalue(), then="start again")


def save_video(path: Path, pictures: Sequence[Picture]) -> None:
    """Writes pictures one after the other as a GIF that repeats, all at the size of the last.

    Raises:
        OSError: if it cannot be written; what was there is as it was.
    """
    size = _to_image(pictures[-1])
    size.thumbnail((VIDEO_SIDE, VIDEO_SIDE))
    first, *others = (
        _to_image(picture).resize(size.size, Image.Resampling.LANCZOS) for picture in pictures
    )
    content = io.BytesIO()
    durations = [FRAME] * len(others) + [LAST_FRAME]
    first.save(content, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    write_whole(path, content.getvalue(), then="start again")


def _to_image(picture: Picture | Float[np.ndarray, "_ _ 1"]) -> Image.Image:
    pixels = np.round(255 * picture).astype(np.uint8)
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
