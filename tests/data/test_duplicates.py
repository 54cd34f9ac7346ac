"""Copies: all are found, nothing else is, and what is left has none."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxvision.data import batches
from jaxvision.data.duplicates import (
    check_disjoint,
    content_hashes,
    find_duplicates,
    without_copies,
)
from jaxvision.data.folder import open_folder
from jaxvision.data.sources import ArraySource, digits, open_data
from jaxvision.data.splits import train_validation_test

CLASSES = ("ant", "bee")


class Pictures:
    """Images of any shapes."""

    def __init__(self, images, labels, classes=CLASSES):
        self.images, self.classes = images, classes
        self.labels = np.array(labels, np.int32)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "label": int(self.labels[i])}


def grey(values, labels=None):
    """One image of 1 x 1 for each value."""
    images = np.array(values, np.uint8).reshape(-1, 1, 1, 1)
    return ArraySource(images, [0] * len(values) if labels is None else labels, CLASSES)


def places(duplicate):
    return [(copy.part, copy.row) for copy in duplicate.copies]


def test_copies_within_a_part_and_across_parts_by_hand():
    parts = {"train": grey([1, 2, 1, 3], [0, 0, 1, 1]), "test": grey([4, 3, 1], [0, 1, 0])}
    one, three = find_duplicates(parts)
    assert places(one) == [("train", 0), ("train", 2), ("test", 2)]
    assert one.parts == ("train", "test") and one.labels == ("ant", "bee")
    assert places(three) == [("train", 3), ("test", 1)]
    assert three.labels == ("bee",)
    assert find_duplicates({"train": grey([1, 2])}) == []


def test_labels_are_compared_by_their_class_and_not_by_its_number():
    images = np.zeros((1, 2, 2, 1), np.uint8)
    parts = {
        "here": ArraySource(images, [0], ("ant", "bee")),
        "there": ArraySource(images, [1], ("bee", "ant")),
    }
    assert find_duplicates(parts)[0].labels == ("ant",)


def test_a_hash_is_of_the_shape_and_every_pixel():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    changed = [image.copy() for _ in range(image.size)]
    for i, other in enumerate(changed):
        other.reshape(-1)[i] += 1
    reshaped = [image.reshape(4, 2, 3), image.reshape(1, 8, 3), image.reshape(8, 3, 1)]
    alike = [image, image[::-1].copy()[::-1], np.asfortranarray(image)]  # laid out differently
    images = [*alike, *changed, *reshaped]
    hashes = content_hashes(Pictures(images, [0] * len(images)))
    assert len(set(hashes[:3])) == 1
    assert len(set(hashes)) == len(images) - 2


@pytest.mark.parametrize("limit", [0, 10_000])
def test_hashes_are_in_the_order_of_the_images_whoever_reads(limit, monkeypatch):
    # 1,000 are more than are read at a time; with threads and without.
    monkeypatch.setattr("jaxvision.data.duplicates.SMALL_IMAGE_BYTES", limit)
    images = np.random.default_rng(0).integers(0, 256, (1000, 3, 3, 1), dtype=np.uint8)
    hashes = content_hashes(ArraySource(images, [0] * 1000))
    assert len(set(hashes)) == len(hashes) == 1000
    for i in (0, 1, 255, 256, 999):
        assert hashes[i] == content_hashes(ArraySource(images[i : i + 1], [0]))[0]
    assert content_hashes(Pictures([], [])) == []


def test_items_are_read_together():
    class Together(Pictures):
        def __getitems__(self, indices):
            reads.append(len(indices))
            return [super(Together, self).__getitem__(i) for i in indices]

    reads = []
    content_hashes(Together([np.zeros((1, 1, 1), np.uint8)] * 600, [0] * 600))
    assert reads == [256, 256, 88]


values = st.lists(st.integers(0, 12), min_size=1, max_size=15)


@settings(deadline=None, max_examples=100)
@given(train=values, test=values, random=st.randoms(use_true_random=False))
def test_what_is_found_and_what_is_left_are_those_of_comparing_all_pairs(train, test, random):
    labels = [random.randint(0, 1) for _ in train]
    parts = {"train": grey(train, labels), "test": grey(test)}
    images = [("train", i, v) for i, v in enumerate(train)]
    images += [("test", i, v) for i, v in enumerate(test)]
    expected = {
        frozenset((part, row) for part, row, other in images if other == value)
        for _, _, value in images
    }
    found = find_duplicates(parts)
    assert {frozenset(places(d)) for d in found} == {g for g in expected if len(g) > 1}

    def stays(row):
        same = [labels[i] for i, value in enumerate(train) if value == train[row]]
        return train[row] not in train[:row] + test and len(set(same)) == 1

    expected = [row for row in range(len(train)) if stays(row)]
    if {labels[row] for row in expected} == set(labels):
        assert without_copies(parts["train"], parts["test"]).rows.tolist() == expected
    else:
        with pytest.raises(ValueError, match="`source` must keep an example of each class"):
            without_copies(parts["train"], parts["test"])


def test_what_is_left_is_disjoint_and_has_no_repetition():
    test, validation = grey([1, 2]), grey([3])
    train = grey([0, 1, 5, 3, 5, 0, 6, 7], [0, 0, 0, 1, 1, 0, 1, 0])
    left = without_copies(train, validation, test)
    assert left.rows.tolist() == [0, 6, 7]  # 5 is labelled in two ways
    assert [left[i]["image"].item() for i in range(3)] == [0, 6, 7]
    assert find_duplicates({"train": left, "validation": validation, "test": test}) == []
    assert without_copies(grey([4, 3, 4])).rows.tolist() == [0, 1]


def test_parts_with_an_image_in_common_are_an_error_that_shows_them():
    train = grey([0, 1, 2, 3, 4, 5, 6, 0], [0, 0, 0, 0, 1, 0, 1, 0])
    parts = {"test": grey([9, 1, 2, 3, 4]), "train": train, "validation": grey([5, 8])}
    with pytest.raises(ValueError) as raised:
        check_disjoint(parts)
    assert str(raised.value) == (
        "`parts` must have no image in common, but test and train have 4 (test: item 1, item 2, "
        "item 3 and 1 others; train: item 1, item 2, item 3 and 1 others), 1 of them labelled "
        "differently (ant and bee); train and validation have 1 (train: item 5; validation: "
        "item 0). Leave them out of the part that is learned from: `without_copies(train, test)`."
    )
    left = without_copies(train, parts["test"], parts["validation"])
    check_disjoint(parts | {"train": left})
    assert left.rows.tolist() == [0, 6]


def test_a_repetition_within_a_part_is_no_overlap():
    check_disjoint({"train": grey([1, 1, 2]), "test": grey([3, 3])})
    check_disjoint({"train": grey([1, 1])})
    check_disjoint({})


def test_a_copy_in_three_parts_is_named_in_all():
    with pytest.raises(ValueError, match=r"a and b and c have 1 \(a: item 0; b: item 1; c"):
        check_disjoint({"a": grey([1]), "b": grey([2, 1]), "c": grey([1, 3])})


def test_images_in_files_are_named_by_their_paths(tmp_path):
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for kind in CLASSES:
            (tmp_path / split / kind).mkdir(parents=True)
            for i in range(2):
                picture = random.integers(0, 256, (70, 60, 3), dtype=np.uint8)  # read by threads
                assert picture.nbytes > batches.SMALL_IMAGE_BYTES
                Image.fromarray(picture).save(tmp_path / split / kind / f"{i}.png")
    # The same pixels in another kind of file.
    original, copy = tmp_path / "test" / "bee" / "1.png", tmp_path / "train" / "ant" / "copy.bmp"
    Image.open(original).save(copy)
    parts = open_folder(tmp_path)
    with pytest.raises(ValueError) as raised:
        check_disjoint(parts)
    for words in (f"test: {original}", f"train: {copy}", "labelled differently (bee and ant)"):
        assert words in str(raised.value)
    left = without_copies(parts["train"], parts["test"])
    assert left.rows.tolist() == [0, 1, 3, 4]
    assert str(copy) not in [left.describe(i) for i in range(4)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: without_copies(grey([1, 2]), grey([2, 1])),
            "1 would have none ('ant'): all their",
        ),
        (
            lambda: without_copies(grey([1, 2, 1], [0, 0, 1])),
            "1 would have none ('bee'): all their",
        ),
    ],
)
def test_a_class_that_would_be_lost_is_an_error(call, words):
    with pytest.raises(ValueError) as raised:
        call()
    message = str(raised.value)
    assert message.startswith("`source` must keep an example of each class")
    assert (
        words in message and "`find_duplicates` shows the copies" in message and "\n" not in message
    )


def test_the_digits_have_no_copies():
    source = digits()["train"]
    assert find_duplicates({"train": source}) == []
    assert max(Counter(image.tobytes() for image in source.images).values()) == 1
    check_disjoint(train_validation_test(source)._asdict())
    assert len(without_copies(source)) == 1797


@pytest.mark.real_data
def test_fashion_mnist_has_no_copies_any_more(unchecked):
    # Until September 2017 it had 54; they were replaced. So an old copy of it is noticed.
    try:
        parts = open_data("tfds:fashion_mnist")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert find_duplicates(parts) == []
