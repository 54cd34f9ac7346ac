"""Images with boxes as PASCAL VOC keeps them: an XML file for each image.

Everingham, Van Gool, Williams, Winn & Zisserman, "The Pascal Visual Object Classes (VOC)
Challenge", IJCV 2010, and its development kit.

    cells/Annotations/0001.xml             cells/ImageSets/Main/train.txt    0001
    cells/JPEGImages/0001.jpg              cells/ImageSets/Main/val.txt      0002 ...

VOC counts pixels from 1, and a box's last pixel belongs to it:

    left = xmin - 1    top = ymin - 1    right = xmax    bottom = ymax

so xmin = xmax is one pixel wide (the blood cells of BCCD have two boxes of 1 x 1). In a file that
counts from 0 the boxes are one pixel off, and those at the left or upper border are cut there by
that pixel (`annotations`); `remarks` tells which. Coordinates may be fractions, as in VOC 2011.

An image's file is the one in JPEGImages that has the XML's name; if there is none, or several
with different endings, the one that <filename> names. <size> may be missing or 0 x 0: then the
image's own head is read. What has no <difficult> or <truncated> is neither. The parts of objects,
actions and segmentations are not read.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import SupportsIndex

import numpy as np
from jaxtyping import Bool

from jaxvision.data.annotations import (
    Annotation,
    class_index,
    image_size,
    read_annotated,
    read_objects,
)
from jaxvision.data.folder import EXTENSIONS
from jaxvision.data.images import check_channels
from jaxvision.data.objects import AnnotatedItem, Objects
from jaxvision.data.voc_file import VOCFile, VOCObject, read_voc_file

SPLITS = {"train": "train", "val": "validation", "test": "test"}


class VOCSource:
    """One split of a VOC folder; the module gives the rules.

    The annotations are all read here; an image, when it is asked for.

    Args:
        root: the folder that holds Annotations, JPEGImages and ImageSets.
        split: a file in ImageSets/Main: "train", "val", "trainval", "test".
        classes: the names in the order of the labels; by default those in any split, sorted.
        channels: 1 for grey, 3 for RGB.

    Attributes:
        paths: the image files.
        remarks: a line for each box that was cut or left out.

    Raises:
        FileNotFoundError: if the split's file, an annotation or an image is missing.
        ValueError: if an annotation is not as VOC has them, its class is not in `classes`, or
            `channels` is neither 1 nor 3.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        classes: Sequence[str] | None = None,
        channels: int = 3,
    ):
        check_channels(channels)
        self.root, self.channels = Path(root).expanduser(), channels
        names = _names_in(_split_file(self.root, split))
        self.classes = class_names(self.root) if classes is None else tuple(classes)
        known = {name: label for label, name in enumerate(self.classes)}
        folder = self.root / "JPEGImages"
        images = _image_files(folder)
        self._objects, self._truncated, paths, remarks = [], [], [], []
        for name in names:
            file = read_voc_file(_annotation_file(self.root, name))
            image = _image_of(file, images, folder)
            height, width = file.size or image_size(image, str(image))
            rows = [_annotation(o, file.path, known) for o in file.objects]
            reading = read_objects(str(file.path), height, width, rows)
            truncated = np.array([file.objects[i].truncated for i in reading.kept], bool)
            truncated.flags.writeable = False
            self._objects.append(reading.objects)
            self._truncated.append(truncated)
            paths.append(image)
            remarks += reading.remarks
        self.paths, self.remarks = tuple(paths), tuple(remarks)

    def __len__(self) -> int:
        return len(self.paths)

    def objects(self, index: SupportsIndex) -> Objects:
        return self._objects[index]

    def truncated(self, index: SupportsIndex) -> Bool[np.ndarray, " k"]:
        """Which of an image's objects are larger than their boxes: cut off or behind something."""
        return self._truncated[index]

    def __getitem__(self, index: SupportsIndex) -> AnnotatedItem:
        """Reads one image; `read_annotated` says which errors there are."""
        return read_annotated(index, self.paths[index], self.channels, self._objects[index])

    def describe(self, index: SupportsIndex) -> str:
        return str(self.paths[index])


def open_voc(
    path: str | Path, classes: Sequence[str] | None = None, channels: int = 3
) -> dict[str, VOCSource]:
    """Opens the splits of a VOC folder: "train", "validation" (val.txt) and "test".

    They are as many as there are files. If neither train.txt nor val.txt is there, trainval.txt is
    "train"; beside both it has nothing new, and is not read.

    Args:
        path: the folder.
        classes: their names in order; by default those of the files, sorted, as `VOCSource` has it.
        channels: that images are read with: 3 for RGB, 1 for grey.

    Raises:
        FileNotFoundError: if a file is missing, or there is none of these splits.
        ValueError: if trainval.txt has one of its halves beside it; and as `VOCSource`.
    """
    root = Path(path).expanduser()
    there = _splits(root)
    files = {key: name for name, key in SPLITS.items() if name in there}
    if "trainval" in there and len({"train", "val"} & there) == 1:
        half, other = ("train", "val") if "train" in there else ("val", "train")
        raise ValueError(
            f"{_split_file(root, 'trainval')}: beside it is {half}.txt but no {other}.txt, so that "
            f"what is in both would be used twice. Write {other}.txt, or remove trainval.txt."
        )
    if "trainval" in there:
        files = {"train": "trainval"} | files
    classes = class_names(root) if classes is None else classes
    return {key: VOCSource(root, name, classes, channels) for key, name in files.items()}


def class_names(root: str | Path) -> tuple[str, ...]:
    """The classes of all objects in any split, sorted by name.

    Raises:
        FileNotFoundError: if a file is missing, or there are no splits.
        ValueError: if an annotation cannot be read.
    """
    root = Path(root).expanduser()
    names = {
        name for split in sorted(_splits(root)) for name in _names_in(_split_file(root, split))
    }
    files = (read_voc_file(_annotation_file(root, name)) for name in sorted(names))
    return tuple(sorted({found.class_name for file in files for found in file.objects}))


def _annotation(found: VOCObject, path: Path, known: dict[str, int]) -> Annotation:
    label = class_index(f"{path}: {found.name}", found.class_name, known)
    return Annotation(found.name, found.written, found.box, label, found.difficult)


def _splits(root: Path) -> set[str]:
    """The splits that have a file; of others in the folder, as aeroplane_train.txt, none is one."""
    there = {name for name in (*SPLITS, "trainval") if _split_file(root, name).is_file()}
    if not there:
        raise FileNotFoundError(
            f"{root}: has no ImageSets/Main/train.txt, nor val.txt, test.txt or trainval.txt. "
            "Check the path, or write trainval.txt: an annotation's name, without .xml, a line."
        )
    return there


def _split_file(root: Path, split: str) -> Path:
    return root / "ImageSets" / "Main" / f"{split}.txt"


def _annotation_file(root: Path, name: str) -> Path:
    return root / "Annotations" / f"{name}.xml"


def _names_in(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: no such split. Check the path and its name.") from None
    names = [line.strip() for line in lines if line.strip()]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if not names or twice is not None:
        fault = "is empty" if not names else f"has {twice!r} twice"
        raise ValueError(f"{file}: {fault}. It must name each annotation of the split once.")
    outside = next((name for name in names if PureWindowsPath(name).name != name), None)
    if outside is not None:
        raise ValueError(
            f"{file}: must have names of files in Annotations, without a folder, got {outside!r}. "
            "Correct it, or move the annotation there."
        )
    return names


def _image_files(folder: Path) -> dict[str, list[Path]]:
    """The images of a folder by their names without the ending; read once, and not for each."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder. The images must be in there.")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in EXTENSIONS:
            files.setdefault(path.stem, []).append(path)
    return files


def _image_of(file: VOCFile, images: dict[str, list[Path]], folder: Path) -> Path:
    found = images.get(file.path.stem, [])
    if len(found) == 1:
        return found[0]
    named = folder / file.image_name
    if not named.is_file():
        raise FileNotFoundError(
            f"{file.path}: {folder} has {len(found)} images called {file.path.stem}, and none "
            f"called {file.image_name!r} (<filename>). Add it, or take the annotation out of "
            "ImageSets/Main."
        )
    return named
