"""A VOC folder is read as VOC counts; what is wrong in it is named; BCCD is read whole."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from jaxvision.data import AnnotatedSource, ImageError, VOCSource, open_voc

CAT = {"name": "cat", "box": (1, 1, 30, 20)}


def raises(kind, *words):
    """Expects an error of one line that says all of `words`."""
    return pytest.raises(
        kind, check=lambda e: "\n" not in str(e) and all(str(w) in str(e) for w in words)
    )


def xml_of(*objects, filename="elsewhere.jpg", size=(30, 20)):
    def text(name, box, **flags):
        edges = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        inner = "".join(f"<{edge}>{value}</{edge}>" for edge, value in edges)
        more = "".join(f"<{flag}>{value}</{flag}>" for flag, value in flags.items())
        part = "<part><name>head</name><bndbox><xmin>-99</xmin></bndbox></part>"
        return f"<object><name>{name}</name>{more}{part}<bndbox>{inner}</bndbox></object>"

    width, height = size
    return (
        f"<annotation><filename>{filename}</filename><size><width>{width}</width>"
        f"<height>{height}</height></size>{''.join(text(**o) for o in objects)}</annotation>"
    )


@pytest.fixture
def voc(tmp_path):
    """Makes a VOC folder: what is in which split, as XML text."""

    def make(image=(30, 20), ending=".jpg", **splits):
        for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for split, files in splits.items():
            for name, text in files.items():
                (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
                Image.new("RGB", image, "red").save(tmp_path / "JPEGImages" / f"{name}{ending}")
            (tmp_path / "ImageSets" / "Main" / f"{split}.txt").write_text(
                "".join(f"{name}\n" for name in files) + "\n"
            )
        return tmp_path

    return make


def test_pixels_are_counted_from_1_and_the_last_one_belongs_to_the_box(voc):
    whole, one = CAT, {"name": "ant", "box": (5, 7, 5, 7)}
    root = voc(train={"0001": xml_of(whole, one, {"name": "cat", "box": (2.5, 3, 4, 5.25)})})
    source = VOCSource(root, "train")
    assert isinstance(source, AnnotatedSource)
    assert source.classes == ("ant", "cat") and len(source) == 1
    objects = source.objects(0)
    np.testing.assert_array_equal(objects.boxes, [[0, 0, 30, 20], [4, 6, 5, 7], [1.5, 2, 4, 5.25]])
    assert objects.labels.tolist() == [1, 0, 1]
    assert (objects.height, objects.width) == (20, 30) and source.remarks == ()
    item = source[0]
    assert item["image"].shape == (20, 30, 3) and item["objects"] is objects
    assert source.describe(0) == str(source.paths[0]) == str(root / "JPEGImages" / "0001.jpg")
    assert VOCSource(root, "train", channels=1)[0]["image"].shape == (20, 30, 1)


def test_flags_and_what_has_none(voc):
    objects = [
        CAT,
        CAT | {"difficult": 1, "truncated": 0},
        {"name": "cat", "box": (0, 3, 0, 9), "truncated": 0},  # nothing is left of it
        CAT | {"difficult": 0, "truncated": 1},
    ]
    source = VOCSource(voc(train={"a": xml_of(*objects)}), "train")
    assert source.objects(0).difficult.tolist() == [False, True, False]
    assert source.truncated(0).tolist() == [False, False, True]
    assert not source.objects(0).crowd.any()


def test_a_file_that_counts_from_0_is_cut_and_said(voc):
    source = VOCSource(voc(val={"a": xml_of({"name": "cat", "box": (0, 3, 9, 8)})}), "val")
    np.testing.assert_array_equal(source.objects(0).boxes, [[0, 2, 9, 8]])
    (remark,) = source.remarks
    assert "a.xml: object 1: its box (xmin 0, ymin 3, xmax 9, ymax 8) was cut" in remark


def test_an_image_without_objects(voc):
    item = VOCSource(voc(train={"a": xml_of()}), "train", ["cat"])[0]
    assert item["objects"].boxes.shape == (0, 4) and item["image"].any()


def test_splits_have_the_same_classes(voc):
    ant, bee = ({"name": name, "box": (1, 1, 2, 2)} for name in ("ant", "bee"))
    root = voc(train={"a": xml_of(CAT)}, val={"b": xml_of(bee), "c": xml_of()})
    sources = open_voc(root)
    assert {key: len(source) for key, source in sources.items()} == {"train": 1, "validation": 2}
    assert all(source.classes == ("bee", "cat") for source in sources.values())
    assert sources["validation"].objects(0).labels.tolist() == [0]
    assert VOCSource(root, "train").classes == ("bee", "cat")
    given = open_voc(root, ["cat", "dog", "bee"])["validation"]
    assert given.classes == ("cat", "dog", "bee") and given.objects(0).labels.tolist() == [2]
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\nc\n")
    assert {key: len(s) for key, s in open_voc(root).items()} == {"train": 1, "validation": 2}
    voc(test={"d": xml_of(ant)})
    assert list(open_voc(root)) == ["train", "validation", "test"]
    assert open_voc(root)["train"].classes == ("ant", "bee", "cat")


def test_trainval_alone_is_all_to_train_on(voc):
    root = voc(trainval={"a": xml_of(CAT), "b": xml_of()}, test={"c": xml_of()})
    assert {key: len(s) for key, s in open_voc(root).items()} == {"train": 2, "test": 1}
    (root / "ImageSets" / "Main" / "val.txt").write_text("b\n")
    with raises(ValueError, "trainval.txt", "val.txt but no train.txt", "used twice", "Write"):
        open_voc(root)


def test_the_image_is_found_by_the_name_of_the_xml_and_then_by_filename(voc):
    root = voc(ending=".PNG", train={"a": xml_of(filename="/home/me/b.bmp")})
    images = root / "JPEGImages"
    assert VOCSource(root, "train").paths == (images / "a.PNG",)
    Image.new("RGB", (30, 20)).save(images / "b.bmp")
    assert VOCSource(root, "train").paths == (images / "a.PNG",)
    Image.new("RGB", (30, 20)).save(images / "a.jpg")
    assert VOCSource(root, "train").paths == (images / "b.bmp",)  # of two a, none is the one
    (images / "b.bmp").unlink()
    with raises(FileNotFoundError, "a.xml", "2 images called a", "'b.bmp' (<filename>)", "ImageS"):
        VOCSource(root, "train")


def test_a_missing_size_is_read_from_the_image(voc):
    for size in ((0, 0), None):
        text = xml_of(CAT, size=size or (1, 1))
        if size is None:
            text = text[: text.index("<size>")] + text[text.index("</size>") + 7 :]
        objects = VOCSource(voc(train={"a": text}), "train").objects(0)
        assert (objects.height, objects.width) == (20, 30)


def test_an_image_of_another_size_is_refused(voc):
    source = VOCSource(voc(image=(20, 30), train={"a": xml_of(CAT)}), "train")
    assert source.objects(0).width == 30
    with raises(ImageError, "a.jpg: is 20 x 30 pixels", "for 30 x 20", "Item 0"):
        source[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (xml_of(CAT | {"box": (1, 1, 32, 20)}), ("object 1", "xmax 32", "30 x 20", "2 pixels out")),
        (
            xml_of(CAT, CAT | {"box": (5, 1, 3, 20)}),
            ("object 2", "xmin 5", "left before", "remove"),
        ),
        (xml_of(CAT | {"box": ("nan", 1, 3, 20)}), ("object 1", "xmin nan", "finite")),
        (xml_of(CAT | {"box": ("x", 1, 3, 20)}), ("object 1", "<bndbox/xmin>", "number, got 'x'")),
        (xml_of(CAT | {"difficult": "no"}), ("object 1", "<difficult> must be 0 or 1, got 'no'")),
        (xml_of(CAT | {"name": ""}), ("object 1", "must have a <name>")),
        (xml_of(CAT | {"name": "dog"}), ("object 1", "one of 'cat', got 'dog'", "add the class")),
        (xml_of(CAT).replace("bndbox", "box"), ("object 1", "<bndbox/xmin>", "got none")),
        (xml_of(CAT, size=(0, 20)), ("<size>", "whole numbers from 1 on, got 0 x 20")),
        (xml_of(CAT)[:40], ("is no XML that can be read (unclosed token", "Write it anew")),
        ("<html/>", ("must be one <annotation>, got <html>",)),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text, words, voc):
    root = voc(train={"a": text})
    with raises(ValueError, root / "Annotations" / "a.xml", *words):
        VOCSource(root, "train", ["cat"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_bomb_does_not_go_off(encoding, voc):
    root = voc(train={"a": xml_of()})
    entities = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12)
    )
    bomb = f"<!DOCTYPE annotation [{entities}]><annotation>&a11;</annotation>"
    (root / "Annotations" / "a.xml").write_bytes(bomb.encode(encoding))
    with raises(ValueError, "a.xml", "declares a document type"):
        VOCSource(root, "train")


def test_missing_files_and_bad_lists_are_named(voc):
    root = voc(train={"a": xml_of(CAT)})
    main = root / "ImageSets" / "Main"
    with raises(FileNotFoundError, main / "val.txt", "no such split"):
        VOCSource(root, "val")
    with raises(FileNotFoundError, root / "nowhere", "no ImageSets/Main/train.txt", "a line"):
        open_voc(root / "nowhere")
    for text, fault in (("\n \n", "is empty"), ("a\na\n", "has 'a' twice")):
        (main / "train.txt").write_text(text)
        with raises(ValueError, main / "train.txt", fault, "once"):
            open_voc(root)
    (main / "train.txt").write_text("a\nb\n")
    with raises(FileNotFoundError, root / "Annotations" / "b.xml", "no such annotation"):
        open_voc(root)
    (main / "train.txt").write_text("a\n")
    (root / "JPEGImages" / "a.jpg").rename(root / "JPEGImages" / "a.txt")
    with raises(FileNotFoundError, "0 images called a", "'elsewhere.jpg'"):
        open_voc(root)
    (root / "JPEGImages").rename(root / "images")
    with raises(FileNotFoundError, root / "JPEGImages", "The images must be in there"):
        open_voc(root)
    with raises(ValueError, "`channels` must be 1 (grey) or 3 (RGB), got 2"):
        open_voc(root, channels=2)


@pytest.mark.real_data
def test_blood_cells(shared):
    root = shared / "datasets" / "bccd"
    if not root.is_dir():
        pytest.skip("no blood cells in the folder of real data")
    sources = open_voc(root)
    assert {key: len(source) for key, source in sources.items()} == {"train": 205, "validation": 87}
    counts = Counter()
    for source in sources.values():
        assert source.classes == ("Platelets", "RBC", "WBC") and source.remarks == ()
        for i, path in enumerate(source.paths):
            objects = source.objects(i)
            counts.update(source.classes[label] for label in objects.labels)
            # Read again by the tags alone, as a second witness.
            tree = ElementTree.parse(root / "Annotations" / f"{Path(path).stem}.xml")
            expected = [
                [int(box.findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax")]
                for box in tree.iter("bndbox")
            ]
            np.testing.assert_array_equal(objects.boxes, np.array(expected) - [1, 1, 0, 0])
            assert not objects.difficult.any() and (objects.height, objects.width) == (480, 640)
            flags = [flag.text == "1" for flag in tree.iter("truncated")]
            assert source.truncated(i).tolist() == flags
    assert counts == {"RBC": 3350, "WBC": 301, "Platelets": 292}
    # The two that were clicked and not drawn.
    small = [
        box
        for s in sources.values()
        for i in range(len(s))
        for box in s.objects(i).boxes.tolist()
        if box[2] - box[0] == 1
    ]
    assert sorted(small) == [[180, 328, 181, 329], [503, 336, 504, 337]]
    for i in (0, 86):
        assert sources["validation"][i]["image"].shape == (480, 640, 3)


@pytest.mark.parametrize("name", ["../0001", "a/0001", "..\\0001", "/0001"])
def test_an_annotation_elsewhere_is_refused(voc, name):
    root = voc(train={"0001": xml_of(CAT)})
    (root / "ImageSets" / "Main" / "train.txt").write_text(name)
    with raises(ValueError, "train.txt: must have names of files in Annotations", repr(name)):
        open_voc(root)
