"""A folder of images and a folder of masks as a data set: a pair has one name.

    cells/image/07.jpg                 cells/train/images/07.jpg    cells/val/images/31.jpg
    cells/label/07.png                 cells/train/masks/07.png     cells/val/masks/31.png
    one data set, {"train": ...}       one for each part, with the same classes

The folders are called `image` or `images`, and `label`, `labels`, `mask` or `masks`; a name is that
of the file without its suffix. Which value of a mask is which class (`mask_file` says what a value
is):

    classes.json   {"0": "background", "7": "cell", "255": null}: a value's name, in the order of
                   the classes; what is null is not counted
    without it     0, 1, ..., k - 1 are k classes, named by their numbers; 0 and 255 alone are two,
                   named "0" and "255"

All masks are read when the folder is opened, so that a value that is no class is known then.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, SupportsIndex

import numpy as np

from jaxvision.data.bad_images import without_bad
from jaxvision.data.folder import EXTENSIONS, SPLITS
from jaxvision.data.image_file import numbered
from jaxvision.data.images import check_channels, read_image
from jaxvision.data.mask_classes import classes_of
from jaxvision.data.mask_file import LARGEST, read_mask
from jaxvision.data.masks import NOT_COUNTED, MaskedItem

IMAGES, MASKS = ("image", "images"), ("label", "labels", "mask", "masks")
MASK_EXTENSIONS = (".png", ".tif", ".tiff", ".bmp")
SHOWN = 5  # names in a message


class Pair(NamedTuple):
    """The two files of an example."""

    image: Path
    mask: Path


class MaskFolder:
    """Images with masks; the module says where they lie.

    Args:
        pairs: the files.
        classes: the names of the classes.
        index_of: the class of each value that a mask may have, or `NOT_COUNTED`.
        sizes: height and width of each image.
        channels: of the images: 1 for grey, 3 for colour.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        classes: tuple[str, ...],
        index_of: Mapping[int, int],
        sizes: Sequence[tuple[int, int]],
        channels: int,
    ):
        check_channels(channels)
        self.pairs, self.classes, self.channels = tuple(pairs), classes, channels
        self._sizes = tuple(sizes)
        self._index = np.full(LARGEST + 1, NOT_COUNTED, np.int32)
        self._index[list(index_of)] = list(index_of.values())

    def __len__(self) -> int:
        return len(self.pairs)

    def size(self, index: SupportsIndex) -> tuple[int, int]:
        return self._sizes[index]

    def __getitem__(self, index: SupportsIndex) -> MaskedItem:
        """Reads one pair.

        Raises:
            ImageError: if a file cannot be read whole; names it and the index.
            ValueError: if image and mask differ in size.
        """
        pair = self.pairs[index]
        with numbered(f"Item {index}"):
            image, values = read_image(pair.image, self.channels), read_mask(pair.mask)
        if image.shape[:2] != values.shape:
            raise ValueError(_sizes_differ(pair, image.shape[:2], values.shape))
        return {"image": image, "segmentation": self._index[values]}

    def describe(self, index: SupportsIndex) -> str:
        return str(self.pairs[index].image)


def open_masks(
    path: str | Path,
    channels: int = 3,
    *,
    max_bad: float | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, MaskFolder]:
    """Opens a folder of images and masks, or of parts that are such folders.

    The parts `train`, `val` (or `valid`, `validation`) and `test` come back as "train",
    "validation" and "test"; without parts all is "train".

    Args:
        path: the folder.
        channels: of the images: 1 for grey, 3 for colour.
        max_bad: leave out pairs that cannot be read, if they are no larger a part of all than this
            (`bad_images`); None: such a pair is an error.
        note: is told what is left out.

    Raises:
        FileNotFoundError: if `path` or a folder in it does not exist.
        ImageError: if an image or a mask cannot be read, or a mask has colours.
        ValueError: if an image has no mask or a mask no image, two files have one name, an image
            and its mask differ in size, a mask has a value that is no class, or `classes.json` is
            not as it must be. Names the files.
    """
    check_channels(channels)
    root = Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder. Give one with the folders {IMAGES[1]} and {MASKS[3]}."
        )
    pairs = {part: _pairs(folder) for part, folder in _parts(root).items()}
    if max_bad is not None:
        unread = {
            part: MaskFolder(some, (), {}, [(0, 0)] * len(some), channels)
            for part, some in pairs.items()
        }
        left, _ = without_bad(unread, _some_pairs, max_bad, note)
        pairs = {part: list(source.pairs) for part, source in left.items()}
    sizes, values = {}, {}
    for part, some in pairs.items():
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked_at = list(pool.map(_look_at, some))
        sizes[part] = [size for size, _ in looked_at]
        values |= {pair.mask: found for pair, (_, found) in zip(some, looked_at, strict=True)}
    classes, index_of = classes_of(root, values)
    return {
        part: MaskFolder(some, classes, index_of, sizes[part], channels)
        for part, some in pairs.items()
    }


def _some_pairs(source: MaskFolder, rows: list[int]) -> MaskFolder:
    pairs = [source.pairs[row] for row in rows]
    return MaskFolder(pairs, (), {}, [(0, 0)] * len(pairs), source.channels)


def _parts(root: Path) -> dict[str, Path]:
    """The folder of each part: `root` itself, or those in it that are called so."""
    below = {entry.name.lower(): entry for entry in sorted(root.iterdir()) if entry.is_dir()}
    if any(name in below for name in (*IMAGES, *MASKS)):
        return {"train": root}
    parts: dict[str, Path] = {}
    for name, folder in below.items():
        if name in SPLITS:
            if SPLITS[name] in parts:
                raise ValueError(
                    f"{root}: `{parts[SPLITS[name]].name}` and `{folder.name}` are the same part. "
                    "Rename one."
                )
            parts[SPLITS[name]] = folder
    if "train" not in parts:
        raise FileNotFoundError(
            f"{root}: has neither a folder {' or '.join(IMAGES)}, beside one of masks "
            f"({', '.join(MASKS)}), nor `train` with such folders in it; it has "
            f"{_some(sorted(below)) or 'no folders'}."
        )
    return parts


def _pairs(folder: Path) -> list[Pair]:
    images = _named(_only(folder, IMAGES), EXTENSIONS)
    masks = _named(_only(folder, MASKS), MASK_EXTENSIONS)
    problems = [
        f"{len(alone)} {what} ({_some(sorted(alone))})"
        for what, alone in (
            ("images have no mask", images.keys() - masks.keys()),
            ("masks have no image", masks.keys() - images.keys()),
        )
        if alone
    ]
    if problems:
        raise ValueError(
            f"{folder}: {' and '.join(problems)}. A mask ({', '.join(MASK_EXTENSIONS)}) is called "
            "as its image, but for the suffix: rename, add or remove files."
        )
    if not images:
        raise ValueError(f"{folder}: has no images. Put some there ({' '.join(EXTENSIONS)}).")
    return [Pair(images[name], masks[name]) for name in sorted(images)]


def _only(folder: Path, names: Sequence[str]) -> Path:
    found = [entry for entry in sorted(folder.iterdir()) if entry.name.lower() in names]
    if len(found) != 1 or not found[0].is_dir():
        there = ", ".join(entry.name for entry in found) or "none"
        raise FileNotFoundError(
            f"{folder}: must have one folder called {' or '.join(names)}, got {there}."
        )
    return found[0]


def _named(folder: Path, extensions: Sequence[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or file.suffix.lower() not in extensions:
            continue
        if file.stem in files:
            raise ValueError(
                f"{folder}: {files[file.stem].name} and {file.name} have one name. Rename one, "
                "with its partner."
            )
        files[file.stem] = file
    return files


def _look_at(pair: Pair) -> tuple[tuple[int, int], list[int]]:
    """Height and width, and the values that the mask has."""
    values = read_mask(pair.mask)
    size = read_image(pair.image, 1).shape[:2]  # not the header's: EXIF may turn it
    if size != values.shape:
        raise ValueError(_sizes_differ(pair, size, values.shape))
    return size, np.unique(values).tolist()


def _sizes_differ(pair: Pair, image: tuple[int, ...], mask: tuple[int, ...]) -> str:
    sizes = [f"{height} x {width}" for height, width in (image, mask)]
    return (
        f"{pair.image} is {sizes[0]} pixels (height x width) and its mask {pair.mask} is "
        f"{sizes[1]}: they must be equal. Scale the mask by nearest neighbours, or replace it."
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
    return ", ".join(names[:SHOWN]) + more
