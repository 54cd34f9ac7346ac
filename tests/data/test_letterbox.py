"""An image lies whole on its canvas, and boxes go there and come back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.data import (
    AnnotatedSource,
    Letterbox,
    Letterboxed,
    Objects,
    fit_image,
    fit_to_canvas,
    letterbox,
)

sides = st.integers(1, 400)


def test_by_hand():
    assert fit_to_canvas(2, 4, 10, 10) == Letterbox(2, 4, rows=5, columns=10, top=2, left=0)
    assert fit_to_canvas(480, 640, 416, 416) == Letterbox(480, 640, 312, 416, 52, 0)
    assert fit_to_canvas(30, 10, 20, 40) == Letterbox(30, 10, 20, 7, 0, 16)
    assert fit_to_canvas(1, 1000, 8, 8) == Letterbox(1, 1000, 1, 8, 3, 0)
    place = fit_to_canvas(2, 4, 10, 10)
    assert place.scale == (2.5, 2.5)
    boxes = np.array([[0, 0, 4, 2], [1, 1, 2, 2]], np.float32)
    np.testing.assert_array_equal(place.to_canvas(boxes), [[0, 2, 10, 7], [2.5, 4.5, 5, 7]])
    back = place.to_image(np.array([[-1, 0, 5, 9.5]], np.float32))
    np.testing.assert_allclose(back, [[-0.4, -0.8, 2, 3]], rtol=1e-6)
    clipped = place.to_image(np.array([[-1, 0, 5, 9.5], [0, 0, 9, 1]], np.float32), clip=True)
    np.testing.assert_allclose(clipped, [[0, 0, 2, 2], [0, 0, 3.6, 0]], rtol=1e-6)


@settings(deadline=None, max_examples=300)
@given(sides, sides, sides, sides)
def test_the_image_fits_as_large_as_it_can_and_in_the_middle(h, w, height, width):
    place = fit_to_canvas(h, w, height, width)
    assert 1 <= place.rows <= height and 1 <= place.columns <= width
    assert place.rows == height or place.columns == width
    assert abs(2 * place.top + place.rows - height) <= 1
    assert abs(2 * place.left + place.columns - width) <= 1
    scale = min(height / h, width / w)
    assert abs(place.rows - max(1, h * scale)) <= 0.5 + 1e-9
    assert abs(place.columns - max(1, w * scale)) <= 0.5 + 1e-9
    whole = place.to_canvas(np.array([[0, 0, w, h]], np.float64))[0]
    edges = [
        *(place.left, place.top, place.left + place.columns, place.top + place.rows),
    ]
    np.testing.assert_allclose(whole, edges, rtol=1e-12)


@settings(deadline=None, max_examples=100)
@given(sides, sides, sides, sides, st.integers(0, 2**32 - 1))
def test_boxes_come_back(h, w, height, width, seed):
    place = fit_to_canvas(h, w, height, width)
    boxes = np.random.default_rng(seed).uniform(0, [w, h, w, h], (5, 4))
    np.testing.assert_allclose(place.to_image(place.to_canvas(boxes)), boxes, atol=1e-9)
    canvas = np.random.default_rng(seed).uniform(0, [width, height] * 2, (5, 4))
    np.testing.assert_allclose(place.to_canvas(place.to_image(canvas)), canvas, atol=1e-9)
    single = boxes.astype(np.float32)
    moved = place.to_canvas(single)
    assert moved.dtype == np.float32 and place.to_image(moved).dtype == np.float32
    # An ulp of a float32 on the canvas is 1.5e-5 pixels, and scaled up in the image.
    atol = 1e-4 * max(1, 1 / min(place.scale))
    np.testing.assert_allclose(place.to_image(moved), single, atol=atol)


def test_boxes_come_back_within_a_ten_thousandth_of_a_pixel():
    for h, w in ((480, 640), (1024, 768), (333, 500)):
        place = fit_to_canvas(h, w, 416, 416)
        boxes = np.random.default_rng(0).uniform(0, [w, h, w, h], (500, 4)).astype(np.float32)
        np.testing.assert_allclose(place.to_image(place.to_canvas(boxes)), boxes, atol=1e-4, rtol=0)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("h", "w"), [(40, 60), (60, 40), (10, 15), (20, 20)])
def test_boxes_lie_where_the_pixels_do(channels, h, w):
    image = np.zeros((h, w, channels), np.uint8)
    top, bottom, left, right = h // 4, h // 4 * 3, w // 5, w // 5 * 3
    image[top:bottom, left:right] = 255
    canvas, place = letterbox(image, 32, 48)
    assert canvas.shape == (32, 48, channels) and canvas.dtype == np.uint8
    bright = (canvas > 200).all(axis=2)
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    moved = place.to_canvas(np.array([[left, top, right, bottom]], np.float32))[0]
    np.testing.assert_allclose(seen, moved, atol=max(1, *place.scale))


def test_around_it_is_grey_and_in_it_the_image():
    image = np.random.default_rng(0).integers(0, 256, (9, 30, 3), np.uint8)
    canvas, place = letterbox(image, 40, 20)
    assert (place.rows, place.columns, place.top, place.left) == (6, 20, 17, 0)
    np.testing.assert_array_equal(canvas[17:23], fit_image(image, 6, 20))
    assert (canvas[:17] == 128).all() and (canvas[23:] == 128).all()
    canvas, _ = letterbox(image, 20, 30)  # no scaling, no change
    np.testing.assert_array_equal(canvas[5:14], image)
    np.testing.assert_array_equal(letterbox(image, 9, 30)[0], image)


@pytest.mark.parametrize("sizes", [(0, 4, 8, 8), (4, 0, 8, 8), (4, 4, 0, 8), (4, 4, 8, 0)])
def test_nothing_has_no_size(sizes):
    with pytest.raises(ValueError, match=r"must be at least 1 pixel, got \d x \d on \d x \d"):
        fit_to_canvas(*sizes)


class Two:
    """A wide and a tall image."""

    classes = ("a", "b")
    sizes = ((10, 20), (20, 10))

    def __len__(self):
        return 2

    def objects(self, index):
        h, w = self.sizes[index]
        boxes = np.array([[0, 0, w, h], [1, 2, 3, 4]], np.float32)
        flags = np.array([False, True])
        return Objects(boxes, np.array([0, 1], np.int32), flags, ~flags, h, w)

    def __getitem__(self, index):
        image = np.full((*self.sizes[index], 3), 7, np.uint8)
        return {"image": image, "objects": self.objects(index)}

    def describe(self, index):
        return f"image {index}"


def test_a_source_of_canvases():
    source = Letterboxed(Two(), 40, 40)
    assert isinstance(source, AnnotatedSource)
    assert len(source) == 2 and source.classes == ("a", "b") and source.describe(1) == "image 1"
    for i, whole in enumerate(([0, 10, 40, 30], [10, 0, 30, 40])):
        item, objects = source[i], source.objects(i)
        assert item["image"].shape == (40, 40, 3)
        np.testing.assert_array_equal(objects.boxes[0], whole)
        left, top, right, bottom = whole
        assert (item["image"][top:bottom, left:right] == 7).all()
        assert (item["image"] == 7).sum() == 3 * 800
        assert (objects.height, objects.width) == (40, 40)
        assert objects.boxes.dtype == np.float32
        np.testing.assert_array_equal(item["objects"].boxes, objects.boxes)
        for field in ("labels", "difficult", "crowd"):
            np.testing.assert_array_equal(getattr(objects, field), getattr(Two().objects(i), field))
        back = source.box_of(i).to_image(objects.boxes)
        np.testing.assert_allclose(back, Two().objects(i).boxes, atol=1e-5)
