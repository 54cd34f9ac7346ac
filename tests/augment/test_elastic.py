"""Elastic deformation: vectors of the right size, smooth between them, and all moves together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import elastic_deformation, per_example
from jaxvision.augment.elastic import _weights
from tests.augment.made_up import photo, scene

KEY = jax.random.key(0)


def ramp(height, width):
    """An image that is its own coordinates (row, column), which linear interpolation keeps."""
    return np.moveaxis(np.indices((height, width)), 0, 2).astype(np.float32)


def displacements(key, height, width, **options):
    """Where each pixel came from less where it is; a border that is never looked at."""
    apply = jax.jit(elastic_deformation(**options))
    return np.asarray(apply(key, {"image": ramp(height, width)})["image"]) - ramp(height, width)


def keys_by_hand(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


@pytest.mark.parametrize(("side", "grid"), [(9, 3), (14, 4), (5, 2), (1, 3)])
def test_weights_equal_the_definition(side, grid):
    expected = np.zeros((side, grid))
    for pixel in range(side):
        at = pixel * (grid - 1) / max(side - 1, 1)
        for point in range(-3, grid + 3):
            expected[pixel, min(max(point, 0), grid - 1)] += keys_by_hand(at - point)
    np.testing.assert_allclose(_weights(side, grid), expected, atol=1e-12)


def test_weights_by_hand():
    # A quarter of the way between two points; keys(1/4), keys(3/4), keys(5/4) and keys(7/4).
    np.testing.assert_allclose(
        _weights(9, 3)[[0, 1, 4, 8]],
        [[1, 0, 0], [0.8671875 - 0.0703125, 0.2265625, -0.0234375], [0, 1, 0], [0, 0, 1]],
    )
    np.testing.assert_allclose(_weights(50, 5).sum(axis=1), 1)


def test_the_displacement_is_the_deviation_times_standard_vectors_interpolated():
    height, width = 41, 31
    vectors = 2.0 * np.asarray(jax.random.normal(KEY, (2, 3, 3)))
    found = displacements(KEY, height, width, deviation=2.0)
    rows, columns = _weights(height, 3), _weights(width, 3)
    expected = np.moveaxis(rows @ vectors @ columns.T, 0, 2)
    inside = ramp(height, width) + expected
    inside = ((inside >= 0) & (inside <= [height - 1, width - 1])).all(axis=2)
    assert inside.mean() > 0.6
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_vectors_have_the_deviation_that_is_asked_for():
    # The middle point of 3 x 3, far from the border: it is the middle pixel's displacement.
    image = ramp(81, 81)

    def middle(key):
        return elastic_deformation(4.0)(key, {"image": image})["image"][40, 40] - 40

    n = 400
    found = np.asarray(jax.jit(jax.vmap(middle))(jax.random.split(KEY, n)))
    # Five standard errors of a mean, and of a variance (sqrt(2 / n) of it), of each direction.
    assert (abs(found.mean(axis=0)) < 5 * 4 / np.sqrt(n)).all()
    assert (abs(found.var(axis=0) / 16 - 1) < 5 * np.sqrt(2 / n)).all()
    assert abs(np.corrcoef(found.T)[0, 1]) < 5 / np.sqrt(n)


def test_image_target_and_segmentation_move_together():
    example = scene(12, 10, 44, 34, height=48, width=64)
    del example["boxes"], example["box_mask"]
    example["target"] = (255 - example["image"][:, :, :1]).astype(np.uint8)
    out = jax.jit(elastic_deformation(3.0))(KEY, example)
    bright = out["image"][:, :, 0]
    assert (np.abs(bright - example["image"][:, :, 0]) > 100).sum() > 30
    # Half of the brightness is half of the way to the next pixel.
    assert ((bright > 100) == (out["segmentation"] == 3)).mean() > 0.995
    assert set(np.unique(out["segmentation"])) == {0, 3}
    np.testing.assert_allclose(out["target"][:, :, 0], 255 - bright, atol=1e-3)
    assert out["segmentation"].dtype == jnp.int32 and out["target"].dtype == jnp.float32
    assert out["label"] == 7


def test_what_comes_in_from_outside():
    example = {
        "image": np.full((20, 20, 3), 50, np.float32),
        "target": np.full((20, 20, 1), 50, np.uint8),
        "segmentation": np.ones((20, 20), np.int32),
    }
    out = elastic_deformation(8.0)(KEY, example)
    for name, pixels in example.items():
        np.testing.assert_array_equal(out[name], pixels)
    out = elastic_deformation(8.0, fill=200.0, fill_class=9)(KEY, example)
    assert set(np.unique(out["segmentation"])) == {1, 9}
    outside = out["segmentation"] == 9
    assert (out["image"][outside] > 120).all() and (out["image"][~outside] < 130).all()
    np.testing.assert_array_equal(out["target"][:, :, 0], out["image"][:, :, 0])
    out = elastic_deformation(8.0, fill=(1.0, 2.0, 3.0))(KEY, {"image": example["image"]})
    assert np.unique(out["image"][:, :, 1]).min() == 2


def test_strength_0_is_the_identity_to_the_bit_and_may_be_traced():
    example = {
        "image": photo(0, 24, 32),
        "segmentation": np.arange(24 * 32, dtype=np.int32).reshape(24, 32),
    }
    traced = jax.jit(lambda s: elastic_deformation(s)(KEY, example))(0.0)
    for out in (elastic_deformation(0)(KEY, example), traced):
        for name, pixels in example.items():
            np.testing.assert_array_equal(out[name], pixels)
    strengths = jnp.array([0.0, 3.0])
    swept = jax.jit(jax.vmap(lambda s: elastic_deformation(s)(KEY, example)["image"]))(strengths)
    alone = elastic_deformation(3.0)(KEY, example)["image"]
    np.testing.assert_allclose(swept[1], alone, atol=1e-2)  # an ulp of a place, times 255
    assert (np.abs(swept[1] - swept[0]) > 20).any()


def test_each_example_bends_in_its_own_way():
    images = np.stack([photo(0, 16, 16)] * 4)
    bent = per_example(elastic_deformation(2.0))(KEY, {"image": images})["image"]
    assert len({image.tobytes() for image in np.asarray(bent)}) == 4


def test_images_are_differentiable():
    def total(image):
        return (elastic_deformation(2.0)(KEY, {"image": image})["image"] ** 2).sum()

    gradient = jax.grad(total)(jnp.asarray(photo(0, 16, 16)))
    assert np.isfinite(gradient).all() and (gradient != 0).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: elastic_deformation(-1.0), r"`deviation` must be in \[0, inf\), got -1.0; the"),
        (lambda: elastic_deformation(grid=1), "`grid` must be a whole number from 2 on, got 1"),
        (lambda: elastic_deformation(fill="reflect"), "`fill` must be \"edge\", .* got 'reflect'"),
        (
            lambda: elastic_deformation(fill=(1.0, 2.0))(KEY, {"image": photo()}),
            "`fill` must be .* each of the 3 channels",
        ),
        (
            lambda: elastic_deformation()(KEY, scene(4, 3, 15, 11)),
            '`example` must have no "boxes" for an elastic deformation',
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
