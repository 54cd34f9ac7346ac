"""`jaxvision.style.sheet`: where pictures and words stand, and what does not fit."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxvision.style.sheet import contact_sheet

RED, BLUE = (np.full((20, 40, 3), color, np.float32) for color in ((1, 0, 0), (0, 0, 1)))


def drawn(paper):
    content = io.BytesIO()
    paper.savefig(content, format="png", dpi=50)
    with Image.open(content) as image:
        return np.asarray(image.convert("RGB"))


def test_pictures_stand_in_their_places():
    paper = contact_sheet([[RED, None], [BLUE, RED]])
    above, below, beside = (axes.get_position() for axes in paper.axes)
    assert below.y1 < above.y0 and below.x1 < beside.x0
    image = drawn(paper)
    h, w, _ = image.shape
    quarters = [image[int(y * h), int(x * w)].tolist() for y in (0.25, 0.75) for x in (0.25, 0.75)]
    red, blue = [255, 0, 0], [0, 0, 255]
    assert quarters == [red, [255, 255, 255], blue, red]


def test_words_take_room_and_are_there():
    paper = contact_sheet([[RED, BLUE]], ["left", "right"], ["row"])
    assert [text.get_text() for text in paper.texts] == ["left", "right", "row"]
    assert drawn(paper).shape[0] > drawn(contact_sheet([[RED, BLUE]])).shape[0]
    first, second = (text.get_position()[0] for text in paper.texts[:2])
    left, right = (axes.get_position() for axes in paper.axes)
    np.testing.assert_allclose([first, second], [(b.x0 + b.x1) / 2 for b in (left, right)])


def test_what_does_not_fit_is_refused():
    for rows, words in (
        ([[RED], [RED, BLUE]], ()),
        ([[None]], ()),
        ([], ()),
        ([[RED]], ("a", "b")),
    ):
        with pytest.raises(ValueError, match=r"must be o"):
            contact_sheet(rows, words)
