"""Normalisation: exact statistics, and their application to anything but the training set."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.normalization import Normalization, normalization_of


def test_the_training_set_has_mean_0_and_std_1_in_every_channel():
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 6, 3), np.uint8)
    images[..., 1] //= 3
    normalized = np.asarray(normalization_of([images])(jnp.array(images)), np.float64)
    np.testing.assert_allclose(normalized.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(normalized.std(axis=(0, 1, 2)), 1, rtol=1e-6)


def test_statistics_equal_numpy_in_double_precision_however_the_images_are_divided():
    images = np.random.default_rng(1).integers(0, 256, (30, 5, 7, 3), np.uint8)
    whole, parts = normalization_of([images]), normalization_of(np.split(images, [7, 8, 20]))
    assert whole == parts == normalization_of(iter(images))
    np.testing.assert_allclose(
        whole.mean, images.mean(axis=(0, 1, 2), dtype=np.float64), rtol=1e-14
    )
    np.testing.assert_allclose(whole.std, images.std(axis=(0, 1, 2), dtype=np.float64), rtol=1e-12)


def test_by_hand():
    normalization = normalization_of([np.array([[[0], [10]]], np.uint8)])
    assert normalization == Normalization(mean=(5.0,), std=(5.0,))
    np.testing.assert_array_equal(
        normalization(jnp.array([[[[0], [20]]]], jnp.uint8)), [[[[-1.0], [3.0]]]]
    )


def test_a_constant_channel_is_centred_and_not_divided_by_zero():
    normalization = normalization_of([np.full((2, 4, 4, 1), 7, np.uint8)])
    assert normalization == Normalization((7.0,), (1.0,))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"`images` must hold at least one image"):
        normalization_of([])
    with pytest.raises(ValueError, match=r"`images` must have 1 channel\(s\).*got 3"):
        Normalization((0.0,), (1.0,))(jnp.zeros((1, 2, 2, 3)))
