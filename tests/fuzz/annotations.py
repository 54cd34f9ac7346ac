"""VOC's and COCO's annotations, damaged: they are read, or refused in one line that names the file.

What is read keeps the rules: boxes within their image, labels that are classes.
"""

import json
from pathlib import Path

import numpy as np

from jaxvision.data.coco import COCOSource
from jaxvision.data.voc_file import read_voc_file

VOC = """<?xml version="1.0" encoding="UTF-8"?>
<annotation>
  <folder>VOC2007</folder>
  <filename>0001.jpg</filename>
  <size><width>640</width><height>480</height><depth>3</depth></size>
  <segmented>0</segmented>
  <object>
    <name>caf&#233;</name><pose>Left</pose><truncated>0</truncated><difficult>1</difficult>
    <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>640</xmax><ymax>480</ymax></bndbox>
  </object>
  <object>
    <name>cell</name>
    <bndbox><xmin>12.5</xmin><ymin>1e1</ymin><xmax>100</xmax><ymax>99</ymax></bndbox>
    <part><name>wall</name></part>
  </object>
</annotation>
"""
NO_OBJECT = b"<annotation><filename/><size><width>0</width><height>0</height></size></annotation>"
COCO = {
    "info": {"description": "two images, é"},
    "images": [
        {"id": 7, "file_name": "a.png", "height": 8, "width": 12},
        {"id": 9, "file_name": "b.png", "height": 10, "width": 10, "license": 1},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 4.5, 4], "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 18, "bbox": [1, 2, 9, 8], "iscrowd": 1, "area": 72},
        {"image_id": 9, "category_id": 18, "bbox": [0.5, 1e-3, 9.75, 8], "segmentation": [[1, 2]]},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}],
}


def corpus() -> list[tuple[str, bytes]]:
    return [
        (".xml", VOC.encode()),
        (".xml", VOC.replace("UTF-8", "UTF-16").encode("utf-16")),
        (".xml", NO_OBJECT),
        (".json", json.dumps(COCO).encode()),
        (".json", json.dumps(COCO, indent=1, ensure_ascii=False).encode()),
    ]


def check(suffix: str, data: bytes, folder: Path) -> None:
    """Raises if the file is neither read by the rules nor refused as it ought to be."""
    path = folder / f"annotations{suffix}"
    path.write_bytes(data)
    for image in (folder / "a.png", folder / "b.png"):
        if not image.exists():
            image.touch()  # enough: it is opened when it is asked for, and not before
    try:
        if suffix == ".xml":
            _check_voc(path)
        else:
            _check_coco(path, folder)
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        assert str(path) in message, f"the message does not name the file: {message}"
        assert message.isprintable() and len(message) < 20_000, f"no line to print: {message!r}"


def _check_voc(path: Path) -> None:
    found = read_voc_file(path)
    assert found.size is None or min(found.size) >= 1, found.size
    assert all(each.class_name and len(each.box) == 4 for each in found.objects)
    assert "/" not in found.image_name


def _check_coco(path: Path, folder: Path) -> None:
    source = COCOSource(path, folder)
    for index in range(len(source)):
        objects = source.objects(index)
        assert source.paths[index].resolve().is_relative_to(folder.resolve()), "an image elsewhere"
        boxes, labels = objects.boxes, objects.labels
        assert np.isfinite(boxes).all() and (boxes >= 0).all()
        assert (boxes[:, :2] <= boxes[:, 2:]).all() and np.isin(
            labels, range(len(source.classes))
        ).all()
        assert (boxes[:, 2] <= objects.width).all() and (boxes[:, 3] <= objects.height).all()
