"""Flips: involutions that move image, boxes and segmentation together, with the right chances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import alternating_flip, horizontal_flip, vertical_flip
from tests.augment.made_up import hull, photo, scene

KEY = jax.random.key(0)
BOTH = pytest.mark.parametrize(("make", "axis"), [(horizontal_flip, 1), (vertical_flip, 0)])


@BOTH
def test_all_that_has_a_place_moves_together(make, axis):
    example = scene(4, 3, 15, 11) | {"target": photo(1, 24, 32, 2).astype(np.uint8)}
    out = make(1.0)(KEY, example)
    for name in ("image", "segmentation", "target"):
        np.testing.assert_array_equal(out[name], np.flip(example[name], axis))
    assert out["target"].dtype == np.uint8
    np.testing.assert_array_equal(out["boxes"][0], hull(out["segmentation"] == 3))
    np.testing.assert_array_equal(out["boxes"][0], hull(out["image"][:, :, 0] > 0))
    np.testing.assert_array_equal(out["box_mask"], example["box_mask"])


def test_boxes_by_hand():
    # 32 wide, 24 high
    boxes = scene(4, 3, 15, 11)
    np.testing.assert_array_equal(horizontal_flip(1.0)(KEY, boxes)["boxes"][0], [17, 3, 28, 11])
    np.testing.assert_array_equal(vertical_flip(1.0)(KEY, boxes)["boxes"][0], [4, 13, 15, 21])


@BOTH
def test_twice_is_the_identity(make, axis):
    example = scene(4, 3, 15, 11) | {"image": photo(0, 24, 32), "target": photo(1, 24, 32, 1)}
    twice = make(1.0)(KEY, make(1.0)(KEY, example))
    for name in example:
        np.testing.assert_array_equal(twice[name], example[name])


@BOTH
@pytest.mark.parametrize("probability", [0.2, 0.5])
def test_the_share_of_flipped_images_is_the_probability(make, axis, probability):
    n, image = 4000, jnp.arange(4.0).reshape(2, 2, 1)
    apply = jax.vmap(lambda key: make(probability)(key, {"image": image})["image"])
    flipped = np.asarray(apply(jax.random.split(KEY, n))[:, 0, 0, 0] != 0)
    # Five standard deviations.
    assert abs(flipped.mean() - probability) < 5 * np.sqrt(probability * (1 - probability) / n)


def flips(seed, rows, epoch, key=KEY):
    image = jnp.arange(2.0).reshape(1, 2, 1)

    def one(row):
        out = alternating_flip(seed)(key, {"image": image, "row": row, "epoch": epoch})
        return out["image"][0, 0, 0] == 1

    return np.asarray(jax.vmap(one)(jnp.arange(rows)))


def test_every_epoch_flips_those_that_the_last_did_not():
    first = flips(0, 2000, 0)
    assert abs(first.mean() - 0.5) < 5 * 0.5 / np.sqrt(2000)
    for epoch in range(1, 5):
        np.testing.assert_array_equal(flips(0, 2000, epoch), first ^ (epoch % 2 == 1))


def test_those_with_a_coin_of_1_begin():
    def coin(row):
        return jax.random.bernoulli(jax.random.fold_in(jax.random.key(5), row))

    np.testing.assert_array_equal(flips(5, 50, 0), jax.vmap(coin)(jnp.arange(50)))


def test_the_half_depends_on_the_seed_and_not_on_the_key():
    np.testing.assert_array_equal(flips(0, 200, 0), flips(0, 200, 0, jax.random.key(9)))
    agree = (flips(0, 2000, 0) == flips(1, 2000, 0)).mean()
    assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(2000)


def test_alternating_needs_row_and_epoch():
    example = scene(4, 3, 15, 11)
    for name in ("row", "epoch"):
        short = {key: value for key, value in example.items() if key != name}
        with pytest.raises(ValueError, match=f'have "row" and "epoch", got no {name}; where'):
            alternating_flip()(KEY, short)
    moved = alternating_flip()(KEY, example | {"epoch": 1})
    still = alternating_flip()(KEY, example | {"epoch": 0})
    assert (moved["boxes"] != still["boxes"]).any()
