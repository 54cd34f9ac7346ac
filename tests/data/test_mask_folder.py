"""Folders of images and masks: pairs by name, values to classes, and what is refused."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from jaxvision.data.images import ImageError
from jaxvision.data.mask_file import read_mask
from jaxvision.data.mask_folder import open_masks
from jaxvision.data.masks import MaskedSource, hold_out_masks

INDICES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)


def write(folder, name, mask, image=None, images="images", masks="masks"):
    """A pair; the image is grey, 10 times the mask's values."""
    for kind in (images, masks):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(image if image is not None else 10 * mask).save(folder / images / f"{name}.png")
    Image.fromarray(mask).save(folder / masks / f"{name}.png")


def test_pairs_are_matched_by_name_and_sorted(tmp_path):
    write(tmp_path, "b", INDICES)
    write(tmp_path, "a", INDICES[::-1].copy())
    (tmp_path / "images" / "notes.txt").write_text("")
    found = open_masks(tmp_path, channels=1)
    assert found.keys() == {"train"}
    source = found["train"]
    assert isinstance(source, MaskedSource)
    assert len(source) == 2 and source.classes == ("0", "1", "2")
    assert source.size(0) == (2, 3) and source.describe(1).endswith("b.png")
    item = source[1]
    assert item["segmentation"].dtype == np.int32 and item["image"].shape == (2, 3, 1)
    np.testing.assert_array_equal(item["segmentation"], INDICES)
    np.testing.assert_array_equal(item["image"][:, :, 0], 10 * INDICES)
    np.testing.assert_array_equal(source[0]["segmentation"], INDICES[::-1])
    with pytest.raises(IndexError):
        source[2]


@pytest.mark.parametrize(("images", "masks"), [("image", "label"), ("Images", "labels")])
def test_parts_and_other_names_of_the_folders(tmp_path, images, masks):
    for part in ("train", "val", "test"):
        write(tmp_path / part, part, INDICES, images=images, masks=masks)
    found = open_masks(tmp_path)
    assert found.keys() == {"train", "validation", "test"}
    assert found["validation"][0]["image"].shape == (2, 3, 3)


def test_a_black_and_white_mask_has_two_classes(tmp_path):
    write(tmp_path, "a", np.array([[0, 255], [255, 0]], np.uint8))
    source = open_masks(tmp_path)["train"]
    assert source.classes == ("0", "255")
    np.testing.assert_array_equal(source[0]["segmentation"], [[0, 1], [1, 0]])


def test_a_part_may_lack_a_class_that_another_has(tmp_path):
    write(tmp_path / "train", "a", INDICES)
    write(tmp_path / "val", "b", np.zeros((2, 3), np.uint8))
    assert open_masks(tmp_path)["validation"].classes == ("0", "1", "2")


def test_classes_have_the_names_and_the_order_of_the_file(tmp_path):
    write(tmp_path, "a", np.array([[7, 0, 255]], np.uint8), np.zeros((1, 3), np.uint8))
    (tmp_path / "classes.json").write_text('{"7": "cell", "0": "ground", "9": "dust", "255": null}')
    source = open_masks(tmp_path)["train"]
    assert source.classes == ("cell", "ground", "dust")
    np.testing.assert_array_equal(source[0]["segmentation"], [[0, 1, -1]])


def test_a_palette_gives_its_indices_and_16_bits_their_values(tmp_path):
    image = Image.fromarray(INDICES)
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "palette.png"), INDICES)
    Image.fromarray(300 * INDICES.astype(np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "deep.png"), 300 * INDICES.astype(int))
    Image.fromarray(np.stack([INDICES] * 3, axis=2)).save(tmp_path / "equal.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "equal.png"), INDICES)
    Image.fromarray(INDICES > 0).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "bits.png"), 255 * (INDICES > 0))


@pytest.mark.parametrize(
    ("values", "listed"),
    [([0, 1, 3], "no class: 3, as"), ([0, 1, 2, 255], "no class: 255"), ([2, 5], "no class: 2, 5")],
)
def test_values_that_are_no_class_are_listed_with_their_file(tmp_path, values, listed):
    write(tmp_path, "fine", np.zeros((1, 2), np.uint8))
    write(tmp_path, "odd", np.array([values], np.uint8))
    with pytest.raises(ValueError, match=listed) as error:
        open_masks(tmp_path)
    assert re.search(r"odd\.png with .*\(1 files\)", str(error.value))
    assert "classes.json" in str(error.value) and "0 and 255 alone" in str(error.value)


def test_a_value_that_the_file_does_not_name(tmp_path):
    write(tmp_path, "a", np.array([[0, 1, 5]], np.uint8))
    (tmp_path / "classes.json").write_text('{"0": "ground", "1": "cell"}')
    with pytest.raises(ValueError, match=r"no class: 5, as .*a\.png with 5 .* names 0, 1"):
        open_masks(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "a name for each value"),
        ('{"cell": "0"}', "a name for each value"),
        ('{"0": "cell", "1": "cell"}', "a name of its own"),
        ('{"0": "cell", "70000": "far"}', "from 0 to 65535"),
        ('{"0": "cell", "1": null, "2": null}', "masks have 1 class"),
    ],
)
def test_a_file_of_classes_that_is_none(tmp_path, content, message):
    write(tmp_path, "a", INDICES)
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        open_masks(tmp_path)
    json.loads(content)


def test_what_has_no_partner_is_named(tmp_path):
    write(tmp_path, "a", INDICES)
    Image.fromarray(INDICES).save(tmp_path / "images" / "lonely.png")
    Image.fromarray(INDICES).save(tmp_path / "masks" / "orphan.png")
    with pytest.raises(ValueError, match=r"1 images have no mask \(lonely\) and 1 masks .*orphan"):
        open_masks(tmp_path)


def test_two_files_of_one_name(tmp_path):
    write(tmp_path, "a", INDICES)
    Image.fromarray(INDICES).save(tmp_path / "images" / "a.bmp")
    with pytest.raises(ValueError, match=r"a\.bmp and a\.png have one name"):
        open_masks(tmp_path)


def test_sizes_that_differ_are_named(tmp_path):
    write(tmp_path, "a", INDICES, np.zeros((4, 5), np.uint8))
    with pytest.raises(ValueError, match=r"a\.png is 4 x 5 pixels .* and its mask .* is 2 x 3"):
        open_masks(tmp_path)


def test_colours_where_numbers_are_expected(tmp_path):
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0, 0, 1] = 9
    write(tmp_path, "a", colours, np.zeros((2, 3), np.uint8))
    with pytest.raises(
        ImageError, match=r"masks.a\.png: has colours .*mode RGB.* number of a class"
    ):
        open_masks(tmp_path)


def test_damaged_and_lossy_masks(tmp_path):
    write(tmp_path, "a", np.zeros((64, 64), np.uint8))
    file = tmp_path / "masks" / "a.png"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r"a\.png: is damaged or cut short"):
        open_masks(tmp_path)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(file, format="JPEG")
    with pytest.raises(ImageError, match=r"a\.png: is .*none of the formats PNG.* as JPEG does"):
        open_masks(tmp_path)


def test_folders_that_are_missing_or_twice(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        open_masks(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has neither a folder image or images"):
        open_masks(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match=r"one folder called label or .*, got none"):
        open_masks(tmp_path)
    for name in ("mask", "label"):
        (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError, match="got label, mask"):
        open_masks(tmp_path)
    (tmp_path / "label").rmdir()
    with pytest.raises(ValueError, match="has no images"):
        open_masks(tmp_path)


def test_a_part_is_held_out_once_and_wholly(tmp_path):
    for i in range(8):
        write(tmp_path, str(i), np.array([[0, 1, i % 2]], np.uint8))
    source = open_masks(tmp_path)["train"]
    train, held = hold_out_masks(source, 0.25, 0)
    assert len(train) == 6 and len(held) == 2
    assert sorted([*train.rows, *held.rows]) == list(range(8))
    assert held.describe(1) == source.describe(int(held.rows[1])) and held.size(0) == (1, 3)
    np.testing.assert_array_equal(held[1]["image"], source[int(held.rows[1])]["image"])
    with pytest.raises(ValueError, match="must leave images in both parts"):
        hold_out_masks(source, 0.01, 0)
