"""Images with boxes as COCO keeps them: one JSON file for a whole split.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and https://cocodataset.org,
"Data format". Of it is read

    images         id, file_name, height, width
    annotations    id, image_id, category_id, bbox [x, y, width, height], iscrowd
    categories     id, name

    left = x    top = y    right = x + width    bottom = y + height

The ids of the categories may have gaps: a label is the place among them, sorted. An image without
annotations is one without objects. Segmentation masks and keypoints are not read.
"""

import json
from pathlib import Path, PureWindowsPath
from typing import Any, SupportsIndex

from jaxvision.data.annotations import Annotation, class_index, read_annotated, read_objects
from jaxvision.data.folder import SPLITS
from jaxvision.data.images import check_channels
from jaxvision.data.objects import AnnotatedItem, Objects

EXPORTED = ("_annotations.coco.json", "annotations.json")
KEYS = {
    "images": ("id", "file_name", "height", "width"),
    "annotations": ("image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


class COCOSource:
    """The images of one annotation file; the module gives the rules.

    The annotations are all read here; an image, when it is asked for.

    Args:
        annotations: the JSON file.
        images: the folder that its file names are in.
        channels: 1 for grey, 3 for RGB.

    Attributes:
        paths: the image files, in the order of the file.
        remarks: a line for each box that was cut or left out.

    Raises:
        FileNotFoundError: if the file or an image is missing.
        ValueError: if the file is not as COCO's are, or `channels` is neither 1 nor 3.
    """

    def __init__(self, annotations: str | Path, images: str | Path, channels: int = 3):
        check_channels(channels)
        file, folder = Path(annotations).expanduser(), Path(images).expanduser()
        self.channels = channels
        content = _read(file)
        categories = _by_id(file, "categories", content)
        self.classes = tuple(str(categories[i]["name"]) for i in sorted(categories))
        known = {i: label for label, i in enumerate(sorted(categories))}
        entries = _by_id(file, "images", content)
        found: dict[Any, list[Annotation]] = {i: [] for i in entries}
        for place, entry in enumerate(content["annotations"]):
            name = f"annotation {entry['id']}" if "id" in entry else f"annotations[{place}]"
            where = f"{file}: {name}"
            for key in ("image_id", "category_id"):
                if not isinstance(entry[key], int):
                    raise ValueError(
                        f"{where}: {key} must be a whole number, got {entry[key]!r}. Correct it."
                    )
            if entry["image_id"] not in found:
                raise ValueError(
                    f"{where}: there is no image with its image_id {entry['image_id']!r}. Remove "
                    "it, or add the image."
                )
            label = class_index(where, entry["category_id"], known)
            box, crowd = _box(where, entry["bbox"]), bool(entry.get("iscrowd", 0))
            row = Annotation(name, f"bbox {entry['bbox']}", box, label, crowd=crowd)
            found[entry["image_id"]].append(row)
        self._objects, paths, remarks = [], [], []
        for i, entry in entries.items():
            height, width = _size(file, entry)
            reading = read_objects(str(file), height, width, found[i])
            self._objects.append(reading.objects)
            paths.append(folder / _file_name(file, entry))
            remarks += reading.remarks
        self.paths, self.remarks = tuple(paths), tuple(remarks)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{file}: of its {len(paths)} images {len(missing)} are missing, first "
                f"{missing[0]}. Add them, or give the folder that they are in."
            )

    def __len__(self) -> int:
        return len(self.paths)

    def objects(self, index: SupportsIndex) -> Objects:
        return self._objects[index]

    def __getitem__(self, index: SupportsIndex) -> AnnotatedItem:
        """Reads one image; `read_annotated` says which errors there are."""
        return read_annotated(index, self.paths[index], self.channels, self._objects[index])

    def describe(self, index: SupportsIndex) -> str:
        return str(self.paths[index])


def open_coco(path: str | Path, channels: int = 3) -> dict[str, COCOSource]:
    """Opens the splits below a folder, as COCO or as common tools lay them out.

        annotations/instances_train2017.json    train2017/*.jpg (or images/train2017/*.jpg)
        annotations/instances_val2017.json      val2017/*.jpg

        train/_annotations.coco.json (or annotations.json)    train/*.jpg
        valid/_annotations.coco.json                          valid/*.jpg

    They come back as "train", "validation" (val, valid) and "test", as many as there are.

    Args:
        path: the folder.
        channels: that images are read with: 3 for RGB, 1 for grey.

    Raises:
        FileNotFoundError: if `path`, a folder of images or an image does not exist, or `path` has
            no such files.
        ValueError: if two files are of the same split, or splits have different classes; and as
            `COCOSource`.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder. Check the path.")
    found: dict[str, list[tuple[Path, Path]]] = {}
    for file in sorted(root.glob("annotations/instances_*.json")):
        name = file.stem.removeprefix("instances_")
        key = SPLITS.get(name.rstrip("0123456789_-").lower())
        if key:
            found.setdefault(key, []).append((file, _images_of(root, name, file)))
    for folder in sorted(root.iterdir()):
        files = [folder / name for name in EXPORTED if (folder / name).is_file()]
        if files and (key := SPLITS.get(folder.name.lower())):
            found.setdefault(key, []).extend((file, folder) for file in files)
    if not found:
        raise FileNotFoundError(
            f"{root}: has no annotations/instances_train*.json, nor train/{EXPORTED[0]} or "
            f"train/{EXPORTED[1]}. Check the path, or bring the files into one of these layouts."
        )
    for key, files in found.items():
        if len(files) > 1:
            raise ValueError(
                f"{root}: {key} must be one file, but it is {files[0][0]} and {files[1][0]}. Move "
                "one elsewhere."
            )
    order = dict.fromkeys(SPLITS.values())
    sources = {key: COCOSource(*found[key][0], channels) for key in order if key in found}
    (first, expected), *others = sources.items()
    for key, source in others:
        if source.classes != expected.classes:
            raise ValueError(
                f"{root}: {first} and {key} must have the same categories in the same order, got "
                f"{len(expected.classes)} and {len(source.classes)}, which differ in "
                f"{', '.join(sorted({*expected.classes} ^ {*source.classes})) or 'their order'}. "
                "Write the same categories into both files."
            )
    return sources


def _images_of(root: Path, name: str, file: Path) -> Path:
    for folder in (root / name, root / "images" / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"{file}: its images must be in {root / name} or {root / 'images' / name}, and neither "
        "folder exists. Move them there, or call `COCOSource` with their folder."
    )


def _read(file: Path) -> dict[str, Any]:
    """The content, with all the keys that there must be."""
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: no such annotation file. Check the path.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{file}: is no JSON that can be read ({error}). Write it anew."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{file}: must be an object with {', '.join(KEYS)}, got a {type(content).__name__}. "
            "Give a file as COCO's instances_train2017.json."
        )
    for part, keys in KEYS.items():
        entries = content.get(part)
        if not isinstance(entries, list):
            raise ValueError(
                f"{file}: must have a list {part!r}, got "
                f"{'none' if part not in content else type(entries).__name__}. Give a file as "
                "COCO's instances_train2017.json."
            )
        for place, entry in enumerate(entries):
            lacking = [k for k in keys if not isinstance(entry, dict) or entry.get(k) is None]
            if lacking:
                raise ValueError(
                    f"{file}: {part}[{place}] must have {', '.join(keys)}, but has no "
                    f"{lacking[0]}. Add it, or remove the entry."
                )
    return content


def _by_id(file: Path, part: str, content: dict[str, Any]) -> dict[Any, dict]:
    entries: dict[Any, dict] = {}
    for place, entry in enumerate(content[part]):
        if not isinstance(entry["id"], int) or entry["id"] in entries:
            raise ValueError(
                f"{file}: {part}[{place}] must have an id of its own, a whole number, got "
                f"{entry['id']!r}. Number them anew."
            )
        entries[entry["id"]] = entry
    return entries


def _box(where: str, bbox: Any) -> tuple[float, float, float, float]:
    numbers = isinstance(bbox, list) and all(isinstance(v, int | float) for v in bbox)
    if not numbers or len(bbox) != 4:
        raise ValueError(
            f"{where}: bbox must be four numbers [x, y, width, height], got {bbox!r}. Correct it."
        )
    x, y, width, height = map(float, bbox)
    return x, y, x + width, y + height


def _file_name(file: Path, entry: dict) -> str:
    """A name below the folder: a file from elsewhere must not lead out of it."""
    name = entry["file_name"]
    parts = PureWindowsPath(name).parts if isinstance(name, str) else ("..",)  # both / and \
    if ".." in parts or not name or PureWindowsPath(name).anchor:
        raise ValueError(
            f"{file}: image {entry['id']} must have a file_name below the folder of images, got "
            f"{name!r}. Correct it, or move the image there."
        )
    return name


def _size(file: Path, entry: dict) -> tuple[int, int]:
    height, width = entry["height"], entry["width"]
    if not all(isinstance(side, int) and side >= 1 for side in (height, width)):
        raise ValueError(
            f"{file}: image {entry['id']} must have a height and a width, whole numbers from 1 on, "
            f"got {height!r} and {width!r}. Correct them."
        )
    return height, width
