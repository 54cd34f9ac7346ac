"""A folder becomes a data set by its names alone; what cannot be one is named."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxvision.data import FolderSource, ImageError, Source, open_folder


@pytest.fixture
def photos(tmp_path):
    """Makes image files of a colour each, and other files empty, below tmp_path/photos."""

    def make(*names):
        for i, name in enumerate(names):
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() in (".png", ".jpg", ".webp"):
                form = {".jpg": "JPEG"}.get(path.suffix.lower(), path.suffix[1:])
                Image.new("RGB", (4, 3), (10 * i, 0, 0)).save(path, form.upper())
            else:
                path.touch()
        return tmp_path / "photos"

    return make


def raises(kind, *words):
    """Expects an error of one line that says all of `words`."""
    return pytest.raises(
        kind, check=lambda e: "\n" not in str(e) and all(str(w) in str(e) for w in words)
    )


def relative(paths, root):
    return [str(path.relative_to(root)) for path in paths]


def test_classes_and_images_are_sorted_by_name(photos):
    root = photos("dog/b.png", "dog/a.PNG", "Ö/1.webp", "cat/10.png", "cat/2.png")
    source = FolderSource(root)
    assert isinstance(source, Source)
    assert source.classes == ("cat", "dog", "Ö")
    expected = ["cat/10.png", "cat/2.png", "dog/a.PNG", "dog/b.png", "Ö/1.webp"]
    assert relative(source.paths, root) == expected
    assert source.labels.dtype == np.int32 and source.labels.tolist() == [0, 0, 1, 1, 2]
    assert len(source) == 5 and source.ignored == ()
    item = source[3]
    assert item["label"] == 1
    np.testing.assert_array_equal(item["image"], np.zeros((3, 4, 3)))  # dog/b.png, the first made
    assert source[-1]["label"] == 2
    with pytest.raises(IndexError):
        source[5]


def test_names_may_be_long_and_of_any_script(photos):
    long = "x" * 246 + "雪.png"  # 253 bytes; a file system takes 255
    root = photos(f"雪 ünï/{long}", "b [1]/a\\b.png")
    source = FolderSource(root)
    assert source.classes == ("b [1]", "雪 ünï") and source.paths[1].name == long
    assert source[1]["image"].shape == (3, 4, 3)
    source.paths[1].write_bytes(b"")
    with raises(ImageError, long, "it is empty", "Item 1, class '雪 ünï'"):
        source[1]


def test_a_file_that_may_not_be_read_is_named(photos, monkeypatch):
    source = FolderSource(photos("cat/a.png", "dog/b.png"))

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with raises(ImageError, source.paths[1], "Permission denied", "may be read", "class 'dog'"):
        source[1]


def test_grey_on_request(photos):
    source = FolderSource(photos("cat/a.png", "dog/b.png"), channels=1)
    np.testing.assert_array_equal(source[1]["image"], np.full((3, 4, 1), 3))  # 0.299 * 10


def test_images_are_found_at_any_depth_and_hidden_ones_are_not(photos):
    root = photos("cat/a.png", "cat/x/y/b.png", "cat/.c.png", "cat/.x/d.png", "dog/e.png")
    photos(".git/f.png", ".DS_Store", "dog/.DS_Store")
    source = FolderSource(root)
    assert relative(source.paths, root) == ["cat/a.png", "cat/x/y/b.png", "dog/e.png"]
    assert source.classes == ("cat", "dog") and source.ignored == ()


def test_what_is_ignored_is_listed(photos):
    root = photos("README.md", "top.png", "cat/a.png", "cat/a.txt", "dog/b.png", "dog/x/b.json")
    source = FolderSource(root)
    assert len(source) == 2
    assert relative(source.ignored, root) == ["README.md", "top.png", "cat/a.txt", "dog/x/b.json"]


def test_links_are_followed_but_not_in_circles(photos, tmp_path):
    root = photos("cat/a.png", "dog/b.png")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (4, 3)).save(elsewhere / "c.png")
    (root / "cat" / "linked.png").symlink_to(elsewhere / "c.png")
    (root / "eel").symlink_to(elsewhere)
    (root / "cat" / "circle").symlink_to(root)
    source = FolderSource(root)
    assert source.classes == ("cat", "dog", "eel")
    assert relative(source.paths, root) == ["cat/a.png", "cat/linked.png", "dog/b.png", "eel/c.png"]
    assert relative(source.ignored, root) == ["cat/circle"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a.png", "b.png"), ("has images, but no class folders", "Sort the images")),
        (("a.txt",), ("has no class folders", "Sort the images")),
        (("cat/a.png",), ("only one class folder, 'cat'", "Sort the images")),
        (("cat/a.png", "dog/a.txt"), ("the class 'dog' has no image, and 1 other", "Put", ".png")),
    ],
)
def test_a_folder_without_classes_of_images_is_refused(photos, names, words):
    root = photos(*names)
    with raises(ValueError, root, *words):
        FolderSource(root)


def test_a_path_that_is_no_folder_is_refused(photos, tmp_path):
    with raises(FileNotFoundError, tmp_path / "nowhere", "no such folder", "Check the path"):
        open_folder(tmp_path / "nowhere")
    root = photos("cat/a.png")
    with raises(ValueError, root / "cat" / "a.png", "is a file", "Give the folder"):
        open_folder(root / "cat" / "a.png")
    with raises(ValueError, "`channels` must be 1 (grey) or 3 (RGB), got 2"):
        FolderSource(root, channels=2)


def test_a_bad_image_is_named_with_its_index_and_class(photos):
    root = photos("cat/a.png", "dog/b.png", "dog/c.png", "dog/d.png")
    source = FolderSource(root)
    path = root / "dog" / "b.png"
    path.write_bytes(path.read_bytes()[:50])
    with raises(ImageError, path, "damaged or cut short", "remove it", "Item 1, class 'dog'"):
        source[1]
    path.unlink()
    with raises(ImageError, path, "no such image file", "Check", "Item 1, class 'dog'"):
        source[1]
    assert source[2]["label"] == 1


def test_a_folder_that_may_not_be_listed_is_not_empty(photos, monkeypatch):
    root = photos("cat/a.png", "dog/b.png", "dog/x/c.png")
    scandir = os.scandir

    def forbidding(path):
        if os.fspath(path).endswith("x"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    with raises(PermissionError, root / "dog" / "x"):
        FolderSource(root)


def in_splits(*splits):
    return [f"{split}/{name}" for split in splits for name in ("cat/a.png", "dog/b.png")]


@pytest.mark.parametrize(
    ("folders", "keys"),
    [
        (["train", "val", "test"], ["test", "train", "validation"]),
        (["train", "valid"], ["train", "validation"]),
        (["Train", "Validation"], ["train", "validation"]),
        (["train"], ["train"]),
    ],
)
def test_splits_are_opened_by_their_names(photos, folders, keys):
    root = photos(*in_splits(*folders))
    sources = open_folder(root, channels=1)
    assert sorted(sources) == keys
    for key, source in sources.items():
        assert source.classes == ("cat", "dog") and len(source) == 2
        assert source.root.name.lower()[:3] == key[:3]
        assert source[0]["image"].shape == (3, 4, 1)


def test_without_splits_all_is_train(photos):
    (key, source), *others = open_folder(photos("cat/a.png", "dog/b.png")).items()
    assert key == "train" and not others
    assert source.classes == ("cat", "dog")


def test_a_train_among_classes_is_a_class(photos):
    root = photos("bus/a.png", "car/b.png", "train/c.png")
    assert open_folder(root)["train"].classes == ("bus", "car", "train")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([*in_splits("train", "test"), "new/a.png"], ("(test, train)", "(new)", "Move")),
        (in_splits("val", "test"), ("test, val", "must be `train`", "rename")),
        (in_splits("train", "val", "valid"), ("train, val, valid", "at most one", "rename")),
        (
            [*in_splits("train", "val"), "val/eel/c.png"],
            ("`train` and `val` must have the same classes", "has eel.", "Add or remove"),
        ),
        (["train/cat/a.png"], ("only one class folder, 'cat'",)),
    ],
)
def test_splits_that_do_not_fit_together_are_refused(photos, names, words):
    root = photos(*names)
    with raises(ValueError, root, *words):
        open_folder(root)


@pytest.mark.real_data
def test_ants_and_bees(shared):
    sources = open_folder(shared / "datasets" / "hymenoptera")
    assert list(sources) == ["train", "validation"]
    assert [len(source) for source in sources.values()] == [243, 153]
    for source in sources.values():
        assert source.classes == ("ants", "bees")
        for i in range(0, len(source), 30):
            item = source[i]
            assert item["label"] == source.labels[i] == (source.paths[i].parent.name == "bees")
            assert item["image"].ndim == 3 and item["image"].std() > 10
