"""Restored pictures stand beside their truth, with the same part of each enlarged."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from jaxvision.inspect import plot_restoration
from jaxvision.inspect.restoration import PART


def three(h=60, w=80, c=1):
    truth = np.full((h, w, c), 100, np.uint8)
    truth[40:50:2, 20:40] = 255  # the only contrast
    return truth // 2, truth - 1, truth


def test_the_pictures_their_titles_and_the_part_with_most_contrast():
    pictures = [three(), three(50, 70, 3)]
    figure = plot_restoration(pictures, [(20.123, 29.5), (18.0, 31.0)], "noisy")
    axes = figure.axes
    assert len(axes) == 12  # of each picture three wholes and three parts
    assert [axes[i].get_title(loc="left") for i in (0, 2, 4)] == [
        *("noisy, 20.12 dB", "restored, 29.50 dB", "truth"),
    ]
    for i, image in enumerate(pictures[0]):
        whole, part = axes[2 * i], axes[2 * i + 1]
        shown = np.asarray(whole.images[0].get_array()).reshape(image.shape)
        np.testing.assert_array_equal(shown, image)
        (box,) = [patch for patch in whole.patches if isinstance(patch, Rectangle)]
        y, x = round(box.get_y() + 0.5), round(box.get_x() + 0.5)
        rows, columns = box.get_height(), box.get_width()
        assert (rows, columns) == (80 // (2 * PART), 2 * (80 // (2 * PART)))
        enlarged = np.asarray(part.images[0].get_array()).reshape(rows, columns, -1)
        np.testing.assert_array_equal(enlarged, image[y : y + rows, x : x + columns])
        assert 40 <= y + rows / 2 <= 50 and 20 <= x + columns / 2 <= 40
    places = [ax.get_position() for ax in axes]
    assert all(min(p.x0, p.y0) >= 0 and max(p.x1, p.y1) <= 1 for p in places)
    overlaps = [
        (i, j)
        for i, a in enumerate(places)
        for j, b in enumerate(places[:i])
        if a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1
    ]
    assert not overlaps


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (2, 40), (40, 2)])
def test_tiny_pictures_are_shown(size):
    image = np.zeros((*size, 1), np.uint8)
    assert len(plot_restoration([(image, image, image)], [(1.0, 2.0)]).axes) == 6


def test_what_does_not_belong_together_is_refused():
    a, b, c = three()
    with pytest.raises(ValueError, match="one entry for each of at least one picture, got 0 and 0"):
        plot_restoration([], [])
    with pytest.raises(ValueError, match="got 1 and 2"):
        plot_restoration([(a, b, c)], [(1.0, 2.0)] * 2)
    two = np.zeros((60, 80, 2), np.uint8)
    for wrong in ((a[:5], b, c), (a, b), (two, two, two)):
        with pytest.raises(ValueError, match="`pictures` must have three of one shape"):
            plot_restoration([wrong], [(1.0, 2.0)])
