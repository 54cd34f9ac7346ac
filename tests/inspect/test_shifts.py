"""The drawn shares of outputs that change under a shift are those of the layers, by hand."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from jaxvision.inspect import plot_shift_response


def lines(figure):
    """Of each panel the shares drawn, in per cent, by name."""
    return [
        {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
        for axes in figure.axes
    ]


@pytest.fixture(scope="module")
def photograph():
    return load_sample_image("china.jpg")


def test_a_photographs_maxima_change_less_often_and_convolutions_only_move(photograph):
    here, moved = lines(plot_shift_response(photograph, largest=6))
    assert list(here) == list(moved) == ["convolution", "average pooling", "max pooling"]
    # Of unrelated pixels 2 in 3 of the maxima would be others: half of the pixels of a window of
    # 2 x 2 stay in it. Neighbours are alike, so in a photograph it is fewer.
    assert here["max pooling"][0] == pytest.approx(52.8, abs=1)
    assert here["average pooling"][0] == pytest.approx(85.3, abs=1)
    assert here["convolution"][0] == pytest.approx(91.0, abs=1)
    np.testing.assert_array_equal(moved["convolution"], 0)
    for name in ("average pooling", "max pooling"):
        np.testing.assert_array_equal(moved[name][1::2], 0)
        assert (moved[name][::2] > 30).all()


def test_by_hand_of_one_bright_pixel():
    """Row 0 of 2 x 11, column 4 of 255: pools of 2 see columns 0 to 8 of the first crop."""
    image = np.zeros((4, 11, 1), np.uint8)
    image[0, 4] = 255
    (here, moved) = lines(plot_shift_response(image, largest=2))
    # Crops of 9 columns, pooled to 2 x 4. By 1 the pixel comes to column 3: from the third pool to
    # the second, so 2 of 8 change, whichever the pool; by 2 to column 2, the second again.
    for name in ("max pooling", "average pooling"):
        np.testing.assert_allclose(here[name], [25, 25])
        # Moved along by 0 pools: 2 of 8; by 1: none of 6.
        np.testing.assert_allclose(moved[name], [25, 0])
    # Sobel's filter, 2 x 7 outputs: of row 0, columns 2 and 4 see the pixel, and then 1 and 3; by 2
    # 0 and 2, of which 2 changes its sign.
    np.testing.assert_allclose(here["convolution"], [100 * 4 / 14, 100 * 3 / 14])


def test_shares_are_drawn_over_the_shifts_in_per_cent(photograph):
    figure = plot_shift_response(photograph[:40, :50], largest=3, window=3)
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == ["At the same place", "Where the shift takes it"]
    for axes in figure.axes:
        assert axes.get_ylim() == (0, 100) and axes.get_xlabel() == "shift (pixels)"
        for line in axes.lines:
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    _, moved = lines(figure)
    assert moved["max pooling"][2] == 0 < moved["max pooling"][1]


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((9, 30), {"largest": 0}, "`largest` must be a whole number from 1 on, got 0"),
        ((9, 30), {"window": 1}, "`window` must be a whole number from 2 on, got 1"),
        ((2, 30), {}, "`image` must be at least 3 x 19 for shifts by up to 8 .* got 2 x 30"),
        ((9, 18), {}, "`image` must be at least 3 x 19 .* got 9 x 18: take a larger one"),
    ],
)
def test_what_is_too_small_is_named(size, options, message):
    with pytest.raises(ValueError, match=message):
        plot_shift_response(np.zeros((*size, 3), np.uint8), **options)
