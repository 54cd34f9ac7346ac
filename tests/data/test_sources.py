"""A source in memory, the digits, and the one name for all kinds of data."""

import numpy as np
import pytest
from PIL import Image

from jaxvision.data import (
    ArraySource,
    FolderSource,
    Source,
    digits,
    fit_image,
    open_data,
)

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
LABELS = [0, 2, 1, 0]


def raises(*words):
    """Expects a ValueError of one line that says all of `words`."""
    return pytest.raises(
        ValueError, check=lambda e: "\n" not in str(e) and all(w in str(e) for w in words)
    )


def test_an_array_source_gives_what_it_was_given():
    source = ArraySource(IMAGES, LABELS, ("a", "b", "c"))
    assert isinstance(source, Source)
    assert len(source) == 4 and source.classes == ("a", "b", "c")
    assert source.labels.dtype == np.int32 and source.labels.tolist() == LABELS
    for i in (0, 1, -1, np.int64(2)):
        np.testing.assert_array_equal(source[i]["image"], IMAGES[i])
        assert source[i]["label"] == LABELS[i] and type(source[i]["label"]) is int
    with pytest.raises(IndexError):
        source[4]
    assert [item["label"] for item in source] == LABELS
    assert np.shares_memory(source.images, IMAGES)


def test_what_comes_out_of_an_array_source_cannot_change_it():
    images = IMAGES.copy()
    source = ArraySource(images, LABELS)
    with pytest.raises(ValueError, match="read-only"):
        source[0]["image"][:] = 0
    images[:] = 0  # the owner's array stays writeable


def test_classes_are_numbered_by_default():
    assert ArraySource(IMAGES, np.array(LABELS, np.uint8)).classes == ("0", "1", "2")
    assert ArraySource(IMAGES, [0, 1, 1, 0], ("a", "b", "c")).classes == ("a", "b", "c")


NAN_IMAGES = np.full((4, 2, 2, 1), 0.5)
NAN_IMAGES[2, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (IMAGES / 255, ("float64 [4, 5, 6, 3]", "from 0.0", "np.round(images * 255)")),
        (IMAGES.astype(np.int64), ("int64", "to 255", "np.round(images).astype(np.uint8)")),
        (IMAGES * np.float32(2), ("float32", "to 510.0", "outside 0..255 first in rows [0, 1, ")),
        (NAN_IMAGES, ("to nan", "outside 0..255 first in rows [2]", "Scale it to 0..255")),
        (IMAGES[..., 0], ("uint8 [4, 5, 6]", "`images[..., None]`")),
        (IMAGES[0, 0], ("uint8 [6, 3]", "Reshape")),
        (IMAGES.transpose(0, 3, 1, 2), ("channels last", "uint8 [4, 3, 5, 6]", "transpose(0, 2,")),
        (IMAGES[:0], ("uint8 [0, 5, 6, 3]", "no pixel")),
        (np.array([["cat.png"]]), ("<U7 [1, 1]", "Stack the images")),
    ],
)
def test_images_of_another_form_are_refused(images, words):
    with raises("`images` must", *words):
        ArraySource(images, LABELS)


@pytest.mark.parametrize(
    ("labels", "classes", "words"),
    [
        ([0, 1, 2], None, ("4 integers, one for each image", "got shape [3]")),
        (np.eye(4), None, ("got shape [4, 4]", "`labels.argmax(1)`")),
        ([0.0, 1.5, 2.0, 1.0], None, ("float64 from 0.0 to 2.0", "[0.0, 1.5, 2.0]", "np.unique")),
        (["b", "a", "b", "a"], None, ("<U1 from 'a' to 'b'", "['b', 'a', 'b']", "return_inverse")),
        ([True, False, True, False], None, ("got bool", "np.unique")),
        (np.array([None, 1, 2, 0]), None, ("got object", "[None, 1, 2]")),
        ([0, -1, 1, -1], None, ("in [0, 2)", "got -1 to 1", "2 outside", "rows [1, 3]", "renum")),
        ([0, 1, 2, 7], ("a", "b"), ("in [0, 2)", "got 0 to 7", "rows [2, 3]", "`classes`")),
        ([1, 2, 4, 4], None, ("from 1 to 4", "none is [0, 3]", "np.unique", "`classes`")),
        ([10**9, 0, 1, 2], None, ("none is [3, 4, 5, 6, 7]",)),
    ],
)
def test_labels_that_number_no_class_are_refused(labels, classes, words):
    with raises("`labels`", *words):
        ArraySource(IMAGES, labels, classes)


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    (key, source), *others = digits().items()
    assert key == "train" and not others
    assert source.images.shape == (1797, 8, 8, 1)
    assert source.classes == tuple("0123456789")
    np.testing.assert_array_equal(source.labels, bunch.target)
    np.testing.assert_allclose(source.images[..., 0], bunch.images * 255 / 16, atol=0.5)
    assert {int(v) for v in np.unique(source.images)} >= {0, 128, 255}


def test_open_data_digits():
    np.testing.assert_array_equal(open_data("digits")["train"].images, digits()["train"].images)
    colour = open_data("digits", channels=3)["train"]
    assert colour.images.shape == (1797, 8, 8, 3)
    np.testing.assert_array_equal(
        fit_image(colour[0]["image"][..., 2:], 8, 8), digits()["train"][0]["image"]
    )


def test_open_data_folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (3, 2), "red").save(tmp_path / name / "1.png")
    source = open_data(f"folder:{tmp_path}")["train"]
    assert isinstance(source, FolderSource)
    assert source[0]["image"].shape == (2, 3, 3)
    assert open_data(f"folder:{tmp_path}", channels=1)["train"][1]["image"].shape == (2, 3, 1)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("digts", ("`data` is unknown: 'digts'", "mean `digits`", "folder:PATH", "tfds:NAME")),
        ("foldr:photos", ("'foldr:'", "Did you mean `folder:PATH`?")),
        ("mnist", ("'mnist'", "Known: digits, folder:PATH, tfds:NAME")),
        ("digits:8", ("Did you mean `digits`?",)),
        ("folder:", ("`data` is 'folder:'", "nothing after the colon", "Try 'folder:photos'")),
        ("tfds:", ("`data` is 'tfds:'", "nothing after the colon", "Try 'tfds:cifar10'")),
    ],
)
def test_an_unknown_spec_is_named_with_the_nearest(spec, words):
    with raises(*words):
        open_data(spec)


def test_open_data_checks_its_other_arguments():
    with raises("`channels` must be 1 (grey) or 3 (RGB), got 2"):
        open_data("digits", channels=2)
    with raises("`data_dir` is where TFDS", "'digits'", "Leave"):
        open_data("digits", data_dir="/data")
