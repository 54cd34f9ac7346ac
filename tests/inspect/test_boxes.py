"""Boxes are drawn where they are, and their labels where they can be read."""

import inspect
import io

import hypothesis
import hypothesis.strategies as st
import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from jaxvision.inspect import draw_boxes, plot_boxes
from jaxvision.inspect.boxes import BOX_COLORS
from jaxvision.inspect.labels import fitting_label, place_label
from tests.inspect.test_picture import written

CLASSES = ["ant", "black-and-tan coonhound of the hills", "bee", "$5_bill"]
NONE = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)


def rgb(color):
    return np.array(matplotlib.colors.to_rgb(color)) * 255


def where(picture, color):
    """Which pixels have it."""
    return (np.abs(picture - rgb(color)) < 1).all(axis=-1)


def extent(mask):
    """The smallest box around what is True."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def boxes_of(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


# One image


@pytest.mark.parametrize(
    ("size", "factor"), [((128, 128), 5), ((64, 100), 6), ((320, 200), 2), ((321, 9), 1)]
)
def test_small_images_are_enlarged_by_whole_pixels(size, factor):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture = draw_boxes(image, *NONE[::2], CLASSES)
    assert picture.shape == (size[0] * factor, size[1] * factor, 3)
    assert max(picture.shape) <= 640 or factor == 1
    for row in range(factor):
        for column in range(factor):
            np.testing.assert_array_equal(picture[row::factor, column::factor], image)


def test_large_and_grey_images_keep_their_pixels():
    image = np.random.default_rng(0).integers(0, 256, (700, 30, 1), dtype=np.uint8)
    before = image.copy()
    picture = draw_boxes(image, *NONE[::2], CLASSES)
    np.testing.assert_array_equal(picture, np.broadcast_to(image, (700, 30, 3)))
    draw_boxes(image, boxes_of((0, 0, 30, 700)), np.array([0]), CLASSES)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(("side", "factor"), [(100, 6), (1000, 1), (4000, 1)])
def test_a_box_is_drawn_where_it_is(side, factor):
    image = np.full((side, side, 3), 128, np.uint8)
    box = np.array([0.2, 0.3, 0.7, 0.9]) * side
    picture = draw_boxes(image, boxes_of(box), np.array([2]), CLASSES)
    left, top, right, bottom = (box * factor).astype(int)
    line = max(2, round(side * factor / 320))
    mask = where(picture, BOX_COLORS[2])
    # The label stands above it.
    assert extent(mask)[::2] == (left, right) and extent(mask)[3] == bottom
    middle = (left + right) // 2, (top + bottom) // 2
    for strip, ends in ((mask[middle[1]], (left, right)), (mask[:, middle[0]], (top, bottom))):
        columns = np.flatnonzero(strip)
        np.testing.assert_array_equal(columns[-line:], np.arange(ends[1] - line, ends[1]))
        assert ends[0] in columns and ends[0] + line not in columns
        assert len(columns) == 2 * line or strip is not mask[middle[1]]
    # Nothing is drawn inside.
    inside = picture[top + 3 * line : bottom - 3 * line, left + 3 * line : right - 3 * line]
    assert (inside == 128).all()


def test_the_line_and_the_letters_grow_with_the_image():
    heights = []
    for side in (640, 2000, 4000):
        image = np.zeros((side, side, 3), np.uint8)
        box = boxes_of(np.array([0.2, 0.5, 0.8, 0.9]) * side)
        picture = draw_boxes(image, box, np.array([4]), list("abcde"), np.array([0.97]))
        mask = where(picture, BOX_COLORS[4])
        column = np.flatnonzero(mask[:, int(0.2 * side) + 1])
        heights.append((0.5 * side - column[0]) / side)  # of the label, which stands on the box
    assert np.ptp(heights) < 0.003 and 0.02 < min(heights) < 0.04


def test_labels_are_their_classes_and_scores_on_their_colour():
    # The same box, so that only what is written differs.
    image = np.zeros((200, 640, 3), np.uint8)
    box = boxes_of((100, 100, 500, 180))

    def label_width(label, classes, scores=None):
        mask = where(draw_boxes(image, box, np.array([label]), classes, scores), BOX_COLORS[label])
        return np.flatnonzero(mask[82]).max()

    short = label_width(0, ["ant"])
    assert label_width(0, ["ant"], np.array([0.97])) > short + 30
    assert label_width(0, ["antelope"]) > short + 20
    assert label_width(1, ["", "ant"]) == short
    longest = label_width(0, ["a" * 400], np.array([0.5]))
    assert longest < 640


def test_every_class_has_its_colour_whatever_else_is_found():
    image = np.zeros((640, 640, 3), np.uint8)
    boxes = boxes_of(*[(90 * i + 10, 100, 90 * i + 60, 600) for i in range(7)])
    picture = draw_boxes(image, boxes, np.arange(7), list("abcdefghij"))
    for i, color in enumerate(BOX_COLORS):
        assert where(picture[:, 90 * i : 90 * i + 80], color).any()
        assert not where(picture[:, 90 * i + 80 :], color).any()
    alone = draw_boxes(image, boxes[:1], np.array([8]), list("abcdefghij"))
    assert where(alone, BOX_COLORS[1]).any()
    assert len(set(BOX_COLORS)) == 7


def test_the_surest_lies_on_top():
    image, boxes = np.zeros((640, 640, 3), np.uint8), boxes_of((100, 100, 400, 400))
    twice = draw_boxes(image, boxes.repeat(2, axis=0), np.array([0, 1]), ["a", "b"])
    once = draw_boxes(image, boxes, np.array([0]), ["a", "b"])
    beneath = np.s_[120:]  # both labels, which do not lie on each other
    np.testing.assert_array_equal(twice[beneath], once[beneath])
    assert where(twice, BOX_COLORS[0]).sum() > where(once, BOX_COLORS[0])[beneath].sum()
    assert where(twice, BOX_COLORS[1]).any()


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 400), (58, 398, 60, 400), (0, 0, 1, 1), (30, 200, 30, 200), (-9, -9, 99, 20)]
)
def test_whatever_the_box_its_label_is_inside_of_the_image(box):
    image = np.full((400, 60, 3), 255, np.uint8)
    picture = draw_boxes(image, boxes_of(box), np.array([0]), CLASSES, np.array([0.42]))
    white = (picture == 255).all(axis=-1) & ~(image == 0).all(axis=-1)
    assert white.any()
    # As many pixels of the letters as when there is room.
    ink = where(picture, BOX_COLORS[0]).sum()
    assert ink > 500


# Where labels stand


def test_the_first_choice_is_above_and_what_is_taken_is_left_free():
    size, box, bounds = (20.0, 10.0), np.array([50.0, 50.0, 150.0, 150.0]), (200, 200)
    first = place_label(size, box, [], bounds)
    assert first == (50, 40, 70, 50)
    second = place_label(size, box, [first], bounds)
    assert second == (50, 50, 70, 60)
    assert place_label(size, box, [first, second], bounds) == (50, 150, 70, 160)
    assert place_label(size, box, [], bounds, below=True) == (50, 150, 70, 160)


def test_a_small_box_at_the_border_is_not_hidden():
    _, top, right, _ = place_label((20.0, 10.0), np.array([95.0, 0, 100, 5]), [], (100, 100))
    assert top == 5 and right == 100
    # But a label is covered less willingly than it.
    taken = [(80.0, 5.0, 100.0, 30.0), (60.0, 0.0, 94.0, 20.0)]
    place = place_label((20.0, 10.0), np.array([95.0, 0.0, 100.0, 5.0]), taken, (100, 100))
    assert place[1] == 0


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(st.integers(0, 10**6))
def test_labels_stay_within_and_cover_no_other_while_there_is_room(seed):
    rng = np.random.default_rng(seed)
    places = []
    for _ in range(6):
        corner = rng.uniform(-50, 450, 2)
        box = np.concatenate([corner, corner + rng.uniform(0, 200, 2)])
        places.append(place_label((60.0, 15.0), box, places, (500, 500)))
    for i, (left, top, right, bottom) in enumerate(places):
        assert left >= 0 and top >= 0 and right <= 500 and bottom <= 500
        for other in places[:i]:
            across = min(right, other[2]) - max(left, other[0])
            down = min(bottom, other[3]) - max(top, other[1])
            assert across <= 1e-9 or down <= 1e-9


@pytest.mark.parametrize(
    ("room", "expected"),
    [(99, "beetle, 97 %"), (12, "beetle, 97 %"), (11, "beet…, 97 %"), (8, "b…, 97 %"), (7, "97 %")],
)
def test_a_label_is_shortened_to_its_room(room, expected):
    assert fitting_label("beetle", "97 %", room, lambda text: float(len(text))) == expected


def test_a_label_of_one_part():
    assert fitting_label("ant", "", 9, lambda text: float(len(text))) == "ant"
    assert fitting_label("", "97 %", 9, lambda text: float(len(text))) == "97 %"


# Several images


def made_up(count, size=(128, 128, 1), most=4, classes=4):
    rng = np.random.default_rng(0)
    images, truths, founds = [], [], []
    for i in range(count):
        n = rng.integers(0, most + 1) if i else most
        corners = rng.permutation([(x, y) for x in (2, 34, 66, 98) for y in (4, 34, 66)])[:n]
        boxes = np.concatenate([corners, corners + rng.uniform(10, 26, (n, 2))], axis=1)
        boxes = (boxes * np.tile(np.array(size[1::-1]) / 128, 2)).astype(np.float32)
        labels = rng.integers(0, classes, n)
        images.append(rng.integers(0, 256, size, dtype=np.uint8))
        truths.append((boxes, labels, "not looked at"))
        founds.append((boxes + 1, np.linspace(0.9, 0.3, n), labels))
    return images, truths, founds


def outlines(axes, line):
    return [
        patch
        for patch in axes.patches
        if isinstance(patch, Rectangle) and not patch.get_fill() and patch.get_linestyle() == line
    ]


def test_objects_are_dashed_and_detections_solid():
    images, truths, founds = made_up(5)
    figure = plot_boxes(images, truths, founds, CLASSES)
    assert len(figure.axes) == 5
    for axes, image, truth, found in zip(figure.axes, images, truths, founds, strict=True):
        np.testing.assert_array_equal(np.squeeze(axes.images[0].get_array()), image[..., 0])
        assert axes.get_xlim() == (0, 128) and axes.get_ylim() == (128, 0)
        for line, boxes, labels in (("--", truth[0], truth[1]), ("-", found[0], found[2])):
            drawn = outlines(axes, line)
            assert len(drawn) == len(boxes)
            for patch, box, label in zip(drawn, boxes, labels, strict=True):
                corners = patch.get_bbox().extents
                np.testing.assert_allclose(corners, box, rtol=1e-6)
                np.testing.assert_allclose(patch.get_edgecolor()[:3], rgb(BOX_COLORS[label]) / 255)
        texts = [text.get_text() for text in axes.texts]
        scores = [f", {100 * score:.0f} %" for score in found[1]]
        assert [text.endswith(end) for text, end in zip(texts, scores, strict=False)] == [
            True
        ] * len(scores)
        assert all("%" not in text for text in texts[len(scores) :])
        assert len(texts) == len(found[1]) + len(truth[1])


def crowd(labels):
    """An image with 13 objects, all of them found, of classes in turn."""
    boxes = np.array([[9 * i, 5, 9 * i + 8, 60] for i in range(13)], np.float32)
    labels = np.resize(np.array(labels), 13)
    image, scores = np.full((128, 128, 1), 200, np.uint8), np.linspace(0.9, 0.3, 13)
    return [image], [(boxes, labels)], [(boxes, scores.astype(np.float32), labels)]


def test_among_a_crowd_colours_are_told_instead_of_labels():
    figure = plot_boxes(*crowd([0, 2]), CLASSES)
    assert not figure.axes[0].texts and len(outlines(figure.axes[0], "-")) == 13
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [CLASSES[0], CLASSES[2]]
    # Two classes of one colour are told by their labels only.
    many = [f"class {i}" for i in range(9)]
    figure = plot_boxes(*crowd([0, len(BOX_COLORS)]), many)
    assert len(figure.axes[0].texts) == 26 and not figure.legends


SHEETS = {
    "crowd": lambda: crowd([0, 1, 2]),
    "one": lambda: made_up(1),
    "scenes": lambda: made_up(9),
    "wide": lambda: made_up(3, size=(90, 400, 3), most=2),
    "photographs": lambda: made_up(2, size=(900, 1200, 3)),
}


@pytest.mark.parametrize("make", SHEETS.values(), ids=SHEETS)
def test_nothing_is_cut_off_or_too_small(make):
    figure = plot_boxes(*make(), CLASSES)
    for text, box in written(figure):
        assert text.get_fontsize() >= 10
        frame = figure.bbox if text.axes is None else text.axes.get_window_extent()
        assert box.x0 >= frame.x0 - 0.5 and box.x1 <= frame.x1 + 0.5, text
        assert box.y0 >= frame.y0 - 0.5 and box.y1 <= frame.y1 + 0.5, text
    for axes in figure.axes:
        places = [text.get_window_extent() for text in axes.texts]
        for i, a in enumerate(places):
            for b in places[:i]:
                across = min(a.x1, b.x1) - max(a.x0, b.x0)
                up = min(a.y1, b.y1) - max(a.y0, b.y0)
                assert across <= 0.5 or up <= 0.5


def test_images_keep_their_proportions_and_do_not_touch():
    images = [np.zeros((*size, 3), np.uint8) for size in ((40, 100), (100, 40), (64, 64), (9, 90))]
    figure = plot_boxes(images, [NONE[::2]] * 4, [NONE] * 4, CLASSES)
    frames = [axes.get_window_extent() for axes in figure.axes]
    for image, frame in zip(images, frames, strict=True):
        np.testing.assert_allclose(frame.height / frame.width, image.shape[0] / image.shape[1])
        assert frame.x0 >= 0 and frame.y0 >= 0 and frame.x1 <= figure.bbox.x1
    for i, a in enumerate(frames):
        assert all(not a.overlaps(b) for b in frames[:i])


def test_a_sheet_is_saved():
    file = io.BytesIO()
    plot_boxes(*made_up(2), CLASSES).savefig(file)
    assert np.asarray(Image.open(file).convert("L")).min() < 128


# What does not fit

IMAGE = np.zeros((8, 8, 3), np.uint8)
BOX = boxes_of((0, 0, 4, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image": np.zeros((8, 8, 3))},
            r"`image` must be .* one that is float64 \[8, 8, 3\]: undo",
        ),
        ({"image": np.zeros((8, 8), np.uint8)}, r"uint8 .* got one that is uint8 \[8, 8\]"),
        ({"image": np.zeros((8, 8, 2), np.uint8)}, r"c = 1 or 3, got .* \[8, 8, 2\]"),
        ({"image": np.zeros((0, 8, 3), np.uint8)}, r"got one that is uint8 \[0, 8, 3\]"),
        ({"boxes": np.zeros((2, 4))}, r"`boxes` must have .* got shapes \[\(2, 4\), \(1,\)\]: 0 b"),
        ({"boxes": np.zeros(0)}, r"`boxes` must have finite boxes \[k, 4\] .* got shapes \[\(0,\)"),
        ({"boxes": boxes_of((0, 0, np.nan, 4))}, "`boxes` must have finite boxes"),
        ({"scores": np.zeros(2)}, r"`boxes` must have .* shapes .*\(2,\)\]"),
        ({"labels": np.array([4])}, r"`boxes` must have labels in \[0, 4\), got 4 to 4: these"),
        ({"labels": np.array([-1])}, r"`boxes` must have labels in \[0, 4\), got -1 to -1"),
    ],
)
def test_draw_boxes_names_the_bad_argument(change, message):
    arguments = {"image": IMAGE, "boxes": BOX, "labels": np.array([0]), "classes": CLASSES}
    with pytest.raises(ValueError, match=message):
        # Without the types' own check, which users do not run.
        inspect.unwrap(draw_boxes)(**{**arguments, **change})


@pytest.mark.parametrize(
    ("images", "truths", "founds", "message"),
    [
        ([], [], [], "at least one image, got 0, 0 and 0"),
        ([IMAGE], [NONE[::2]] * 2, [NONE], "`images`, `truths` and `founds` .* got 1, 2 and 1"),
        ([IMAGE], [NONE[::2]], [NONE] * 2, "got 1, 1 and 2: pass those of the same images"),
        ([IMAGE], [(BOX, np.array([7]))], [NONE], r"`truths` must have labels in \[0, 4\), got 7"),
        (
            [IMAGE],
            [NONE[::2]],
            [(BOX, np.array([0.5]), np.array([7]))],
            r"`founds` must have labels in \[0, 4\), got 7",
        ),
        ([IMAGE[..., 0]], [NONE[::2]], [NONE], r"`images` must be uint8 \[h, w, c\]"),
    ],
)
def test_plot_boxes_names_the_bad_argument(images, truths, founds, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(plot_boxes)(images, truths, founds, CLASSES)
