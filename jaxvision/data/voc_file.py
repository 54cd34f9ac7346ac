"""One XML file of PASCAL VOC: what is in an image, how large it is, what it is called.

    <annotation>
      <filename>0001.jpg</filename>
      <size> <width>640</width> <height>480</height> </size>
      <object>
        <name>cell</name> <truncated>0</truncated> <difficult>0</difficult>
        <bndbox> <xmin>1</xmin> <ymin>1</ymin> <xmax>640</xmax> <ymax>480</ymax> </bndbox>
      </object> ...

Pixels are counted from 1, and a box's last pixel belongs to it: left = xmin - 1, right = xmax. A
document type is refused: its entities are the way in which an XML file can expand without end, or
fetch other files. VOC has none.
"""

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from jaxvision.data.annotations import Box

EDGES = ("xmin", "ymin", "xmax", "ymax")


class VOCObject(NamedTuple):
    """An <object> of the file."""

    name: str  # of it in the file, for a message: "object 1" is the first
    class_name: str
    written: str  # the box as the file has it
    box: Box  # (left, top, right, bottom), from 0
    difficult: bool
    truncated: bool


class VOCFile(NamedTuple):
    """What an annotation says."""

    path: Path
    objects: list[VOCObject]
    size: tuple[int, int] | None  # height and width; None where <size> is missing or 0 x 0
    image_name: str  # <filename>, without a folder; may be empty


def read_voc_file(path: Path) -> VOCFile:
    """Reads one annotation; the boxes are as they stand there, right or wrong.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is no XML, has a document type, or lacks what VOC has.
    """
    tree = _parse(path)
    objects = [
        _object(f"object {place}", path, element)
        for place, element in enumerate(tree.findall("object"), start=1)
    ]
    return VOCFile(path, objects, _size(path, tree), Path(tree.findtext("filename") or "").name)


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a document type before one of its entities could expand to gigabytes."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a document type, which VOC has none of")


def _parse(path: Path) -> ElementTree.Element:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: no such annotation. Add it, or take its name out of ImageSets/Main."
        ) from None
    try:
        tree = ElementTree.fromstring(data, ElementTree.XMLParser(target=_NoDoctype()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # of syntax, and encoding
        raise ValueError(f"{path}: is no XML that can be read ({error}). Write it anew.") from error
    if tree.tag != "annotation":
        raise ValueError(
            f"{path}: must be one <annotation>, got <{tree.tag}>. Give annotations as VOC has them."
        )
    return tree


def _object(name: str, path: Path, element: ElementTree.Element) -> VOCObject:
    where = f"{path}: {name}"
    class_name = (element.findtext("name") or "").strip()
    if not class_name:
        raise ValueError(f"{where}: must have a <name>, its class. Add it.")
    xmin, ymin, xmax, ymax = edges = [_number(where, f"bndbox/{edge}", element) for edge in EDGES]
    written = ", ".join(f"{edge} {value:g}" for edge, value in zip(EDGES, edges, strict=True))
    return VOCObject(
        name,
        class_name,
        f"({written})",
        (xmin - 1, ymin - 1, xmax, ymax),
        _flag(where, "difficult", element),
        _flag(where, "truncated", element),
    )


def _number(where: str, tag: str, element: ElementTree.Element) -> float:
    text = element.findtext(tag)
    try:
        return float(text)
    except (TypeError, ValueError):
        given = "none" if text is None else repr(text)
        raise ValueError(f"{where}: <{tag}> must be a number, got {given}. Correct it.") from None


def _flag(where: str, tag: str, element: ElementTree.Element) -> bool:
    text = (element.findtext(tag) or "0").strip()
    if text not in ("0", "1"):
        raise ValueError(f"{where}: <{tag}> must be 0 or 1, got {text!r}. Correct it.")
    return text == "1"


def _size(path: Path, tree: ElementTree.Element) -> tuple[int, int] | None:
    """Height and width, if they are annotated."""
    if tree.find("size") is None:
        return None
    height, width = (_number(f"{path}", f"size/{side}", tree) for side in ("height", "width"))
    if height == width == 0:
        return None
    if not (height >= 1 and width >= 1 and height % 1 == width % 1 == 0):
        raise ValueError(
            f"{path}: <size> must be of whole numbers from 1 on, got {width:g} x {height:g}. "
            "Correct it, or remove it."
        )
    return int(height), int(width)
