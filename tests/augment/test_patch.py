"""Random patches: one window of all there is, every place of it as often as any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import per_example, random_patch
from tests.augment.made_up import hull, photo, scene

KEY = jax.random.key(0)


def numbered(height, width):
    """Every pixel is its own number, from which an image, a segmentation and a target are made."""
    number = np.arange(height * width).reshape(height, width)
    return {
        "image": np.stack([number, 2 * number, 3 * number], axis=2).astype(np.float32),
        "segmentation": number.astype(np.int16),
        "target": (number % 256).astype(np.uint8)[:, :, None],
    }


def test_the_same_window_of_image_segmentation_and_target():
    example = numbered(9, 12) | {"label": 7}
    apply, places = jax.jit(random_patch(4, 5)), set()
    for key in jax.random.split(KEY, 30):
        out = apply(key, example)
        y, x = divmod(int(out["segmentation"][0, 0]), 12)
        for name in ("image", "segmentation", "target"):
            np.testing.assert_array_equal(out[name], example[name][y : y + 4, x : x + 5])
        places.add((y, x))
    assert len(places) > 15
    assert [out[name].dtype.name for name in numbered(1, 1)] == ["float32", "int16", "uint8"]
    assert random_patch(4, 5)(KEY, example)["label"] == 7


def test_every_place_is_as_likely_as_any_other():
    n = 4000
    image = jnp.arange(20.0).reshape(4, 5, 1)
    apply = jax.vmap(lambda key: random_patch(3, 2)(key, {"image": image})["image"][0, 0, 0])
    corners = np.asarray(apply(jax.random.split(KEY, n))).astype(int)
    counts = np.histogram2d(corners // 5, corners % 5, bins=(np.arange(5), np.arange(6)))[0]
    expected = np.zeros((4, 5))
    expected[:2, :4] = n / 8
    # Five standard deviations of a count of 500.
    np.testing.assert_allclose(counts, expected, atol=5 * np.sqrt(n / 8))
    assert (counts[expected == 0] == 0).all()


def test_a_patch_of_the_images_size_is_the_image():
    example = numbered(4, 5)
    out = random_patch(4, 5)(KEY, example)
    for name, pixels in example.items():
        np.testing.assert_array_equal(out[name], pixels)


def test_boxes_move_along_and_are_cut_off_or_masked():
    example = scene(4, 3, 15, 11)
    apply, seen = jax.jit(random_patch(10, 12)), set()
    for key in jax.random.split(KEY, 30):
        out = apply(key, example)
        inside = np.asarray(out["segmentation"] == 3)
        assert out["box_mask"][0] == inside.any() and not out["box_mask"][1]
        if inside.any():
            np.testing.assert_array_equal(out["boxes"][0], hull(inside))
        seen.add(int(inside.sum()))
    assert 0 in seen and len(seen) > 5


def test_a_batch_has_a_window_for_each_example():
    images = np.stack([photo(0, 30, 30)] * 6)
    patches = per_example(random_patch(4, 4))(KEY, {"image": images})["image"]
    assert patches.shape == (6, 4, 4, 3)
    assert len({patch.tobytes() for patch in np.asarray(patches)}) == 6


@pytest.mark.parametrize("side", [(0, 3), (3, -1)])
def test_a_patch_without_pixels_is_named(side):
    name = "height" if side[0] < 1 else "width"
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number from 1 on, got"):
        random_patch(*side)


@pytest.mark.parametrize("size", [(3, 9), (9, 3)])
def test_an_image_smaller_than_the_patch_is_named(size):
    with pytest.raises(ValueError, match=r"at least the patch's 4 x 4 pixels, got \d x \d: take"):
        random_patch(4, 4)(KEY, {"image": photo(0, *size)})


@pytest.mark.parametrize(
    "partner",
    [
        {"target": np.zeros((8, 8, 1), np.uint8)},
        {"target": np.zeros((4, 6), np.uint8)},
        {"segmentation": np.zeros((6, 4), np.int32)},
        {"segmentation": np.zeros((4, 6, 1), np.int32)},
    ],
)
def test_what_belongs_to_other_pixels_is_named(partner):
    ((name, pixels),) = partner.items()
    shape = str(pixels.shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf'have a "{name}" \[h, w.* 4 x 6 pixels, got .*{shape}'):
        random_patch(2, 2)(KEY, {"image": photo(0, 4, 6)} | partner)
