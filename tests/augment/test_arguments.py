"""Bad hyperparameters and bad examples are named, with the rule and the remedy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import (
    alternating_flip,
    color_jitter,
    cutmix,
    cutout,
    horizontal_flip,
    mixup,
    pad_and_crop,
    per_example,
    random_affine,
    random_erasing,
    vertical_flip,
)
from tests.augment.made_up import batch, photo

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: horizontal_flip(1.5), r"`probability` must be in \[0, 1\], got 1.5; 0.5 flips"),
        (lambda: vertical_flip(jnp.float32(jnp.nan)), r"`probability` must be .* got nan"),
        (lambda: alternating_flip(-1), "`seed` must be a whole number from 0 on, got -1; any"),
        (lambda: random_affine(shift=-0.1), r"`shift` must be in \[0, inf\), got -0.1; 0.1"),
        (lambda: random_affine(scale=-1), r"`scale` must be in \[0, inf\), got -1; 0.25"),
        (lambda: random_affine(rotation=-3.0), r"`rotation` must be in \[0, inf\), got -3.0; it"),
        (lambda: random_affine(shear=90.0), r"`shear` must be in \[0, 90\), got 90.0; it is"),
        (lambda: random_affine(fill="wrap"), "`fill` must be \"edge\", a pixel value .* 'wrap'"),
        (lambda: pad_and_crop(-1), "`padding` must be a whole number from 0 on, got -1; 4 is"),
        (lambda: pad_and_crop(fill="edge"), "`fill` must be \"reflect\", a pixel .* got 'edge'"),
        (lambda: cutout(-2), "`size` must be a whole number from 0 on, got -2; it is"),
        (lambda: random_erasing(-0.1), r"`probability` must be in \[0, 1\], got -0.1; 0.5 erases"),
        (lambda: random_erasing(area=(0.1, 1.1)), r"`area` must be in \[0, 1\], got 1.1; it is"),
        (lambda: random_erasing(aspect_ratio=(0, 1)), r"`aspect_ratio` must be in \(0, inf\), got"),
        (lambda: random_erasing(fill="mean"), "`fill` must be \"random\", a pixel .* got 'mean'"),
        (lambda: color_jitter(brightness=-1), r"`brightness` must be in \[0, inf\), got -1; 0.4"),
        (lambda: color_jitter(contrast=-1), r"`contrast` must be in \[0, inf\), got -1; 0.4"),
        (lambda: color_jitter(saturation=-1), r"`saturation` must be in \[0, inf\), got -1; 0.4"),
        (lambda: color_jitter(hue=0.6), r"`hue` must be in \[0, 0.5\], got 0.6; 0.5 is"),
        (lambda: mixup(-0.5, 10), r"`alpha` must be in \[0, inf\), got -0.5; 1 mixes"),
        (lambda: cutmix(1.0, 0), "`classes` must be a whole number from 1 on, got 0; it is"),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("maker", [random_affine, pad_and_crop, random_erasing])
def test_a_fill_of_another_number_of_channels_is_named(maker):
    with pytest.raises(ValueError, match=r"`fill` must be .* each of the 3 channels .* got 2;"):
        maker(fill=(1.0, 2.0))(KEY, {"image": photo()})


def test_what_is_no_example_is_named():
    with pytest.raises(
        ValueError, match=r'`example` must have an "image" \[h, w, c\], got shape \(6'
    ):
        horizontal_flip()(KEY, batch(6))
    with pytest.raises(
        ValueError, match=r'`batch` must have "image" \[b, h, w, c\], got shape \(12'
    ):
        per_example(horizontal_flip())(KEY, {"image": photo()})
    boxes = {"image": photo(), "boxes": np.zeros((1, 4), np.float32)}
    for apply in (random_affine(0.1), pad_and_crop()):
        with pytest.raises(ValueError, match='`example` must have a "box_mask"'):
            apply(KEY, boxes)


def test_the_ends_of_a_range_are_in_it_where_it_is_closed():
    for probability in (0, 1, 0.0, 1.0):
        horizontal_flip(probability)
    color_jitter(hue=0.5)
    pad_and_crop(0)
    for make in (lambda: random_erasing(aspect_ratio=(0.0, 1.0)), lambda: random_affine(shear=90)):
        with pytest.raises(ValueError, match="must be in"):
            make()


def test_a_count_is_whole_and_a_traced_one_too(unchecked):
    for size in (2.0, jnp.float32(2)):
        with pytest.raises(ValueError, match=r"`size` must be a whole number from 0 on, got 2.0"):
            cutout(size)
    with pytest.raises(ValueError, match="`size` must be a whole number"):
        jax.jit(lambda size: cutout(size)(KEY, {"image": photo()}))(2.0)


def test_a_traced_hyperparameter_passes_and_a_probability_may_be_a_whole_number():
    example = {"image": photo()}

    def flip(probability):
        return horizontal_flip(probability)(KEY, example)["image"]

    for flipped in (flip(1), flip(1.0), jax.jit(flip)(1.0)):
        np.testing.assert_array_equal(flipped, example["image"][:, ::-1])
    shape = jax.eval_shape(lambda n: pad_and_crop(n)(KEY, example)["image"], 2).shape
    assert shape == example["image"].shape
