"""A folder of images as a data set: a sub-folder is a class, and its name is the class's name.

    photos/ants/*.jpg                     photos/train/ants/*.jpg   photos/val/ants/*.jpg
    photos/bees/*.jpg                     photos/train/bees/*.jpg   photos/val/bees/*.jpg
    one data set, {"train": ...}          one for each split, with the same classes

Classes and images are sorted by name. Everything hidden (its name begins with a dot) is passed
over. Inside a class folder images may lie at any depth. Links are followed, except a link to a
folder inside a class, which could lead in circles.
"""

import os
from pathlib import Path
from typing import SupportsIndex

import numpy as np

from jaxvision.data.image_file import numbered
from jaxvision.data.images import check_channels, read_image
from jaxvision.data.sources import Item

EXTENSIONS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


class FolderSource:
    """The images below `root`, which has a sub-folder for each class; the module gives the rules.

    Only names are read here; an image is read, whole, each time it is asked for.

    Attributes:
        paths: the image files, in the order of the labels.
        ignored: what is visible but no image by its extension (or in no class): nothing is left
            out without being listed here.

    Raises:
        FileNotFoundError: if `root` does not exist.
        ValueError: if `root` is no folder, has fewer than two class folders, or an empty one; or
            `channels` is neither 1 (grey) nor 3 (RGB).
    """

    def __init__(self, root: str | Path, channels: int = 3):
        check_channels(channels)
        self.root, self.channels = Path(root).expanduser(), channels
        folders, files = _visible(self.root)
        _check_layout(self.root, folders, files)
        paths, labels, ignored = [], [], files
        for label, folder in enumerate(folders):
            images, others = _walk(folder)
            if not images:
                raise ValueError(
                    f"{folder}: the class {folder.name!r} has no image, and {len(others)} other "
                    f"files. Put images there ({' '.join(EXTENSIONS)}), or remove the folder."
                )
            paths += images
            labels += [label] * len(images)
            ignored += others
        self.classes = tuple(folder.name for folder in folders)
        self.paths, self.ignored = tuple(paths), tuple(ignored)
        self.labels = np.array(labels, np.int32)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: SupportsIndex) -> Item:
        """Reads one image.

        Raises:
            ImageError: if the file cannot be read whole; names it, its index and its class.
        """
        label = int(self.labels[index])
        with numbered(f"Item {index}, class {self.classes[label]!r}"):
            return {"image": read_image(self.paths[index], self.channels), "label": label}

    def describe(self, i: int) -> str:
        return str(self.paths[i])


def open_folder(path: str | Path, channels: int = 3) -> dict[str, FolderSource]:
    """Opens a folder of class folders, or of splits that are such folders.

    It is split if its sub-folders are `train` and any of `val` (or `valid`, `validation`) and
    `test`, in any case; they come back as "train", "validation" and "test". Else all is "train".

    Args:
        path: the folder.
        channels: that images are read with: 3 for RGB, 1 for grey.

    Raises:
        FileNotFoundError: if `path` does not exist.
        ValueError: if splits and other folders are mixed, `train` is missing, two folders are the
            same split, or their classes differ; and all that `FolderSource` raises.
    """
    root = Path(path).expanduser()
    folders, _ = _visible(root)
    splits = [folder for folder in folders if folder.name.lower() in SPLITS]
    others = [folder.name for folder in folders if folder not in splits]
    # A lone `train` beside other folders is a class: the vehicle. With `test` it can be none.
    if not splits or (others and len(splits) == 1):
        return {"train": FolderSource(root, channels)}
    names = [folder.name for folder in splits]
    keys = [SPLITS[name.lower()] for name in names]
    if others:
        raise ValueError(
            f"{root}: has splits ({', '.join(names)}) and other folders ({', '.join(others)}). "
            "Move either elsewhere."
        )
    if "train" not in keys or len(set(keys)) < len(keys):
        raise ValueError(
            f"{root}: has the splits {', '.join(names)}. There must be `train`, and of `val` and "
            "`test` at most one each: rename the folders."
        )
    sources = {
        key: FolderSource(folder, channels) for key, folder in zip(keys, splits, strict=True)
    }
    for folder, source in zip(splits, sources.values(), strict=True):
        difference = set(source.classes) ^ set(sources["train"].classes)
        if difference:
            raise ValueError(
                f"{root}: `train` and `{folder.name}` must have the same classes, but only one of "
                f"them has {', '.join(sorted(difference))}. Add or remove those folders."
            )
    return sources


def _visible(root: Path) -> tuple[list[Path], list[Path]]:
    """The sub-folders and the files of `root` that are not hidden, each sorted by name."""
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder. Check the path.")
    if not root.is_dir():
        raise ValueError(f"{root}: is a file. Give the folder that holds the class folders.")
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    return [e for e in entries if e.is_dir()], [e for e in entries if not e.is_dir()]


def _check_layout(root: Path, folders: list[Path], files: list[Path]) -> None:
    if len(folders) >= 2:
        return
    if folders:
        found = f"only one class folder, {folders[0].name!r}, and one class cannot be told apart"
    elif any(file.suffix.lower() in EXTENSIONS for file in files):
        found = "images, but no class folders"
    else:
        found = "no class folders"
    raise ValueError(
        f"{root}: has {found}. Sort the images into one folder for each class: "
        f"{root / 'cat'}/1.jpg, {root / 'dog'}/2.jpg."
    )


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """All visible files below `folder`: those named like images, and the others; sorted."""
    images, others = [], []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        visible = [name for name in folders if not name.startswith(".")]
        folders[:] = visible
        others += [Path(parent, name) for name in visible if Path(parent, name).is_symlink()]
        for name in files:
            if not name.startswith("."):
                is_image = Path(name).suffix.lower() in EXTENSIONS
                (images if is_image else others).append(Path(parent, name))
    return sorted(images), sorted(others)


def _raise(error: OSError) -> None:
    raise error  # a folder that may not be listed must not pass for an empty one
