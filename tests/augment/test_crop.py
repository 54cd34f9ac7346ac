"""Pad and crop: the crop of NumPy's padded image, every place of it as often as any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import pad_and_crop
from tests.augment.made_up import hull, photo, scene

KEY = jax.random.key(0)


def padded_by_numpy(pixels, padding, fill):
    edges = ((padding, padding), (padding, padding), (0, 0))
    if fill == "reflect":
        return np.pad(pixels, edges, mode="reflect")
    return np.pad(pixels, edges, constant_values=fill)


def place_of(crop, padded):
    """Where the crop is in the padded image: (row, column) of each place that fits."""
    height, width = crop.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(0, 1))
    same = (windows == np.moveaxis(np.asarray(crop), -1, 0)).all(axis=(2, 3, 4))
    return np.argwhere(same)


@pytest.mark.parametrize("fill", ["reflect", 17.0])
@pytest.mark.parametrize("padding", [1, 4])
def test_it_is_a_crop_of_the_padded_image_and_the_segmentation_of_the_same(padding, fill):
    image = photo()
    classes = np.arange(120, dtype=np.int16).reshape(12, 10)
    apply = jax.jit(pad_and_crop(padding, fill, fill_class=99))
    found = set()
    for key in jax.random.split(KEY, 12):
        out = apply(key, {"image": image, "segmentation": classes})
        ((row, column),) = place_of(out["image"], padded_by_numpy(image, padding, fill))
        expected = padded_by_numpy(classes[:, :, None], padding, fill if fill == "reflect" else 99)
        np.testing.assert_array_equal(
            out["segmentation"], expected[row : row + 12, column : column + 10, 0]
        )
        assert out["segmentation"].dtype == np.int16
        found.add((row, column))
    assert len(found) > 4


def test_every_place_is_as_likely_as_any_other():
    n, padding = 5000, 2
    # Each pixel is its own number: the pixel in the middle tells the place.
    image = jnp.arange(49.0).reshape(7, 7, 1)
    apply = jax.vmap(lambda key: pad_and_crop(padding)(key, {"image": image})["image"][3, 3, 0])
    middle = np.asarray(apply(jax.random.split(KEY, n))).astype(int)
    counts = np.histogram2d(middle // 7 - 3, middle % 7 - 3, bins=np.arange(-3.5, 4))[0]
    expected = np.zeros((7, 7))
    expected[1:6, 1:6] = n / 25
    # Five standard deviations of a count of about 200.
    np.testing.assert_allclose(counts, expected, atol=5 * np.sqrt(n / 25))
    assert (counts[expected == 0] == 0).all()


@pytest.mark.parametrize("fill", ["reflect", 90.0])
def test_a_target_moves_as_the_image_does(fill):
    example = {"image": photo(), "target": photo()[:, :, 1:].astype(np.uint8)}
    for key in jax.random.split(KEY, 4):
        out = pad_and_crop(3, fill)(key, example)
        np.testing.assert_array_equal(out["target"], out["image"][:, :, 1:])


@pytest.mark.parametrize("fill", ["reflect", 0.0])
def test_image_boxes_and_segmentation_move_together(fill):
    example = scene(8, 7, 15, 14)
    apply = jax.jit(pad_and_crop(5, fill))
    for key in jax.random.split(KEY, 6):
        out = apply(key, example)
        np.testing.assert_array_equal(out["boxes"][0], hull(out["segmentation"] == 3))
        np.testing.assert_array_equal(out["boxes"][0], hull(out["image"][:, :, 0] > 0))
        np.testing.assert_array_equal(out["box_mask"], [True, False])


def test_a_box_that_is_left_out_is_masked_and_one_at_the_border_is_cut():
    example = scene(0, 5, 3, 9)
    apply, shifts = jax.jit(pad_and_crop(6)), set()
    for key in jax.random.split(KEY, 30):
        out = apply(key, example)
        seen = out["segmentation"] == 3
        assert out["box_mask"][0] == seen.any()
        if seen.any():
            np.testing.assert_array_equal(out["boxes"][0], hull(seen))
        shifts.add(int(seen.sum()))
    assert {0, 12} <= shifts and len(shifts) > 3


def test_a_padding_larger_than_the_image_reflects_to_and_fro():
    image = photo(0, 3, 4, 1)
    padded = np.pad(image, ((9, 9), (9, 9), (0, 0)), mode="reflect")
    apply = jax.jit(pad_and_crop(9, "reflect"))
    for key in jax.random.split(KEY, 8):
        assert len(place_of(apply(key, {"image": image})["image"], padded)) > 0
    line = photo(0, 1, 4, 1)
    out = pad_and_crop(2, "reflect")(KEY, {"image": line})["image"]
    assert set(np.unique(out)) <= set(np.unique(line))


def test_channels_are_filled_by_their_own_value():
    out = pad_and_crop(30, (1.0, 2.0, 3.0))
    key = next(
        key
        for key in jax.random.split(KEY, 20)
        if (out(key, {"image": photo(0, 4, 4)})["image"] == jnp.arange(1.0, 4)[None, None]).all()
    )
    assert key is not None
