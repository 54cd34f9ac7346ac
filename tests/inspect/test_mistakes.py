"""The mistakes shown are the most confident ones, as they are."""

import inspect

import numpy as np
import pytest

from jaxvision.inspect import plot_mistakes
from tests.inspect.made_up import evaluation_of


def test_tiles_are_the_most_confident_mistakes_in_order():
    data = evaluation_of(40, wrong=30)
    figure = plot_mistakes(**data, most=9)
    expected = sorted(range(30), key=lambda i: -data["probabilities"][i])[:9]
    assert len(figure.axes) == 9
    for axes, i in zip(figure.axes, expected, strict=True):
        np.testing.assert_array_equal(
            np.squeeze(axes.images[0].get_array()), data["images"][i, ..., 0]
        )
        true, predicted = (data["classes"][data[key][i]] for key in ("labels", "predictions"))
        assert axes.get_title() == f"{true} → {predicted}, {100 * data['probabilities'][i]:.0f} %"
        assert axes.images[0].get_clim() == (0, 255)  # a dim image stays dim
    heading = "The 9 most confident of 30 mistakes among 40 images"
    assert [text.get_text() for text in figure.texts] == [heading]


@pytest.mark.parametrize(
    ("wrong", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (7, 3, 3), (25, 5, 5)]
)
def test_the_grid_is_as_large_as_it_must_be(wrong, columns, rows):
    figure = plot_mistakes(**evaluation_of(30, wrong=wrong))
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == wrong
    assert len({round(box.x0, 6) for box in boxes}) == columns
    assert len({round(box.y0, 6) for box in boxes}) == rows
    assert (
        figure.texts[0].get_text().startswith("1 mistake " if wrong == 1 else f"{wrong} mistakes")
    )


def test_no_mistakes_are_said_in_words():
    figure = plot_mistakes(**evaluation_of(12, wrong=0))
    assert [text.get_text() for text in figure.texts] == ["No mistakes among 12 images"]
    assert not figure.axes


@pytest.mark.parametrize(
    ("size", "interpolation"),
    [((8, 8, 1), "nearest"), ((32, 32, 3), "nearest"), ((240, 320, 3), "auto")],
)
def test_small_images_keep_their_pixels_and_all_their_proportions(size, interpolation):
    figure = plot_mistakes(**evaluation_of(4, size=size))
    for axes in figure.axes:
        assert axes.images[0].get_interpolation() == interpolation
        box = axes.get_window_extent()
        np.testing.assert_allclose(box.height / box.width, size[0] / size[1], rtol=1e-9)


def test_colour_images_keep_their_colours():
    data = evaluation_of(1, size=(8, 8, 3))
    (axes,) = plot_mistakes(**data).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), data["images"][0])


def test_long_names_are_shortened_and_break_after_the_arrow():
    data = evaluation_of(1, classes=["black-and-tan coonhound of the hills", "American robin"])
    data.update(labels=np.array([0]), predictions=np.array([1]), probabilities=np.array([0.97]))
    (axes,) = plot_mistakes(**data).axes
    assert axes.get_title() == "black-and-tan coonh… →\nAmerican robin, 97 %"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": np.zeros((4, 8, 8, 1))},
            r"`images` must be uint8 .* got one that is float64 \[8, 8, 1\]",
        ),
        (
            {"images": np.zeros((4, 8, 8), np.uint8)},
            r"`images` .* one that is uint8 \[8, 8\]: undo",
        ),
        (
            {"images": np.zeros((4, 8, 8, 2), np.uint8)},
            r"`images` .* or 3, got one .* \[8, 8, 2",
        ),
        ({"images": np.zeros((0, 8, 8, 1), np.uint8)}, "`images` must hold at least one image"),
        (
            {"labels": np.zeros(3, int)},
            r"`labels` must have one .* 4 `images`, got shape \(3,\): p",
        ),
        ({"predictions": np.zeros(5, int)}, r"`predictions` must have .*, got shape \(5,\)"),
        ({"probabilities": np.zeros(5)}, r"`probabilities` must have .*, got shape \(5,\)"),
        ({"labels": np.array([0, 1, 3, 2])}, r"`labels` must be in \[0, 2\], got 3 for image 2: "),
        ({"predictions": np.array([-1, 0, 0, 0])}, r"`predictions` must be .* got -1 for image 0"),
        (
            {"probabilities": np.array([0, 1, 2.5, 0])},
            r"`probabilities` .* \[0, 1\], got 2.5 for im",
        ),
        ({"probabilities": np.array([0, np.nan, 0, 0])}, "`probabilities` .* got nan for image 1"),
        ({"most": 0}, "`most` must be at least 1, got 0"),
    ],
)
def test_plot_mistakes_names_the_bad_argument(change, message):
    with pytest.raises(ValueError, match=message):
        # Without the types' own check, which users do not run.
        inspect.unwrap(plot_mistakes)(**{**evaluation_of(4), **change})


def test_only_what_is_shown_is_looked_up():
    data = evaluation_of(40, wrong=30)

    class Slow(list):
        looked_up = 0

        def __getitem__(self, i):
            self.looked_up += 1
            return super().__getitem__(i)

    images = Slow(data["images"])
    inspect.unwrap(plot_mistakes)(**{**data, "images": images}, most=4)
    assert images.looked_up == 4


def test_images_of_different_sizes_are_refused():
    data = evaluation_of(2)
    data["images"] = [data["images"][0], data["images"][1][:4]]
    with pytest.raises(ValueError, match=r"`images` must have one size, .*\[4, 8, 1\].*: scale"):
        inspect.unwrap(plot_mistakes)(**data)
