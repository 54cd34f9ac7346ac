"""Pictures without labels: files of a folder, or two photographs that need no network.

A source of pictures has a length, items {"image": uint8 [h, w, c]} of any sizes, `describe(i)`, and
`channels`, which all its pictures have. Three kinds go by a name (`open_pictures`):

    images:PATH   all image files of a folder, sorted by name, at any depth; or of its sub-folders
                  train, validation and test (or val, valid), each a part
    photographs   china.jpg and flower.jpg, of 427 x 640 pixels, which ship inside scikit-learn. The
                  columns 0 to 288 of both are for training, 288 to 416 for the test, and 416 to 640
                  for validation: no pixel is in two parts. The last two parts come in 3 pieces of
                  142 rows each
    scenes        of digits (`jaxvision.data.scenes`), of 128 x 128 pixels: 400 for training, 20 for
                  validation, 50 for the test

A folder's pictures stay grey or coloured as they are, and must then be alike; who asks for a number
of channels has them converted, as by every reader (`jaxvision.data.images`). A file whose three
channels are equal everywhere is grey, whatever it is saved as.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, TypedDict, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from jaxvision.data.bad_images import without_bad
from jaxvision.data.folder import EXTENSIONS, SPLITS
from jaxvision.data.image_file import numbered
from jaxvision.data.images import ImageError, check_channels, read_image
from jaxvision.data.scenes import DigitScenes
from jaxvision.data.splits import check_seed
from jaxvision.names import lookup

KINDS = {"photographs": None, "scenes": None, "images:PATH": "images:photos"}
NAMES = ("china.jpg", "flower.jpg")
COLUMNS = {"train": (0, 288), "validation": (416, 640), "test": (288, 416)}
PIECES, ROWS = 3, 142  # of the parts that are not learned from
SCENES = {"train": 400, "validation": 20, "test": 50}


class Picture(TypedDict):
    """An image and nothing else: it is its own target."""

    image: UInt8[np.ndarray, "h w c"]


@runtime_checkable
class PictureSource(Protocol):
    """Pictures in random access; reading is repeatable and safe in threads."""

    channels: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: SupportsIndex) -> Mapping[str, Any]: ...

    def describe(self, index: SupportsIndex) -> str: ...


class PictureFiles:
    """Image files, each read when it is asked for.

    Args:
        paths: the files.
        channels: 1 or 3: convert each to grey or colour. None: as the first file is, so must all
            be.

    Raises:
        ValueError: if there is no file, or no such number of channels.
        ImageError: if the first file is looked at and cannot be read.
    """

    def __init__(self, paths: Sequence[Path], channels: int | None = None):
        if not paths:
            raise ValueError("`paths` must name at least one image file, got none.")
        self.paths, self._convert = tuple(paths), channels is not None
        if channels is None:
            channels = _as_it_is(self.paths[0]).shape[2]
        check_channels(channels)
        self.channels = channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: SupportsIndex) -> Picture:
        """Reads one picture.

        Raises:
            ImageError: if the file cannot be read, or is in colour where the first one is grey, or
                the other way round.
        """
        path = self.paths[index]
        with numbered(f"Item {index}"):
            image = read_image(path, self.channels) if self._convert else _as_it_is(path)
        if image.shape[2] != self.channels:
            kinds = {1: "grey", 3: "in colour"}
            raise ImageError(
                f"{path}: is {kinds[image.shape[2]]}, and {self.paths[0]} is "
                f"{kinds[self.channels]}. Have all of them converted: `channels` 1 for grey, 3 for "
                "colour."
            )
        return {"image": image}

    def describe(self, index: SupportsIndex) -> str:
        return str(self.paths[index])


class Photographs:
    """One part of the two photographs; the module says which pixels it has.

    Args:
        part: "train", "validation" or "test".
        channels: 3 as they are, or 1 for grey.

    Raises:
        ValueError: if there is no such part, or `channels` is neither.
    """

    def __init__(self, part: str = "train", channels: int = 3):
        check_channels(channels)
        left, right = lookup("part", part, COLUMNS)
        self.channels, self._pictures, self._names = channels, [], []
        for file in photographs():
            image = read_image(file, channels)[:, left:right]
            pieces = [(0, len(image))]
            if part != "train":
                pieces = [(ROWS * i, ROWS * (i + 1)) for i in range(PIECES)]
            for top, bottom in pieces:
                self._pictures.append(image[top:bottom])
                self._names.append(f"{file.name}[{top}:{bottom}, {left}:{right}]")

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: SupportsIndex) -> Picture:
        return {"image": self._pictures[index]}

    def describe(self, index: SupportsIndex) -> str:
        return self._names[index]


def photographs() -> tuple[Path, Path]:
    """The files of the two photographs that ship inside scikit-learn: a temple, and a flower."""
    folder = Path(str(resources.files("sklearn.datasets"))) / "images"
    return folder / NAMES[0], folder / NAMES[1]


def open_pictures(
    spec: str,
    channels: int | None = None,
    *,
    validation_fraction: int | float | None = 0.1,
    split_seed: int = 0,
    max_bad: float | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, PictureSource]:
    """Opens pictures by name; the module says which there are.

    Args:
        spec: photographs, scenes, or images:PATH.
        channels: 1 for grey or 3 for colour; by default as they are (scenes: grey).
        validation_fraction: of a folder without parts, or with no validation among them: the part
            of its training pictures that is held out for it; None: nothing.
        split_seed: decides which.
        max_bad: of a folder: leave out pictures that cannot be read, if they are no larger a part
            of all than this (`bad_images`); None: such a picture is an error when it is read.
        note: is told what is left out.

    Returns:
        "train" and "validation"; and "test", where there is one. A folder with a single picture has
        "train" alone, and so has one without parts of which nothing is held out.

    Raises:
        ValueError: if the name is unknown, a folder has no pictures, or none to train on while some
            are held out, or those of its parts are not alike.
        FileNotFoundError: if there is no such folder.
    """
    kind, colon, path = spec.partition(":")
    example = lookup("data", "images:PATH" if kind + colon == "images:" else spec, KINDS)
    if example and not path:
        raise ValueError(f"`data` is {spec!r}, with nothing after the colon. Try {example!r}.")
    if channels is not None:
        check_channels(channels)
    if kind == "photographs":
        return {part: Photographs(part, channels or 3) for part in COLUMNS}
    if kind == "scenes":
        return {
            part: DigitScenes(n, part=part, channels=channels or 1) for part, n in SCENES.items()
        }
    parts = find_pictures(Path(path))
    if max_bad is not None:
        unread = {part: PictureFiles(files, 3) for part, files in parts.items()}
        left, _ = without_bad(unread, _some_files, max_bad, note)
        parts = {part: list(source.paths) for part, source in left.items()}
    if validation_fraction is not None:
        if "train" not in parts:
            raise ValueError(f"{path}: has the parts {', '.join(parts)}, and none to train on.")
        if "validation" not in parts and len(parts["train"]) > 1:
            held = _hold_out(parts["train"], validation_fraction, split_seed)
            parts["train"], parts["validation"] = held
    sources = {part: PictureFiles(files, channels) for part, files in parts.items()}
    first = next(iter(sources.values()))
    for part, source in sources.items():
        check_alike(source, first.channels, f"{path}, {part}")
    return dict(sources)


def find_pictures(root: Path) -> dict[str, list[Path]]:
    """The image files of each part of a folder, sorted; without parts, all are "train".

    What is hidden (a name begins with a dot) is passed over.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it is a file, or a part has no images.
    """
    root = root.expanduser()
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder. Check the path.")
    if not root.is_dir():
        raise ValueError(f"{root}: is a file. Give the folder that holds the pictures.")
    folders = [entry for entry in sorted(root.iterdir()) if entry.is_dir()]
    parts = {SPLITS[f.name.lower()]: f for f in folders if f.name.lower() in SPLITS}
    found = {part: _images_below(f) for part, f in (parts or {"train": root}).items()}
    for part, images in found.items():
        if not images:
            raise ValueError(
                f"{parts.get(part, root)}: has no images ({' '.join(EXTENSIONS)}). Put pictures "
                "there."
            )
    return found


def check_alike(source: PictureSource, channels: int, what: str) -> None:
    """Raises ValueError if the pictures of `source` have not as many channels as others."""
    if source.channels != channels:
        kinds = {1: "grey", 3: "in colour"}
        raise ValueError(
            f"{what}: is {kinds[source.channels]}, and what is learned from is {kinds[channels]}. "
            "Have both converted: `--channels 1` for grey, 3 for colour."
        )


def _images_below(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _as_it_is(path: Path) -> UInt8[np.ndarray, "h w c"]:
    image = read_image(path, 3)
    grey = image[:, :, :1]
    return grey if np.array_equal(np.broadcast_to(grey, image.shape), image) else image


def _some_files(source: PictureFiles, rows: list[int]) -> PictureFiles:
    return PictureFiles([source.paths[row] for row in rows], source.channels)


def _hold_out(paths: list[Path], fraction: int | float, seed: int) -> tuple[list[Path], list[Path]]:
    """(the larger part, `fraction` of them, at least one), both sorted."""
    check_seed(seed)
    count = min(max(1, round(len(paths) * fraction)), len(paths) - 1)
    order = np.random.default_rng(seed).permutation(len(paths))
    held = {paths[i] for i in order[:count]}
    return [path for path in paths if path not in held], sorted(held)
