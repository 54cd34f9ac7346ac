"""Every image has as many rows of boxes; none is lost, and none is made up."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.augment import horizontal_flip
from jaxvision.data import Objects, Padded, scenes

FLAGS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=5)


class Made:
    """An image for each list of flags (difficult, crowd), with as many objects."""

    classes = ("a", "b", "c")

    def __init__(self, flags):
        self.flags = flags

    def __len__(self):
        return len(self.flags)

    def objects(self, index):
        k = len(self.flags[index])
        flags = np.array(self.flags[index], bool).reshape(-1, 2)
        boxes = np.arange(4 * k, dtype=np.float32).reshape(k, 4)
        labels = np.arange(k, dtype=np.int32) % 3
        return Objects(boxes, labels, flags[:, 0], flags[:, 1], 50, 60)

    def __getitem__(self, index):
        image = np.full((50, 60, 1), index, np.uint8)
        return {"image": image, "objects": self.objects(index)}

    def describe(self, index):
        return f"photos/{index}.jpg"


NONE = (False, False)


def test_by_hand():
    source = Padded(Made([[NONE, (True, False), NONE, (False, True)], []]), 3)
    assert len(source) == 2 and source.classes == ("a", "b", "c") and source.most == 3
    assert source.describe(1) == "photos/1.jpg"
    item = source[0]
    np.testing.assert_array_equal(item["boxes"], [[0, 1, 2, 3], [8, 9, 10, 11], [0, 0, 0, 0]])
    assert item["box_mask"].tolist() == [True, True, False]
    assert item["label"].tolist() == [0, 2, 0]
    assert item["boxes"].dtype == np.float32 and item["label"].dtype == np.int32
    assert item["box_mask"].dtype == bool and item["image"].shape == (50, 60, 1)
    empty = source[1]
    assert not empty["box_mask"].any() and empty["boxes"].shape == (3, 4)
    assert (empty["image"] == 1).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(FLAGS, min_size=1, max_size=4))
def test_all_that_is_learned_is_there_and_first(flags):
    source = Padded(Made(flags))
    counts = [sum(not any(pair) for pair in image) for image in flags]
    assert source.most == max(1, *counts)
    for i, count in enumerate(counts):
        item, objects = source[i], source.source.objects(i)
        assert item["box_mask"].tolist() == [True] * count + [False] * (source.most - count)
        learned = [k for k, pair in enumerate(flags[i]) if not any(pair)]
        np.testing.assert_array_equal(item["boxes"][:count], objects.boxes[learned])
        np.testing.assert_array_equal(item["label"][:count], objects.labels[learned])
        assert not item["boxes"][count:].any() and not item["label"][count:].any()


def test_an_image_with_too_many_is_an_error():
    flags = [[NONE], [NONE] * 4 + [(True, False)], [NONE] * 3]
    with pytest.raises(ValueError, match=r"photos/1.jpg: has 4 objects, .*`most` = 2.*-boxes 4`"):
        Padded(Made(flags), 2)
    assert Padded(Made(flags), 4).most == 4
    with pytest.raises(ValueError, match="`most` must be at least 1, got 0"):
        Padded(Made(flags), 0)


def test_augmentations_take_it():
    source = Padded(scenes(64, train=3)["train"])
    item = source[1]
    flipped = horizontal_flip(1)(jax.random.key(0), dict(item))
    boxes = item["boxes"][item["box_mask"]]
    np.testing.assert_array_equal(
        flipped["boxes"][item["box_mask"]],
        np.stack([64 - boxes[:, 2], boxes[:, 1], 64 - boxes[:, 0], boxes[:, 3]], axis=1),
    )
