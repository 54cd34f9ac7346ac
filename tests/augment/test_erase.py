"""Erasing: the right pixels, the right sizes, the right chances, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import cutout, random_erasing
from tests.augment.made_up import hull, photo, scene

KEY = jax.random.key(0)


def erased(apply, n, height, width, channels=1):
    """Which pixels are erased of n images: those that are no longer -1."""
    image = jnp.full((height, width, channels), -1.0)
    out = jax.jit(jax.vmap(lambda key: apply(key, {"image": image})["image"]))
    return np.asarray(out(jax.random.split(KEY, n)) != -1)[..., 0]


def sides(masks):
    """Rows and columns of what is erased; it must be a full rectangle."""
    rows, columns = masks.any(axis=2).sum(axis=1), masks.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(rows * columns, masks.sum(axis=(1, 2)))
    return rows, columns


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutout_is_a_square_around_any_pixel(size):
    n, height, width = 3000, 9, 12
    masks = erased(cutout(size), n, height, width)
    rows, columns = sides(masks)
    assert rows.max() == columns.max() == size
    # How often each pixel is erased: by as many middles as lie near enough to it.
    near = (
        [
            sum(0 <= i - (m - size // 2) < size for m in range(height)) / height
            for i in range(height)
        ],
        [sum(0 <= i - (m - size // 2) < size for m in range(width)) / width for i in range(width)],
    )
    expected = np.outer(*near)
    spread = 5 * np.sqrt(expected * (1 - expected) / n)
    assert (abs(masks.mean(axis=0) - expected) < spread + 1e-9).all()
    # What is cut off at the border makes it smaller, never larger.
    assert (rows <= size).all() and (rows.min() < size or size == 1)


def test_an_even_cutout_is_the_papers():
    # Middle m and length l: from m - l/2 to m + l/2, the last not included.
    masks = erased(cutout(4), 400, 9, 12)
    whole = masks[(masks.sum(axis=(1, 2)) == 16)]
    tops = {int(hull(mask)[1]) for mask in whole}
    assert tops == set(range(6))
    cut = {int(hull(mask)[3]) for mask in masks if mask[0].any()}
    assert cut == {2, 3, 4}


def test_fill_and_the_rest():
    example = scene(4, 3, 15, 11)
    out = cutout(7, fill=(1.0, 2.0, 3.0))(KEY, example)
    changed = (out["image"] != example["image"]).any(axis=-1)
    assert 0 < changed.sum() <= 49
    np.testing.assert_array_equal(out["image"][changed], [[1, 2, 3]] * int(changed.sum()))
    for name in ("boxes", "box_mask", "segmentation"):
        assert out[name] is example[name]


def test_the_share_of_erased_images_is_the_probability():
    n = 3000
    masks = erased(random_erasing(0.3, fill=0.0), n, 16, 16)
    share = masks.any(axis=(1, 2)).mean()
    assert abs(share - 0.3) < 5 * np.sqrt(0.21 / n)


def test_areas_and_shapes_are_those_that_were_asked_for():
    n, side = 4000, 100
    masks = erased(random_erasing(1.0, (0.1, 0.2), (0.5, 3.0), fill=0.0), n, side, side)
    rows, columns = sides(masks)
    area, ratio = rows * columns / side**2, rows / columns
    # Whole pixels: half a pixel in 20, twice, is 5 %.
    assert 0.095 < area.min() < 0.105 and 0.195 < area.max() < 0.205
    assert 0.47 < ratio.min() < 0.53 and 2.85 < ratio.max() < 3.15
    assert abs(area.mean() - 0.15) < 5 * 0.1 / np.sqrt(12 * n) + 1e-3
    middle = (np.log(0.5) + np.log(3)) / 2
    assert abs(np.log(ratio).mean() - middle) < 5 * np.log(6) / np.sqrt(12 * n) + 2e-3
    assert abs(np.corrcoef(area, ratio)[0, 1]) < 5 / np.sqrt(n)


def test_a_rectangle_lies_at_any_place_where_it_fits():
    n = 4000
    # A quarter of the area, square: 4 x 4 in 8 x 8, with 5 x 5 places.
    masks = erased(random_erasing(1.0, (0.25, 0.25), (1.0, 1.0), fill=0.0), n, 8, 8)
    assert (masks.sum(axis=(1, 2)) == 16).all()
    tops, lefts = masks.any(axis=2).argmax(axis=1), masks.any(axis=1).argmax(axis=1)
    counts = np.histogram2d(tops, lefts, bins=np.arange(-0.5, 5))[0]
    np.testing.assert_allclose(counts, np.full((5, 5), n / 25), atol=5 * np.sqrt(n / 25))


@pytest.mark.parametrize(("height", "width"), [(4, 64), (64, 4)])
def test_what_does_not_fit_is_drawn_again_and_never_erased(height, width):
    # Of height by width 1/9 to 9 only the flattest (or the tallest) fit, about one in ten.
    masks = erased(random_erasing(1.0, (0.25, 0.25), (1 / 9, 9.0), fill=0.0), 1000, height, width)
    rows, columns = sides(masks)
    some = rows > 0
    assert 0.5 < some.mean() < 0.99
    np.testing.assert_allclose((rows * columns)[some] / 256, 0.25, atol=0.08)
    # A square with the area of the image does not fit into it at all.
    masks = erased(random_erasing(1.0, (1.0, 1.0), (1.0, 1.0), fill=0.0), 20, 4, 9)
    assert not masks.any()
    masks = erased(random_erasing(1.0, (1.0, 1.0), (1.0, 1.0), fill=0.0), 20, 6, 6)
    assert masks.all()


def test_random_values_are_all_bytes_alike_and_each_its_own():
    image = {"image": photo(0, 31, 33)}
    out = random_erasing(1.0, (1.0, 1.0), (31 / 33, 31 / 33))(KEY, image)["image"]
    values = np.asarray(out)
    np.testing.assert_array_equal(values, values.round())
    assert values.min() == 0 and values.max() == 255
    n = values.size
    assert abs(values.mean() - 127.5) < 5 * 74 / np.sqrt(n)
    assert abs(values.std() - 73.9) < 5 * 74 / np.sqrt(2 * n)
    assert abs(np.corrcoef(values[..., 0].ravel(), values[..., 1].ravel())[0, 1]) < 0.15
    assert len(np.unique(values)) > 240
