"""The scenes keep what their module promises: tight boxes, digits that are seen, no leaks."""

import importlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.data import AnnotatedSource, DigitScenes, digits, scenes
from jaxvision.data.scene_layout import Arrangement, Digit, digit_rows, iou

indices = st.integers(0, 9_999)
SCENES = DigitScenes(10_000)


def test_a_source_of_scenes():
    source = DigitScenes(5, 96, channels=3)
    assert isinstance(source, AnnotatedSource)
    assert len(source) == 5 and source.classes == tuple("0123456789")
    item = source[2]
    assert item["image"].shape == (96, 96, 3) and item["image"].dtype == np.uint8
    assert (item["image"] == item["image"][..., :1]).all()
    np.testing.assert_array_equal(item["image"][..., :1], DigitScenes(5, 96)[2]["image"])
    for ours, theirs in zip(item["objects"], source.objects(2), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert item["objects"].boxes.dtype == np.float32
    assert (item["objects"].height, item["objects"].width) == (96, 96)
    assert source.describe(2) == "scene 2 of train"
    with pytest.raises(IndexError):
        source[5]
    np.testing.assert_array_equal(source[-1]["image"], source[np.int64(4)]["image"])


def test_a_scene_is_a_pure_function_of_seed_part_and_number():
    source = DigitScenes(40)
    images = [source[i]["image"] for i in range(40)]
    assert len({image.tobytes() for image in images}) == 40
    again = pickle.loads(pickle.dumps(DigitScenes(7)))
    np.testing.assert_array_equal(again[6]["image"], images[6])  # whatever n, and whatever before
    for other in (DigitScenes(7, seed=1), DigitScenes(7, part="test")):
        assert (other[6]["image"] != images[6]).any()
        assert (
            other.objects(6).boxes.shape != source.objects(6).boxes.shape
            or (other.objects(6).boxes != source.objects(6).boxes).any()
        )


def test_parts_and_seeds_differ_in_more_than_their_digits():
    counts = {
        tuple(len(DigitScenes(30, part=part, seed=seed).layout(i)) for i in range(30))
        for part, seed in (("train", 0), ("validation", 0), ("test", 0), ("train", 1))
    }
    assert len(counts) == 4


def test_no_digit_is_in_two_parts():
    rows = {part: digit_rows(part) for part in ("train", "validation", "test")}
    assert {part: len(chosen) for part, chosen in rows.items()} == {
        "train": 1000,
        "validation": 297,
        "test": 500,
    }
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1797))
    # Each part has all classes.
    labels = digits()["train"].labels
    for chosen in rows.values():
        assert np.bincount(labels[chosen], minlength=10).min() >= 20


@settings(deadline=None, max_examples=60)
@given(indices)
def test_boxes_are_tight_and_inside(i):
    for digit in SCENES.layout(i):
        ink = np.zeros((128, 128), bool)
        rows, columns = digit.cover.shape
        assert 0 <= digit.top <= 128 - rows and 0 <= digit.left <= 128 - columns
        ink[digit.top : digit.top + rows, digit.left : digit.left + columns] = digit.cover >= 0.5
        left, top, right, bottom = digit.box
        assert ink[top:bottom, left:right].sum() == ink.sum()
        for line in (
            *(ink[top, left:right], ink[bottom - 1, left:right]),
            *(ink[top:bottom, left], ink[top:bottom, right - 1]),
        ):
            assert line.any()


@settings(deadline=None, max_examples=60)
@given(indices)
def test_digits_overlap_little_and_are_seen(i):
    layout = SCENES.layout(i)
    assert 1 <= len(layout) <= 6
    inks = []
    for digit in layout:
        rows, columns = digit.cover.shape
        ink = np.zeros((128, 128), bool)
        ink[digit.top : digit.top + rows, digit.left : digit.left + columns] = digit.cover >= 0.5
        inks.append(ink)
    for n, digit in enumerate(layout):
        above = np.any([np.zeros((128, 128), bool), *inks[n + 1 :]], axis=0)
        assert (inks[n] & ~above).sum() >= 2 / 3 * inks[n].sum()
        assert all(iou(digit.box, other.box) <= 0.3 for other in layout[:n])


def test_iou_by_hand():
    assert iou((0, 0, 4, 2), (0, 0, 4, 2)) == 1
    assert iou((0, 0, 4, 2), (2, 1, 6, 3)) == 2 / 14
    assert iou((0, 0, 4, 2), (4, 0, 6, 2)) == iou((0, 0, 4, 2), (0, 5, 4, 6)) == 0


def square(left, top, side=10):
    cover = np.ones((side, side), np.float32)
    return Digit(0, top, left, cover, (left, top, left + side, top + side))


def test_an_arrangement_takes_what_fits():
    arrangement = Arrangement(100)
    arrangement.add(square(0, 0))
    arrangement.add(square(4, 0))  # IoU 60 / 140
    assert len(arrangement.digits) == 1
    arrangement.add(square(6, 0))  # hides 0.4
    assert len(arrangement.digits) == 1
    arrangement.add(square(8, 0))  # hides 0.2, and so does the next
    assert len(arrangement.digits) == 2
    arrangement.add(square(0, 8))
    assert len(arrangement.digits) == 2  # 0.4 of the first in all: 20 + 20 - 4
    arrangement.add(square(50, 50))
    assert len(arrangement.digits) == 3


def test_what_hides_a_digit_counts_for_that_one():
    arrangement = Arrangement(100)
    arrangement.add(square(0, 0, side=40))
    arrangement.add(square(50, 50))
    arrangement.add(square(58, 50))  # hides 0.2 of the second
    assert len(arrangement.digits) == 3
    arrangement.add(square(42, 50))  # as much again
    assert len(arrangement.digits) == 3


@pytest.mark.parametrize("i", range(8))
def test_a_digit_is_told_from_what_is_around_it(i):
    source = DigitScenes(8, most=1)
    image = source[i]["image"][..., 0].astype(float)
    (digit,) = source.layout(i)
    rows, columns = digit.cover.shape
    part = image[digit.top : digit.top + rows, digit.left : digit.left + columns]
    inside = np.median(part[digit.cover == 1])
    assert abs(inside - np.median(image)) > 30  # 60 less the shades' 25 and a little
    assert part[digit.cover == 1].std() < 10


def test_sizes_counts_and_labels_vary():
    layouts = [SCENES.layout(i) for i in range(300)]
    counts = np.bincount([len(layout) for layout in layouts], minlength=7)
    assert counts[0] == 0 and (counts[1:] > 25).all()  # 50 each
    heights = np.array([d.box[3] - d.box[1] for layout in layouts for d in layout])
    assert heights.min() < 22 and heights.max() > 44 and heights.max() <= 62
    labels = np.bincount([d.label for layout in layouts for d in layout], minlength=10)
    assert labels.min() > 0.06 * labels.sum()
    centres = np.array([d.box[:2] for layout in layouts for d in layout])
    assert (centres.min(axis=0) < 3).all() and (centres.max(axis=0) > 95).all()
    grounds = [np.median(SCENES[i]["image"]) for i in range(40)]
    assert min(grounds) < 70 and max(grounds) > 180


def test_boxes_grow_with_the_scene():
    small, large = (
        np.mean([d.box[3] - d.box[1] for i in range(60) for d in DigitScenes(60, size).layout(i)])
        for size in (64, 256)
    )
    assert large / small == pytest.approx(4, rel=0.1)


def test_fewest_and_most(monkeypatch):
    empty = DigitScenes(30, fewest=0, most=1)
    counts = [len(empty.objects(i).labels) for i in range(30)]
    assert set(counts) == {0, 1}
    assert empty.objects(counts.index(0)).boxes.shape == (0, 4)
    assert empty[counts.index(0)]["image"].shape == (128, 128, 1)
    module = importlib.import_module("jaxvision.data.scenes")  # its function has the same name
    monkeypatch.setattr(module, "TRIALS", 1)  # then not all find room at once
    enough = [len(DigitScenes(20, fewest=5, most=5).layout(i)) for i in range(20)]
    assert enough == [5] * 20
    monkeypatch.undo()
    full = DigitScenes(3, 64, fewest=12, most=12)
    assert [len(full.objects(i).labels) for i in range(3)] == [12] * 3


def test_scenes_are_three_parts():
    made = scenes(64, 3, train=4, validation=3, test=2, fewest=2, most=3, seed=9)
    assert {part: len(source) for part, source in made.items()} == {
        "train": 4,
        "validation": 3,
        "test": 2,
    }
    for part, source in made.items():
        assert source.part == part and source.seed == 9
        assert source[0]["image"].shape == (64, 64, 3)
        assert 2 <= len(source.objects(1).labels) <= 3
    assert [len(source) for source in scenes().values()] == [2000, 200, 500]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0}, "`n` must be at least 1 scene.* got 0 and 128"),
        ({"size": 63}, "`size` at least 64 pixels.* got 5 and 63"),
        ({"most": 13}, "at most 12.* got 1 and 13"),
        ({"most": 0, "fewest": 0}, "got 0 and 0"),
        ({"fewest": 4, "most": 3}, "`fewest` and `most` .* got 4 and 3"),
        ({"fewest": -1}, "got -1 and 6"),
        ({"channels": 2}, "`channels` must be 1"),
        ({"seed": -1}, "`seed` must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        DigitScenes(**{"n": 5} | change)
