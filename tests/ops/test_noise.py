"""Noise has the moments that it says, value by value, and leaves what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.noise import gaussian_noise, poisson_noise, salt_and_pepper

KEY = jax.random.key(0)
GREY = jnp.full((2, 100, 100, 3), 60.0)
N = 100 * 100 * 3  # values an image; deviations of five standard errors are allowed everywhere


def assert_moments(noise, variance):
    """Mean 0 and this variance, up to the errors of N normal values."""
    assert abs(noise.mean()) < 5 * np.sqrt(variance / N)
    assert abs(noise.var() / variance - 1) < 5 * np.sqrt(2 / N)


def test_gaussian_noise_has_the_deviation_of_each_image():
    for noise in np.asarray(gaussian_noise(KEY, GREY, 25) - GREY):
        assert_moments(noise, 25**2)
        # Normal: a kurtosis of 3, with an error of sqrt(24 / N).
        assert abs((noise**4).mean() / 25**4 - 3) < 5 * np.sqrt(96 / N)
    mild, strong = np.asarray(gaussian_noise(KEY, GREY, jnp.array([5.0, 50.0])) - GREY)
    assert_moments(mild, 5**2)
    assert_moments(strong, 50**2)


def test_gaussian_noise_by_hand_is_of_the_key_and_not_cut_off():
    noise = jax.random.normal(KEY, GREY.shape)
    np.testing.assert_array_equal(gaussian_noise(KEY, GREY, 100.0), GREY + 100.0 * noise)
    assert gaussian_noise(KEY, GREY, 100.0).min() < -100


def test_every_value_has_noise_of_its_own():
    noise = np.asarray(gaussian_noise(KEY, GREY, 1.0) - GREY)
    for other in (noise[::-1], np.roll(noise, 1, 1), np.roll(noise, 1, 2), np.roll(noise, 1, 3)):
        assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(2 * N)


def test_poisson_noise_is_a_count_of_photons_whose_variance_is_its_mean():
    images = jnp.concatenate([GREY[:1], 4 * GREY[:1]])
    noisy = np.asarray(poisson_noise(KEY, images, 51.0))
    photons = noisy / 5  # 51 of them are 255
    np.testing.assert_allclose(photons, np.round(photons), atol=1e-4)
    for noise, level in zip(noisy - np.asarray(images), (60, 240), strict=True):
        assert abs(noise.mean()) < 5 * np.sqrt(level * 5 / N)
        # The error of a Poisson variance: sqrt((1 / mean + 2) / N) of it.
        assert abs(noise.var() / (level * 5) - 1) < 5 * np.sqrt((5 / level + 2) / N)


def test_poisson_noise_has_the_peak_of_each_image():
    dim, bright = np.asarray(poisson_noise(KEY, GREY, jnp.array([5.1, 510.0])) - GREY)
    assert abs(dim.var() / (60 * 50) - 1) < 0.1
    assert abs(bright.var() / (60 * 0.5) - 1) < 0.1


def test_in_the_dark_there_are_no_photons_and_below_no_light():
    images = jnp.array([0.0, -1.0, 100.0]).reshape(1, 1, 3, 1)
    zero, none, some = poisson_noise(KEY, images, 1000.0)[0, 0, :, 0]
    assert zero == 0 and jnp.isnan(none) and 50 < some < 150


def test_salt_and_pepper_loses_the_share_that_is_asked_for_half_to_each():
    for images in salt_and_pepper(KEY, GREY, 0.3):
        for value, share in ((0, 0.15), (60, 0.7), (255, 0.15)):
            error = np.sqrt(share * (1 - share) / N)
            assert abs((images == value).mean() - share) < 5 * error
        assert set(np.unique(images)) == {0, 60, 255}
    some, all_lost = salt_and_pepper(KEY, GREY, jnp.array([0.1, 1.0]))
    assert 0.08 < (some != 60).mean() < 0.12
    assert set(np.unique(all_lost)) == {0, 255}


@pytest.mark.parametrize("noise", [gaussian_noise, salt_and_pepper])
def test_none_is_the_identity_to_the_bit(noise):
    np.testing.assert_array_equal(noise(KEY, GREY, 0), GREY)
    np.testing.assert_array_equal(jax.jit(noise)(KEY, GREY, jnp.zeros(2)), GREY)


@pytest.mark.parametrize(
    ("noise", "strength"), [(gaussian_noise, 9.0), (poisson_noise, 30.0), (salt_and_pepper, 0.5)]
)
def test_one_key_gives_one_noise_and_strengths_may_be_traced(noise, strength):
    ours = noise(KEY, GREY, strength)
    np.testing.assert_array_equal(ours, noise(KEY, GREY, strength))
    assert (ours != noise(jax.random.key(1), GREY, strength)).any()
    assert ours.dtype == GREY.dtype
    for traced in (jnp.float32(strength), jnp.full(2, strength)):
        np.testing.assert_allclose(jax.jit(noise)(KEY, GREY, traced), ours, rtol=1e-5, atol=1e-3)
    with jax.enable_x64(True):
        assert noise(KEY, GREY.astype(jnp.float64), strength).dtype == jnp.float64


@pytest.mark.parametrize(
    ("noise", "strength", "message"),
    [
        (gaussian_noise, -1, r"`deviation` must be in \[0, inf\), got -1"),
        (gaussian_noise, float("nan"), r"`deviation` must be in \[0, inf\), got nan"),
        (gaussian_noise, np.array([1.0, -2.0]), r"`deviation` must be in \[0, inf\), got -2"),
        (poisson_noise, 0, r"`peak` must be in \(0, inf\), got 0"),
        (poisson_noise, jnp.array([1.0, jnp.inf]), r"`peak` must be in \(0, inf\), got inf"),
        (salt_and_pepper, 1.5, r"`fraction` must be in \[0, 1\], got 1.5"),
    ],
)
def test_a_strength_out_of_range_is_named(noise, strength, message):
    with pytest.raises(ValueError, match=message):
        noise(KEY, GREY, strength)


def test_strengths_of_another_number_of_images_are_named(unchecked):
    with pytest.raises(ValueError, match=r"`deviation` must be .* each of the 2 images, got shape"):
        gaussian_noise(KEY, GREY, jnp.ones(3))
