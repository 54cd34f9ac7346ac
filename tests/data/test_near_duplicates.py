"""Images that look the same are found, and hardly any others."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxvision.data.images import decode_image, read_image
from jaxvision.data.near_duplicates import Sketch, near_pairs, sketch
from jaxvision.data.pictures import photographs


def crops(side=80):
    """All squares of the two photographs of scikit-learn, side by side."""
    for file in photographs():
        image = read_image(file)
        for top in range(0, image.shape[0] - side, side):
            for left in range(0, image.shape[1] - side, side):
                yield np.ascontiguousarray(image[top : top + side, left : left + side])


def compressed(image, quality=75):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return decode_image(buffer.getvalue())


def halved(image):
    height, width = image.shape[:2]
    return np.asarray(Image.fromarray(image).resize((width // 2, height // 2)))


def test_the_bits_by_hand():
    rows = np.zeros((8, 9), np.uint8)
    rows[0] = [0, 9, 9, 8, 9, 0, 0, 0, 1]  # rises at 0, 3 and 7; equal is no rise
    rows[7] = np.arange(9)
    image = np.repeat(rows[:, :, None], 3, axis=2)
    expected = (0b1001_0001 << 56) | 0b1111_1111
    assert sketch(image).bits == expected
    np.testing.assert_array_equal(sketch(image).grey, rows)
    slope = np.tile(np.arange(90, dtype=np.uint8)[None, :, None], (40, 1, 3))
    assert sketch(slope).bits == 2**64 - 1 and sketch(slope[:, ::-1].copy()).bits == 0


def made_up(bits, brightness=0):
    grey = np.full((8, 9), brightness, np.float32)
    grey[0, 0] += 100  # some contrast
    return Sketch(bits, grey)


def test_pairs_differ_in_few_bits_and_little_brightness():
    four, five = 0b1111, 0b11111 << 20
    found = near_pairs([made_up(bits) for bits in (0, four, five, 2**64 - 1)])
    assert found.tolist() == [[0, 1]]
    assert near_pairs([made_up(0), made_up(five)], near=5).tolist() == [[0, 1]]
    assert near_pairs([made_up(0, 10), made_up(0, 14)]).tolist() == [[0, 1]]
    assert near_pairs([made_up(0, 10), made_up(0, 15)]).tolist() == []
    flat = Sketch(0, np.linspace(0, 12, 72, dtype=np.float32).reshape(8, 9))
    assert near_pairs([flat, flat]).tolist() == [] == near_pairs([]).tolist()
    with pytest.raises(ValueError, match=r"`near` must be in \[0, 64\].*got -1"):
        near_pairs([flat], near=-1)


def test_many_are_compared_as_few_are():
    rng = np.random.default_rng(0)
    bits = [int(b) for b in rng.integers(0, 2**8, 300)]  # of 8 bits: many are near
    expected = [
        [i, j]
        for i in range(300)
        for j in range(i + 1, 300)
        if (bits[i] ^ bits[j]).bit_count() <= 2
    ]
    assert near_pairs([made_up(b) for b in bits], near=2).tolist() == expected


@pytest.mark.parametrize("change", [compressed, halved, lambda image: compressed(halved(image))])
def test_changed_photographs_are_found_and_no_others(change):
    images = [image for image in crops() if np.ptp(sketch(image).grey) > 20]  # no mere sky
    sketches = [sketch(image) for image in images]
    changed = [sketch(change(image)) for image in images]
    pairs = {tuple(pair) for pair in near_pairs(sketches + changed).tolist()}
    wanted = {(i, i + len(images)) for i in range(len(images))}
    assert len(images) > 50 and len(pairs & wanted) >= 0.95 * len(wanted)
    assert len(pairs - wanted) <= 0.01 * len(pairs)


@pytest.mark.real_data
def test_real_photographs_look_different(shared):
    paths = sorted((shared / "datasets" / "hymenoptera").rglob("*.jpg"))[::4]
    sketches = [sketch(read_image(path)) for path in paths]
    changed = [sketch(compressed(halved(read_image(path)))) for path in paths[:40]]
    pairs = near_pairs(sketches + changed).tolist()
    wanted = [[i, i + len(paths)] for i in range(40)]
    assert len(paths) > 90 and sum(pair in wanted for pair in pairs) >= 38
    assert all(pair in wanted for pair in pairs)
