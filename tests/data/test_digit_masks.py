"""Scenes with a class for each pixel: the ink of their digits, and nothing else."""

import numpy as np
import pytest

from jaxvision.data.digit_masks import DigitMasks, digit_masks
from jaxvision.data.masks import MaskedSource
from jaxvision.data.scene_layout import INK
from jaxvision.data.scenes import DigitScenes

SCENES = DigitScenes(40)
MASKS = DigitMasks(SCENES)


def test_a_source_of_scenes():
    source = digit_masks(96, 3, train=3, validation=2, test=1)["validation"]
    assert isinstance(source, MaskedSource)
    assert len(source) == 2 and source.size(1) == (96, 96)
    assert source.classes == ("background", *"0123456789")
    item = source[1]
    assert item["image"].shape == (96, 96, 3) and item["image"].dtype == np.uint8
    assert item["segmentation"].shape == (96, 96) and item["segmentation"].dtype == np.int32
    assert source.describe(1) == "scene 1 of validation"
    with pytest.raises(IndexError):
        source[2]


def test_the_images_are_those_of_the_scenes_with_boxes():
    for i in (0, 7):
        np.testing.assert_array_equal(MASKS[i]["image"], SCENES[i]["image"])


def test_a_pixel_is_of_the_highest_digit_whose_ink_is_there():
    for i in range(4):
        layout, truth = SCENES.layout(i), np.zeros((128, 128), int)
        for y in range(128):
            for x in range(128):
                for digit in layout:  # the lowest first
                    row, column = y - digit.top, x - digit.left
                    rows, columns = digit.cover.shape
                    inside = 0 <= row < rows and 0 <= column < columns
                    if inside and digit.cover[row, column] >= INK:
                        truth[y, x] = digit.label + 1
        np.testing.assert_array_equal(MASKS[i]["segmentation"], truth)


def test_what_has_a_class_lies_in_the_boxes_of_that_class_and_fills_them():
    for i in range(40):
        objects, segmentation = SCENES.objects(i), MASKS[i]["segmentation"]
        boxed = np.zeros_like(segmentation, bool)
        for box, label in zip(objects.boxes.astype(int), objects.labels, strict=True):
            left, top, right, bottom = box
            boxed[top:bottom, left:right] = True
            assert (segmentation[top:bottom, left:right] == label + 1).any()
        assert not segmentation[~boxed].any()
        assert {*np.unique(segmentation)} <= {0, *(objects.labels + 1)}


def test_another_seed_gives_other_scenes():
    one, other = (digit_masks(64, train=2, seed=seed)["train"] for seed in (0, 1))
    assert (one[0]["segmentation"] != other[0]["segmentation"]).any()
    again = digit_masks(64, train=5)["train"]
    np.testing.assert_array_equal(one[1]["segmentation"], again[1]["segmentation"])
