"""A COCO file is read as COCO writes it; what is wrong in it is named."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxvision.data import AnnotatedSource, COCOSource, ImageError, open_coco

CATEGORIES = [{"id": 90, "name": "zebra"}, {"id": 7, "name": "train"}, {"id": 18, "name": "dog"}]


def raises(kind, *words):
    """Expects an error of one line that says all of `words`."""
    return pytest.raises(
        kind, check=lambda e: "\n" not in str(e) and all(str(w) in str(e) for w in words)
    )


def entry(image=5, category=18, bbox=(1, 2, 3, 4), **more):
    return {"image_id": image, "category_id": category, "bbox": list(bbox), **more}


def content(*annotations, ids=(5, 3)):
    images = [{"id": i, "file_name": f"{i}.png", "height": 20, "width": 30} for i in ids]
    return {"images": images, "annotations": list(annotations), "categories": CATEGORIES}


def written(folder, what, name="a.json", size=(30, 20)):
    """Writes a file and its images beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(what if isinstance(what, str) else json.dumps(what))
    for i in (3, 5):
        Image.new("RGB", size, (i, 0, 0)).save(folder / f"{i}.png")
    return folder / name


def opened(folder, *annotations):
    return COCOSource(written(folder, content(*annotations)), folder)


def test_boxes_are_corner_and_size_and_ids_have_gaps(tmp_path):
    source = opened(
        tmp_path,
        entry(category=90, bbox=(0, 0, 30, 20), id=1, segmentation=[[1, 2, 3]]),
        entry(image=3, category=7, bbox=(2.5, 1, 0.25, 1), iscrowd=1),
        entry(category=18, bbox=(1, 2, 3, 4), iscrowd=0),
    )
    assert isinstance(source, AnnotatedSource) and len(source) == 2
    assert source.classes == ("train", "dog", "zebra") and source.remarks == ()
    first, second = source.objects(0), source.objects(1)
    np.testing.assert_array_equal(first.boxes, [[0, 0, 30, 20], [1, 2, 4, 6]])
    assert first.labels.tolist() == [2, 1] and first.crowd.tolist() == [False, False]
    np.testing.assert_array_equal(second.boxes, [[2.5, 1, 2.75, 2]])
    assert second.labels.tolist() == [0] and second.crowd.tolist() == [True]
    assert not first.difficult.any() and (first.height, first.width) == (20, 30)
    item = source[0]
    np.testing.assert_array_equal(item["image"], np.full((20, 30, 3), [5, 0, 0]))
    assert item["objects"] is first
    assert source.describe(1) == str(tmp_path / "3.png")
    grey = COCOSource(tmp_path / "a.json", tmp_path, channels=1)
    assert grey[0]["image"].shape == (20, 30, 1)


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from([3, 5]), st.sampled_from([7, 18, 90])), max_size=6))
def test_each_image_has_its_own_in_the_order_of_the_file(tmp_path, pairs):
    rows = [entry(i, c, (0, 0, n + 1, 1)) for n, (i, c) in enumerate(pairs)]
    source = opened(tmp_path, *rows)
    for place, i in enumerate((5, 3)):
        objects = source.objects(place)
        mine = [n for n, pair in enumerate(pairs) if pair[0] == i]
        assert objects.boxes[:, 2].tolist() == [n + 1 for n in mine]
        assert objects.labels.tolist() == [[7, 18, 90].index(pairs[n][1]) for n in mine]


def test_rounded_and_empty_boxes_are_said(tmp_path):
    source = opened(
        tmp_path,
        entry(bbox=(10, 0, 20.01, 20), id=11),
        entry(bbox=(1, 2, 3, 0), id=918),
    )
    np.testing.assert_array_equal(source.objects(0).boxes, [[10, 0, 30, 20]])
    cut, left_out = source.remarks
    assert "a.json: annotation 11: its box bbox [10, 0, 20.01, 20] was cut" in cut
    assert "annotation 918: left out" in left_out


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (entry(bbox=(1, 2, 30.5, 4), id=7), ("annotation 7", "bbox [1, 2, 30.5, 4]", "1.5 pixels")),
        (entry(bbox=(1, 2, -3, 4)), ("annotations[1]", "bbox [1, 2, -3, 4]", "left before")),
        (entry(bbox=(1, 2, float("nan"), 4)), ("annotations[1]", "finite")),
        (entry(bbox=(1, 2, 3)), ("annotations[1]", "four numbers", "got [1, 2, 3]")),
        (entry(bbox=(1, 2, 3, "4")), ("annotations[1]", "four numbers", "'4'")),
        (entry(image=4), ("annotations[1]", "no image with its image_id 4", "Remove")),
        (entry(category=8), ("annotations[1]", "one of 7, 18, 90, got 8", "add the class")),
        (entry(category=[8]), ("annotations[1]", "category_id must be a whole number, got [8]")),
        ({"image_id": 5, "bbox": [1, 2, 3, 4]}, ("annotations[1]", "has no category_id")),
        (None, ("annotations[1]", "has no image_id")),
    ],
)
def test_what_is_wrong_with_an_annotation_is_named(annotation, words, tmp_path):
    file = written(tmp_path, content(entry(), annotation))
    with raises(ValueError, file, *words):
        COCOSource(file, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [', ("is no JSON that can be read", "line 1 column", "Write it anew")),
        ("[" * 100_000, ("is no JSON that can be read", "recursion")),
        ("[]", ("must be an object with images, annotations, categories, got a list", "Give")),
        ('{"images": []}', ("must have a list 'annotations', got none",)),
        ('{"images": {}}', ("must have a list 'images', got dict",)),
        (
            json.dumps(content() | {"images": [{"id": 5, "file_name": "5.png", "height": 2}]}),
            ("images[0] must have id, file_name, height, width", "no width"),
        ),
        (
            json.dumps(
                content() | {"images": [{"id": 5, "file_name": "5.png", "height": 0, "width": 3}]}
            ),
            ("image 5", "whole numbers from 1 on, got 0 and 3"),
        ),
        (json.dumps(content(ids=(5, 5))), ("images[1]", "an id of its own", "got 5")),
        (
            json.dumps(content() | {"categories": [{"id": "a", "name": "b"}]}),
            ("categories[0]", "a whole number, got 'a'"),
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_named(text, words, tmp_path):
    file = written(tmp_path, text)
    with raises(ValueError, file, *words):
        COCOSource(file, tmp_path)


def test_missing_files_are_named(tmp_path):
    with raises(FileNotFoundError, tmp_path / "b.json", "no such annotation file"):
        COCOSource(tmp_path / "b.json", tmp_path)
    file = written(tmp_path, content())
    with raises(FileNotFoundError, file, "of its 2 images 2 are missing", "none/5.png"):
        COCOSource(file, tmp_path / "none")
    with raises(FileNotFoundError, tmp_path / "none", "no such folder"):
        open_coco(tmp_path / "none")
    with raises(FileNotFoundError, tmp_path, "instances_train*.json", "_annotations.coco.json"):
        open_coco(tmp_path)
    with raises(ValueError, "`channels` must be 1 (grey) or 3 (RGB), got 2"):
        COCOSource(file, tmp_path, channels=2)


def test_an_image_of_another_size_is_refused(tmp_path):
    source = COCOSource(written(tmp_path, content(), size=(20, 30)), tmp_path)
    with raises(ImageError, "5.png: is 20 x 30 pixels", "for 30 x 20", "Item 0"):
        source[0]


def test_the_layout_of_coco(tmp_path):
    annotations = tmp_path / "annotations"
    for split, folder in (("train2017", "train2017"), ("val2017", "images/val2017")):
        written(annotations, content(entry()), f"instances_{split}.json")
        written(tmp_path / folder, "")
    (annotations / "captions_train2017.json").write_text("")
    (annotations / "instances_valminusminival2014.json").write_text("")
    sources = open_coco(tmp_path)
    assert {key: len(source) for key, source in sources.items()} == {"train": 2, "validation": 2}
    assert sources["train"].paths[0] == tmp_path / "train2017" / "5.png"
    assert sources["validation"].paths[0] == tmp_path / "images" / "val2017" / "5.png"
    written(annotations, content(), "instances_train2014.json")
    with raises(FileNotFoundError, "instances_train2014.json", tmp_path / "train2014", "Move"):
        open_coco(tmp_path)
    (tmp_path / "train2014").mkdir()
    with raises(ValueError, tmp_path, "train must be one file", "train2014", "train2017", "Move"):
        open_coco(tmp_path)


def test_the_layout_of_exports(tmp_path):
    written(tmp_path / "test", content(), "annotations.json")
    written(tmp_path / "train", content(entry()), "_annotations.coco.json")
    written(tmp_path / "valid", content(), "_annotations.coco.json")
    written(tmp_path / "spare", content(), "annotations.json")
    sources = open_coco(tmp_path, channels=1)
    assert list(sources) == ["train", "validation", "test"]
    assert sources["train"][0]["image"].shape == (20, 30, 1)
    assert sources["validation"].paths[0] == tmp_path / "valid" / "5.png"


def test_splits_must_have_the_same_classes(tmp_path):
    written(tmp_path / "train", content(), "annotations.json")
    other = content() | {"categories": [*CATEGORIES, {"id": 1, "name": "cat"}]}
    written(tmp_path / "test", other, "annotations.json")
    with raises(ValueError, "train and test must have the same categories", "3 and 4", "in cat"):
        open_coco(tmp_path)
    turned = [{"id": -row["id"], "name": row["name"]} for row in CATEGORIES]
    written(tmp_path / "test", content() | {"categories": turned}, "annotations.json")
    with raises(ValueError, "train and test", "their order"):
        open_coco(tmp_path)


@pytest.mark.parametrize("name", ["../../x.png", "/x.png", "a/../../x.png", "..\\x.png", "", 5])
def test_an_image_elsewhere_is_refused(tmp_path, name):
    first, second = content()["images"]
    images = [first | {"file_name": name}, second]
    written(tmp_path / "train", content() | {"images": images}, "annotations.json")
    with raises(ValueError, "file_name below the folder of images", repr(name)):
        open_coco(tmp_path)
