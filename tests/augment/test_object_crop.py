"""The window is what was asked for, and what is in it comes out of it."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxvision.augment import random_object_crop
from tests.augment.made_up import hull, photo, scene

KEY = jax.random.key(0)
H, W = 48, 64


MIDDLE = {
    "image": np.zeros((H, W, 1), np.uint8),
    "boxes": np.array([[W / 2 - 0.5, H / 2 - 0.5, W / 2 + 0.5, H / 2 + 0.5]], np.float32),
    "box_mask": np.ones(1, bool),
}


def windows(apply, n):
    """The windows that are drawn: (left, top, right, bottom) in sides of the image; and their keys.

    They are read off a box of one pixel in the image's middle, which goes to (box - start) / side.
    Those are left out in which it is cut at the border, where its sides would not tell the scale.
    """
    keys = jax.random.split(KEY, n)
    out = jax.jit(jax.vmap(lambda key: apply(key, MIDDLE)))(keys)
    left, top, right, bottom = np.asarray(out["boxes"][:, 0], np.float64).T
    whole = (left > 0) & (top > 0) & (right < W) & (bottom < H) & out["box_mask"][:, 0]
    left, top, right, bottom = (edge[whole] for edge in (left, top, right, bottom))
    sx, sy = 1 / (right - left), 1 / (bottom - top)
    x, y = 0.5 - sx * (left + right) / 2 / W, 0.5 - sy * (top + bottom) / 2 / H
    return np.stack([x, y, x + sx, y + sy], axis=1), keys[whole]


def drawn_windows(n=3000, **arguments):
    return windows(random_object_crop(1.0, **arguments), n)[0]


def sides(window):
    return window[:, 2] - window[:, 0], window[:, 3] - window[:, 1]


def test_crops_lie_inside_and_have_the_areas_and_shapes():
    drawn = drawn_windows(area=(0.3, 0.8), aspect_ratio=(0.5, 2.0))
    assert drawn.min() > -1e-4 and drawn.max() < 1 + 1e-4
    sx, sy = sides(drawn)
    area, ratio = sx * sy, sx / sy
    assert 0.3 - 1e-3 < area.min() < 0.33 and 0.75 < area.max() < 0.8 + 1e-3
    assert 0.5 - 1e-3 < ratio.min() < 0.55 and 1.8 < ratio.max() < 2 + 1e-3
    assert (np.maximum(ratio, 1 / ratio) <= 1 / area + 1e-3).all()  # what fits
    assert (sx <= 1 + 1e-4).all() and (sy <= 1 + 1e-4).all()
    # From one border to the other.
    assert drawn[:, :2].min() < 0.01 and drawn[:, 2:].max() > 0.99


def test_areas_are_even_in_the_logarithm():
    sx, sy = sides(drawn_windows(area=(1.0, 4.0), aspect_ratio=(1.0, 1.0)))
    np.testing.assert_allclose(sx, sy, rtol=1e-3)
    logs = np.log(sx * sy) / np.log(4)
    # Seven standard errors of a uniform variable's mean and spread.
    assert abs(logs.mean() - 0.5) < 7 / np.sqrt(12 * len(logs))
    assert abs(logs.std() - 1 / np.sqrt(12)) < 7 * 0.7 / np.sqrt(12 * len(logs))


def test_a_zoom_out_holds_the_image_anywhere():
    drawn = drawn_windows(area=(2.0, 4.0), aspect_ratio=(0.8, 1.25))
    assert (drawn[:, :2] < 1e-4).all() and (drawn[:, 2:] > 1 - 1e-4).all()
    sx, sy = sides(drawn)
    assert (sx * sy).min() > 2 - 1e-2 and (sx * sy).max() < 4 + 1e-2
    # Where the image lies in the window, from one border to the other, and alike.
    for start, side in ((drawn[:, 0], sx), (drawn[:, 1], sy)):
        place = start / (1 - side)
        assert place.min() < 0.02 and place.max() > 0.98 and abs(place.mean() - 0.5) < 0.04
    assert abs(np.corrcoef(drawn[:, 0] / (1 - sx), drawn[:, 1] / (1 - sy))[0, 1]) < 0.15


def test_the_shape_is_held_to_what_fits():
    sx, sy = sides(drawn_windows(300, area=(0.9, 0.9), aspect_ratio=(3.0, 4.0)))
    np.testing.assert_allclose(sx, 1, rtol=1e-3)
    np.testing.assert_allclose(sy, 0.9, rtol=1e-3)


APPLY = jax.jit(random_object_crop(1.0, (0.4, 2.5), (0.6, 1.6)))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1))
def test_the_box_is_the_hull_of_what_is_seen(seed):
    out = APPLY(jax.random.key(seed), scene(20, 15, 44, 31, H, W))
    seen = np.asarray(out["segmentation"]) == 3
    if seen.sum() > 4:
        box = out["boxes"][0]
        np.testing.assert_allclose(box, hull(seen), atol=1)
        bright = np.asarray(out["image"])[:, :, 0] > 100
        np.testing.assert_allclose(box, hull(bright), atol=1.5)
        assert (bright == seen).mean() > 0.99
    assert not out["box_mask"][1]


def test_a_crop_is_a_cut_and_a_resize():
    # Pillow's bilinear resize of the same window, which does not average where it enlarges.
    smooth = np.add.outer(np.arange(H) ** 1.5 / 3, np.cos(np.arange(W) / 7) * 40 + 60)
    smooth = smooth.astype(np.float32)
    apply = random_object_crop(1.0, (0.3, 0.6), (0.7, 1.4), "edge")
    found, keys = windows(apply, 12)
    assert len(found) >= 3
    crop = jax.jit(lambda key: apply(key, {"image": smooth[:, :, None]})["image"][:, :, 0])
    for window, key in zip(found, keys, strict=True):
        cut = Image.fromarray(smooth).resize(
            (W, H), Image.Resampling.BILINEAR, box=tuple(window * [W, H, W, H])
        )
        # Pillow's kernel ends at the window and ours sees beyond: the outer pixels differ.
        inner = (slice(2, -2), slice(2, -2))
        np.testing.assert_allclose(crop(key)[inner], np.asarray(cut)[inner], atol=0.3)


def test_a_box_stays_if_its_centre_does():
    boxes = np.stack(
        [[x, y, x + 6, y + 6] for x in range(-3, W - 2, 4) for y in range(-3, H - 2, 4)]
    ).astype(np.float32)
    boxes = np.clip(boxes, 0, [W, H, W, H]).astype(np.float32)
    image = np.zeros((H, W, 1), np.uint8)
    points = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2 - 1e-3] * 2, axis=1)
    points[:, 2:] += 2e-3  # boxes that are hardly more than the centres
    for area in ((0.3, 0.6), (1.5, 2.0)):
        apply, mask = random_object_crop(1.0, area), np.ones(len(boxes), bool)
        for key in jax.random.split(KEY, 4):
            out = apply(key, {"image": image, "boxes": boxes, "box_mask": mask})
            alone = apply(key, {"image": image, "boxes": points, "box_mask": mask})
            kept = np.asarray(out["box_mask"])
            np.testing.assert_array_equal(kept, alone["box_mask"])
            assert kept.all() == (area[0] > 1) and kept.any()
            left, top, right, bottom = np.asarray(out["boxes"])[kept].T
            assert ((left >= 0) & (left < right) & (right <= W)).all()
            assert ((top >= 0) & (top < bottom) & (bottom <= H)).all()


def test_what_is_around_the_image():
    example = scene(0, 0, W, H, H, W)
    out = random_object_crop(1.0, (3.0, 3.0), fill=9.0, fill_class=7)(KEY, example)
    assert set(np.unique(out["segmentation"])) == {3, 7}
    assert 9 in np.asarray(out["image"]) and 200 in np.asarray(out["image"])
    assert np.mean(np.asarray(out["segmentation"]) == 3) == pytest.approx(1 / 3, abs=0.05)
    out = random_object_crop(1.0, (3.0, 3.0), fill="edge")(KEY, example)
    assert (out["image"] == 200).all() and (out["segmentation"] == 3).all()


def test_the_probability_is_that_of_a_window():
    image = photo(0, 12, 10)
    apply = jax.jit(jax.vmap(lambda key: random_object_crop(0.25)(key, {"image": image})["image"]))
    moved = (np.asarray(apply(jax.random.split(KEY, 1000))) != image).any(axis=(1, 2, 3))
    assert moved.mean() == pytest.approx(0.25, abs=0.055)  # four standard errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probability": 1.5}, r"`probability` must be in \[0, 1\], got 1.5; 0.5 crops"),
        ({"area": (0, 1.0)}, r"`area` must be in \(0, inf\), got 0; it is in areas"),
        ({"aspect_ratio": (0.5, -1)}, r"`aspect_ratio` must be in \(0, inf\), got -1; it is width"),
        ({"fill": "reflect"}, '`fill` must be "edge", a pixel value'),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        random_object_crop(**arguments)
