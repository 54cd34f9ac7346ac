"""Classes are painted in their colours, where they are, and told in a legend."""

import io

import numpy as np
import pytest

from jaxvision.inspect import class_colors, draw_segmentation, overlay, plot_segmentation
from jaxvision.inspect.segmentation import STRENGTH

CLASSES = ("background", "cell", "$5_bill")
IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
MASK = np.zeros((20, 30), np.int32)
MASK[5:9, 10:20], MASK[12, 3], MASK[0] = 1, 2, -1


def test_every_class_has_a_colour_of_its_own():
    colors = class_colors([str(i) for i in range(60)])
    assert colors.dtype == np.uint8 and len({tuple(color) for color in colors.tolist()}) == 60
    np.testing.assert_array_equal(class_colors(CLASSES)[0], [0, 0, 0])
    np.testing.assert_array_equal(class_colors(CLASSES)[1:], colors[:2])


def test_a_pixel_has_the_colour_of_its_class_over_the_image():
    picture = overlay(IMAGE, MASK, CLASSES)
    expected = IMAGE.astype(float)
    for y in range(20):
        for x in range(30):
            if MASK[y, x] > 0:
                color = class_colors(CLASSES)[MASK[y, x]]
                expected[y, x] = np.rint((1 - STRENGTH) * expected[y, x] + STRENGTH * color)
    np.testing.assert_array_equal(picture, expected)


def test_grey_images_are_painted_in_colour():
    picture = overlay(IMAGE[..., :1], MASK, CLASSES)
    assert picture.shape == (20, 30, 3)
    np.testing.assert_array_equal(picture[15], np.repeat(IMAGE[15, :, :1], 3, axis=1))
    assert len(set(picture[6, 12].tolist())) > 1


def test_a_legend_names_what_is_there():
    picture = draw_segmentation(IMAGE, MASK, CLASSES)
    factor = 640 // 30
    assert picture.shape[1] == 30 * factor and picture.shape[0] > 20 * factor
    large = np.kron(overlay(IMAGE, MASK, CLASSES), np.ones((factor, factor, 1), np.uint8))
    np.testing.assert_array_equal(picture[: 20 * factor], large)
    legend = picture[20 * factor :].reshape(-1, 3)
    for label in (1, 2):
        assert (legend == class_colors(CLASSES)[label]).all(axis=1).sum() > 50
    only = draw_segmentation(IMAGE, np.minimum(MASK, 1), CLASSES)[20 * factor :].reshape(-1, 3)
    assert not (only == class_colors(CLASSES)[2]).all(axis=1).any()


def test_many_long_names_take_several_lines_and_stay_inside():
    classes = [f"a very long name of class {i}" for i in range(30)]
    mask = np.arange(600).reshape(20, 30) % 30
    one, many = (draw_segmentation(IMAGE, m, classes) for m in (np.zeros_like(mask), mask))
    assert many.shape[0] > one.shape[0] + 100
    assert many.shape[1] == one.shape[1]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_sheet_has_image_truth_and_what_was_found(count):
    images = [IMAGE, np.zeros((40, 10, 1), np.uint8), IMAGE, IMAGE, IMAGE][:count]
    masks = [MASK, np.ones((40, 10), np.int32), MASK, MASK, MASK][:count]
    figure = plot_segmentation(images, masks, masks, CLASSES)
    assert len(figure.axes) == 3 * count
    assert [axes.get_title() for axes in figure.axes[:3]] == ["image", "truth", "found"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cell", "$5_bill"]
    truth, found = (axes.images[0].get_array() for axes in figure.axes[1:3])
    assert (truth[0] == 128).all() and (found[0] == IMAGE[0]).all()
    np.testing.assert_array_equal(truth[1:], overlay(IMAGE, MASK, CLASSES)[1:])
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGE / 255, MASK, CLASSES), r"`image` must be uint8 \[h, w, c\]"),
        ((IMAGE, MASK[1:], CLASSES), "must have the image's 20 x 30 pixels, got 19 x 30"),
        ((IMAGE, MASK, CLASSES[:2]), "must have classes below 2, got 2"),
    ],
)
def test_what_is_no_segmentation_is_refused(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        overlay(*arguments)


def test_a_sheet_wants_one_of_each():
    with pytest.raises(ValueError, match="at least one image, got 0, 0 and 0"):
        plot_segmentation([], [], [], CLASSES)
    with pytest.raises(ValueError, match="got 1, 2 and 1"):
        plot_segmentation([IMAGE], [MASK, MASK], [MASK], CLASSES)
