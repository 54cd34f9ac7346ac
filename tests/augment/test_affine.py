"""One matrix moves image, boxes and segmentation; the draws have the ranges that were asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import affine, random_affine
from jaxvision.ops.resampling import affine_matrix
from tests.augment.made_up import hull, photo, scene

KEY = jax.random.key(0)


def matrix(x=0.0, y=0.0, scale=1.0, rotation=0.0, shear=0.0):
    rest = jnp.array([scale, rotation, shear], jnp.float32)
    return affine_matrix(jnp.array([x, y], jnp.float32), *rest)


@pytest.mark.parametrize("turns", [-1, 1, 2, 3])
def test_a_quarter_turn_is_exact(turns):
    example = scene(4, 3, 15, 11, height=20, width=20)
    out = affine(example, matrix(rotation=90.0 * turns))
    np.testing.assert_array_equal(out["image"], np.rot90(example["image"], -turns))
    np.testing.assert_array_equal(out["segmentation"], np.rot90(example["segmentation"], -turns))
    np.testing.assert_array_equal(out["boxes"][0], hull(out["segmentation"] == 3))


@pytest.mark.parametrize("shift", [(3, -2), (-4, 5), (0, 1)])
def test_a_whole_shift_is_exact(shift):
    example = scene(6, 7, 15, 14)
    out = affine(example, matrix(*shift))
    np.testing.assert_array_equal(out["image"], np.roll(example["image"], shift[::-1], (0, 1)))
    np.testing.assert_array_equal(out["boxes"][0], hull(out["segmentation"] == 3))
    np.testing.assert_array_equal(out["boxes"][0], hull(out["image"][:, :, 0] > 0))


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_the_hull_of_the_moved_rectangle(seed):
    example = scene(20, 15, 44, 31, height=48, width=64)
    apply = random_affine(0.2, 0.4, 180.0, 25.0)
    out = apply(jax.random.key(seed), example)
    # The corners may be cut, but the box is that of what is seen, to the pixel.
    np.testing.assert_allclose(out["boxes"][0], hull(out["segmentation"] == 3), atol=1)
    np.testing.assert_allclose(out["boxes"][0], hull(out["image"][:, :, 0] > 60), atol=1.5)
    np.testing.assert_array_equal(out["box_mask"], [True, False])
    agree = (out["image"][:, :, 0] > 100) == (out["segmentation"] == 3)
    assert agree.mean() > 0.999  # half of the brightness is half of the way


def test_boxes_are_cut_off_at_the_border_and_masked_outside():
    example = scene(4, 3, 15, 11) | {
        "boxes": np.array([[4, 3, 15, 11], [20, 3, 31, 11], [1, 1, 2, 2]], np.float32),
        "box_mask": np.array([True, True, False]),
    }
    out = affine(example, matrix(x=13))
    np.testing.assert_array_equal(out["boxes"][0], [17, 3, 28, 11])
    np.testing.assert_array_equal(out["box_mask"], [True, False, False])
    np.testing.assert_array_equal(affine(example, matrix(x=10))["boxes"][1], [30, 3, 32, 11])
    np.testing.assert_array_equal(affine(example, matrix(y=16))["boxes"][0], [4, 19, 15, 24])
    assert affine(example, matrix(x=11.9))["box_mask"][1]
    assert not affine(example, matrix(x=12))["box_mask"][1]
    assert affine(example, matrix(y=-10.9))["box_mask"][0]
    assert not affine(example, matrix(y=-11))["box_mask"][0]


@pytest.mark.parametrize("fill", ["edge", 90.0])
def test_a_target_moves_as_the_image_does(fill):
    example = {"image": photo(0, 24, 32), "target": photo(0, 24, 32)[:, :, 1:].astype(np.uint8)}
    out = random_affine(0.2, 0.3, 40.0, 10.0, fill)(KEY, example)
    np.testing.assert_array_equal(out["target"], out["image"][:, :, 1:])
    assert (out["image"] != example["image"]).mean() > 0.9


def test_what_comes_in_from_outside():
    example = scene(0, 0, 32, 24)
    out = affine(example, matrix(x=5), fill=(1.0, 2.0, 3.0), fill_class=255)
    np.testing.assert_array_equal(out["image"][:, :5], np.full((24, 5, 3), [1, 2, 3]))
    assert (out["segmentation"][:, :5] == 255).all() and (out["segmentation"][:, 5:] == 3).all()
    out = affine(example, matrix(x=5), fill="edge", fill_class=255)
    assert (out["image"] == 200).all() and (out["segmentation"] == 3).all()
    out = random_affine(1.0, fill=9.0, fill_class=7)(KEY, example)
    assert {9.0, 200.0} <= set(np.unique(out["image"]))
    assert 7 in np.asarray(out["segmentation"])


def marks(n=3000, height=40, width=80, **strengths):
    """The matrices that are drawn, read off three boxes without extent worth speaking of."""
    middle = np.array([width / 2, height / 2])
    corners = middle + np.array([[0, 0], [8, 0], [0, 8]])
    boxes = np.concatenate([corners - 0.5, corners + 0.5], axis=1).astype(np.float32)
    example = {
        "image": np.zeros((height, width, 1), np.uint8),
        "boxes": boxes,
        "box_mask": np.ones(3, bool),
    }
    apply = random_affine(**strengths)
    out = jax.jit(jax.vmap(lambda key: apply(key, example)["boxes"]))(jax.random.split(KEY, n))
    points = np.asarray(out.reshape(n, 3, 2, 2).mean(axis=2), np.float64)
    origin, x, y = np.moveaxis(points, 1, 0)
    return origin - middle, (x - origin) / 8, (y - origin) / 8


def uniform(values, low, high):
    """Held to the range, and to its mean and spread within five standard errors."""
    n, width = len(values), high - low
    assert low - 1e-3 * width <= values.min() and values.max() <= high + 1e-3 * width
    assert abs(values.mean() - (low + high) / 2) < 5 * width / np.sqrt(12 * n)
    assert abs(values.std() / (width / np.sqrt(12)) - 1) < 5 * 0.7 / np.sqrt(n)


def test_shifts_are_parts_of_the_sides():
    shift, _, _ = marks(shift=0.25)
    uniform(shift[:, 0], -20, 20)
    uniform(shift[:, 1], -10, 10)
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.1


def test_scales_are_even_in_the_logarithm():
    _, x, y = marks(scale=0.25)
    uniform(np.log(x[:, 0]), -np.log(1.25), np.log(1.25))
    np.testing.assert_allclose(x[:, 0], y[:, 1], rtol=1e-5)


def test_rotations_and_shears_are_in_degrees():
    _, x, _ = marks(rotation=30.0)
    uniform(np.degrees(np.arctan2(x[:, 1], x[:, 0])), -30, 30)
    _, x, y = marks(shear=10.0)
    uniform(np.degrees(np.arctan(-y[:, 0])), -10, 10)
    np.testing.assert_allclose(x, [[1, 0]] * len(x), atol=1e-5)


def test_the_draws_are_independent():
    shift, x, y = marks(shift=0.1, scale=0.1, rotation=20.0, shear=20.0)
    angle = np.arctan2(x[:, 1], x[:, 0])
    factor = np.hypot(*x.T)
    shear = (x * y).sum(axis=1) / factor**2
    drawn = np.corrcoef([*shift.T, angle, np.log(factor), shear])
    np.testing.assert_allclose(drawn, np.eye(5), atol=0.1)


def test_the_image_moves_by_the_matrix_of_its_own_size():
    # Not square: width and height are not to be exchanged.
    example = {"image": photo(0, 16, 40)}
    moved = random_affine(shift=0.5, fill="edge")(KEY, example)["image"]
    assert moved.shape == (16, 40, 3) and (moved != example["image"]).any()
