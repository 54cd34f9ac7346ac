"""Pictures without labels: which there are, that no pixel is in two parts, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from jaxvision.data.images import ImageError
from jaxvision.data.pictures import (
    Photographs,
    PictureFiles,
    PictureSource,
    check_alike,
    find_pictures,
    open_pictures,
)


def write(path, seed=0, size=(20, 30), channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)
    Image.fromarray(image[:, :, 0] if channels == 1 else image).save(path)
    return image


def test_the_photographs_are_cut_into_parts_that_share_no_pixel():
    from sklearn.datasets import load_sample_image

    for k, name in enumerate(("china.jpg", "flower.jpg")):
        whole = load_sample_image(name)
        assert whole.shape == (427, 640, 3)
        np.testing.assert_array_equal(Photographs("train")[k]["image"], whole[:, :288])
        for i in range(3):
            rows = slice(142 * i, 142 * (i + 1))
            validation = Photographs("validation")[3 * k + i]["image"]
            np.testing.assert_array_equal(validation, whole[rows, 416:])
            np.testing.assert_array_equal(
                Photographs("test")[3 * k + i]["image"], whole[rows, 288:416]
            )
    assert Photographs("test").describe(4) == "flower.jpg[142:284, 288:416]"
    grey = Photographs("test", 1)[0]["image"]
    weighted = load_sample_image("china.jpg")[:142, 288:416] @ np.array([0.299, 0.587, 0.114])
    assert grey.shape == (142, 128, 1) and np.abs(grey[:, :, 0] - weighted).max() <= 0.51


def test_what_goes_by_a_name_is_a_source(tmp_path):
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    for spec, channels in (("photographs", 3), ("scenes", 1), (f"images:{tmp_path}", 1)):
        parts = open_pictures(spec)
        for source in parts.values():
            assert isinstance(source, PictureSource) and source.channels == channels
            assert source[0]["image"].shape[2] == channels
            assert source[0]["image"].dtype == np.uint8
        converted = open_pictures(spec, 4 - channels)["train"]
        assert converted[0]["image"].shape[2] == converted.channels == 4 - channels


def test_a_folder_is_read_in_order_and_what_is_hidden_is_not(tmp_path):
    images = {
        name: write(tmp_path / name, i) for i, name in enumerate(("b.png", "a.png", "x/c.png"))
    }
    write(tmp_path / ".hidden" / "d.png")
    (tmp_path / "readme.txt").write_text("no picture")
    files = find_pictures(tmp_path)["train"]
    assert [file.name for file in files] == ["a.png", "b.png", "c.png"]
    source = PictureFiles(files)
    np.testing.assert_array_equal(source[2]["image"], images["x/c.png"])
    assert source.describe(0).endswith("a.png")


def test_a_part_is_held_out_once(tmp_path):
    for i in range(20):
        write(tmp_path / f"{i:02}.png", i)
    parts = open_pictures(f"images:{tmp_path}", validation_fraction=0.25, split_seed=3)
    assert set(parts) == {"train", "validation"}
    train, held = set(parts["train"].paths), set(parts["validation"].paths)
    assert len(train) == 15 and len(held) == 5 and not train & held
    again = open_pictures(f"images:{tmp_path}", validation_fraction=0.25, split_seed=3)
    assert again["validation"].paths == parts["validation"].paths
    other = open_pictures(f"images:{tmp_path}", validation_fraction=0.25, split_seed=4)
    assert other["validation"].paths != parts["validation"].paths
    assert set(open_pictures(f"images:{tmp_path}", validation_fraction=None)) == {"train"}


def test_parts_of_a_folder(tmp_path):
    for part, count in (("train", 3), ("val", 2), ("Test", 1)):
        for i in range(count):
            write(tmp_path / part / f"{i}.png", i)
    parts = open_pictures(f"images:{tmp_path}")
    assert {part: len(source) for part, source in parts.items()} == {
        "train": 3, "validation": 2, "test": 1,
    }  # fmt: skip


def test_grey_saved_in_colour_is_grey_and_colours_are_kept(tmp_path):
    grey = write(tmp_path / "grey.png")
    Image.fromarray(np.repeat(grey, 3, axis=2)).save(tmp_path / "as_colour.png")
    source = PictureFiles([tmp_path / "grey.png", tmp_path / "as_colour.png"])
    assert source.channels == 1
    np.testing.assert_array_equal(source[1]["image"], source[0]["image"])
    write(tmp_path / "colour.png", channels=3)
    mixed = PictureFiles([tmp_path / "grey.png", tmp_path / "colour.png"])
    with pytest.raises(ImageError, match=r"colour\.png: is in colour, and .*grey\.png is grey"):
        mixed[1]
    mixed = PictureFiles([tmp_path / "colour.png", tmp_path / "grey.png"])
    with pytest.raises(ImageError, match=r"grey\.png: is grey, .* `channels` 1 for grey"):
        mixed[1]
    asked = PictureFiles([tmp_path / "grey.png", tmp_path / "colour.png"], 1)
    assert asked[1]["image"].shape == (20, 30, 1)
    with pytest.raises(ValueError, match="here: is in colour, and what is learned from is grey"):
        check_alike(PictureFiles([tmp_path / "colour.png"]), 1, "here")


def test_what_cannot_be_opened_is_said(tmp_path):
    with pytest.raises(ValueError, match="`data` is unknown: 'photograph'"):
        open_pictures("photograph")
    with pytest.raises(ValueError, match="nothing after the colon"):
        open_pictures("images:")
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        open_pictures(f"images:{tmp_path / 'nowhere'}")
    with pytest.raises(ValueError, match="has no images"):
        open_pictures(f"images:{tmp_path}")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        open_pictures(f"images:{tmp_path / 'file'}")
    write(tmp_path / "test" / "a.png")
    with pytest.raises(ValueError, match="has the parts test, and none to train on"):
        open_pictures(f"images:{tmp_path}")
    write(tmp_path / "train" / "a.png", channels=3)
    with pytest.raises(ValueError, match="`--channels 1` for grey"):
        open_pictures(f"images:{tmp_path}")
    with pytest.raises(ValueError, match="`channels` must be 1"):
        open_pictures("scenes", 2)
    with pytest.raises(ValueError, match="`part` is unknown: 'tset'"):
        Photographs("tset")
    with pytest.raises(ValueError, match="`paths` must name at least one"):
        PictureFiles([])
