"""What annotations are held to, whichever reader they come through."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxvision.data.annotations import (
    Annotation,
    class_index,
    image_size,
    read_annotated,
    read_objects,
)
from jaxvision.data.images import ImageError, decode_image


def raises(kind, *words):
    """Expects an error of one line that says all of `words`."""
    return pytest.raises(
        kind, check=lambda e: "\n" not in str(e) and all(str(w) in str(e) for w in words)
    )


def read(*boxes, height=20, width=30):
    rows = [Annotation(f"object {i}", list(box), box, i) for i, box in enumerate(boxes)]
    return read_objects("a.xml", height, width, rows)


def test_right_boxes_are_kept_as_they_are():
    rows = [
        Annotation("object 1", "", (0.0, 0.0, 30.0, 20.0), 2, difficult=True),
        Annotation("object 2", "", (1.25, 2.0, 3.0, 4.5), 0, crowd=True),
    ]
    objects, kept, remarks = read_objects("a.xml", 20, 30, rows)
    np.testing.assert_array_equal(objects.boxes, [[0, 0, 30, 20], [1.25, 2, 3, 4.5]])
    assert objects.boxes.dtype == np.float32 and objects.labels.dtype == np.int32
    assert objects.labels.tolist() == [2, 0]
    assert objects.difficult.tolist() == [True, False] and objects.crowd.tolist() == [False, True]
    assert (objects.height, objects.width) == (20, 30)
    assert kept == [0, 1] and remarks == []
    with pytest.raises(ValueError, match="read-only"):
        objects.boxes[0] = 1


def test_an_image_without_objects_is_valid():
    objects, kept, remarks = read()
    assert objects.boxes.shape == (0, 4) and objects.labels.shape == objects.crowd.shape == (0,)
    assert kept == remarks == []


def test_a_pixel_outside_is_cut_and_said():
    objects, kept, remarks = read((-1.0, -0.5, 31.0, 21.0), (2.0, 3.0, 4.0, 5.0))
    np.testing.assert_array_equal(objects.boxes, [[0, 0, 30, 20], [2, 3, 4, 5]])
    assert kept == [0, 1]
    (remark,) = remarks
    assert remark.startswith("a.xml: object 0: its box [-1.0, -0.5, 31.0, 21.0] was cut")


@pytest.mark.parametrize("side", range(4))
def test_more_than_a_pixel_outside_is_an_error(side):
    box = [5.0, 5.0, 10.0, 10.0]
    box[side] = (-1.5, -1.5, 31.5, 21.5)[side]
    with raises(ValueError, "a.xml: object 1", "30 x 20", "1.5 pixels out", "Correct it"):
        read((1.0, 1.0, 2.0, 2.0), tuple(box))


@pytest.mark.parametrize(
    "box",
    [(5.0, 5.0, 5.0, 9.0), (5.0, 5.0, 9.0, 5.0), (30.0, 5.0, 31.0, 9.0), (-1.0, 5.0, 0.0, 9.0)],
)
def test_a_box_that_encloses_nothing_is_left_out_and_said(box):
    objects, kept, remarks = read(box, (2.0, 3.0, 4.0, 5.0))
    assert objects.labels.tolist() == [1] and kept == [1]
    (remark,) = remarks
    assert "a.xml: object 0: left out" in remark and str(list(box)) in remark


@pytest.mark.parametrize("box", [(6.0, 5.0, 5.0, 9.0), (5.0, 9.5, 6.0, 9.0)])
def test_a_reversed_box_is_an_error(box):
    with raises(ValueError, "a.xml: object 0", "left before its right", "remove the object"):
        read(box)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_box_is_of_finite_numbers(value):
    with raises(ValueError, "a.xml: object 0", "finite", value):
        read((0.0, 0.0, value, 1.0))


coordinates = st.floats(-1, 31, width=32)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[coordinates] * 4), max_size=4))
def test_what_is_kept_lies_inside_and_is_what_both_have(boxes):
    boxes = [(min(a, c), min(b, d, 21.0), max(a, c), min(max(b, d), 21.0)) for a, b, c, d in boxes]
    objects, kept, remarks = read(*boxes)
    left, top, right, bottom = objects.boxes.T
    assert ((left >= 0) & (left < right) & (right <= 30)).all()
    assert ((top >= 0) & (top < bottom) & (bottom <= 20)).all()
    np.testing.assert_array_equal(
        objects.boxes,
        np.clip(np.reshape([boxes[i] for i in kept], (-1, 4)), 0, [30, 20, 30, 20]),
    )
    changed = [i for i, box in enumerate(boxes) if i not in kept or min(box) < 0]
    assert len(remarks) >= len(changed)


def test_the_image_must_be_the_one_that_was_annotated(tmp_path):
    objects, file = read().objects, tmp_path / "a.png"
    Image.new("RGB", (30, 20)).save(file)
    item = read_annotated(7, file, 1, objects)
    assert item["image"].shape == (20, 30, 1) and item["objects"] is objects
    Image.new("RGB", (20, 30)).save(file)
    with raises(ImageError, "a.png: is 20 x 30 pixels", "for 30 x 20", "annotated", "(Item 7.)"):
        read_annotated(7, file, 1, objects)


def test_a_class_is_a_known_one():
    assert class_index("a.xml", "cat", {"ant": 0, "cat": 1}) == 1
    with raises(ValueError, "a.xml: object 2", "one of 'ant', 'cat', got 'dog'", "add the class"):
        class_index("a.xml: object 2", "dog", {"ant": 0, "cat": 1})
    with raises(ValueError, "'9', ..., got 'x'"):
        class_index("a.xml", "x", {str(i): i for i in range(20)})


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_the_size_in_the_head_is_that_of_the_decoded_image(orientation, form, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (7, 4)).save(buffer, form, exif=exif)
    size = image_size(io.BytesIO(buffer.getvalue()), "a")
    assert size == decode_image(buffer.getvalue()).shape[:2]
    (tmp_path / "a").write_bytes(buffer.getvalue())
    assert image_size(tmp_path / "a", "a") == size


def test_a_head_that_is_none_is_named(tmp_path):
    with raises(ImageError, "a.png: is damaged", "remove it"):
        image_size(io.BytesIO(b"no image"), "a.png")
    with raises(FileNotFoundError, "b.png: no such"):
        image_size(tmp_path / "b.png", "b.png")
