"""Colours: by hand, against torchvision and colorsys, and what must not change."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    color_jitter,
)
from tests.augment.made_up import photo

KEY = jax.random.key(0)


def pixels(*values):
    return jnp.asarray(values, jnp.float32).reshape(1, len(values), -1)


def test_by_hand():
    image = pixels([100, 0, 0], [0, 200, 40])
    np.testing.assert_allclose(
        adjust_brightness(image, jnp.float32(1.5)), pixels([150, 0, 0], [0, 255, 60])
    )
    # Greys are 29.89 and 117.4 + 4.56 = 121.96; their mean is 75.925.
    np.testing.assert_allclose(
        adjust_contrast(image, jnp.float32(0)), jnp.full((1, 2, 3), 75.925), rtol=1e-6
    )
    np.testing.assert_allclose(
        adjust_saturation(image, jnp.float32(0)), pixels([29.89] * 3, [121.96] * 3), rtol=1e-6
    )
    # A third of the circle: red becomes green, green becomes blue.
    np.testing.assert_allclose(
        adjust_hue(image, jnp.float32(1 / 3)), pixels([0, 100, 0], [40, 0, 200]), atol=1e-4
    )


def test_a_hue_that_is_not_turned_is_left_to_the_bit():
    image = jnp.asarray(0.7 * photo())
    np.testing.assert_array_equal(jax.jit(adjust_hue)(image, jnp.float32(0)), image)


@pytest.mark.parametrize("shift", [-0.5, -0.1, 0.2, 0.45])
def test_hue_equals_pythons_colorsys(shift):
    image = np.concatenate([photo(), np.full((1, 10, 3), 77.0)])  # with a grey line

    def turn(pixel):
        h, s, v = colorsys.rgb_to_hsv(*(pixel / 255))
        return 255 * np.array(colorsys.hsv_to_rgb((h + shift) % 1, s, v))

    expected = np.apply_along_axis(turn, -1, image.astype(np.float64))
    ours = adjust_hue(jnp.asarray(image, jnp.float32), jnp.float32(shift))
    np.testing.assert_allclose(ours, expected, atol=2e-3)


@pytest.mark.parity
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
def test_equals_torchvision(factor, channels, torchvision):
    import torch
    from torchvision.transforms import functional

    image = photo(channels=channels)
    # Their images of floats are in 0..1.
    theirs = torch.tensor(image / 255).permute(2, 0, 1)
    pairs = [
        (adjust_brightness, functional.adjust_brightness),
        (adjust_contrast, functional.adjust_contrast),
        *([(adjust_saturation, functional.adjust_saturation)] if channels == 3 else []),
    ]
    for adjust, their_adjust in pairs:
        np.testing.assert_allclose(
            adjust(jnp.asarray(image), jnp.float32(factor)),
            255 * their_adjust(theirs, factor).permute(1, 2, 0),
            atol=1e-3,
        )
    if channels == 3:
        shift = (factor - 0.85) / 2
        np.testing.assert_allclose(
            adjust_hue(jnp.asarray(image), jnp.float32(shift)),
            255 * functional.adjust_hue(theirs, shift).permute(1, 2, 0),
            atol=5e-3,
        )


def test_a_turned_hue_keeps_value_and_chroma_and_comes_back():
    image = jnp.asarray(photo())
    turned = adjust_hue(image, jnp.float32(0.3))
    np.testing.assert_allclose(turned.max(axis=2), image.max(axis=2), rtol=1e-6)
    np.testing.assert_allclose(turned.min(axis=2), image.min(axis=2), atol=1e-3)
    np.testing.assert_allclose(adjust_hue(turned, jnp.float32(-0.3)), image, atol=2e-3)


def factors(n=4000, **strengths):
    """What is drawn, read off a pixel that is never cut off."""
    image = pixels([40, 20, 10], [20, 10, 40])
    apply = color_jitter(**strengths)
    draw = jax.jit(jax.vmap(lambda key: apply(key, {"image": image})["image"]))
    return np.asarray(draw(jax.random.split(KEY, n)), np.float64), np.asarray(image, np.float64)


@pytest.mark.parametrize(("strength", "low", "high"), [(0.4, 0.6, 1.4), (1.5, 0.0, 2.5)])
def test_factors_are_uniform_around_1(strength, low, high):
    out, image = factors(brightness=strength)
    f = out[:, 0, 0, 0] / image[0, 0, 0]
    assert low <= f.min() < low + 0.01 and high - 0.01 < f.max() <= high + 1e-6
    assert abs(f.mean() - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * len(f))


@pytest.mark.parametrize("name", ["contrast", "saturation"])
def test_contrast_and_saturation_are_drawn_from_the_same_range(name):
    out, image = factors(**{name: 0.4})
    # Differences of channels are multiplied by the factor, whatever the grey is.
    f = (out[:, 0, 0, 0] - out[:, 0, 0, 2]) / (image[0, 0, 0] - image[0, 0, 2])
    assert 0.6 - 1e-5 <= f.min() < 0.61 and 1.39 < f.max() <= 1.4 + 1e-5


def test_hues_are_drawn_either_way():
    out, image = factors(hue=0.1)
    hue = np.array([colorsys.rgb_to_hsv(*(pixel / 255))[0] for pixel in out[:, 0, 0]])
    before = colorsys.rgb_to_hsv(*(image[0, 0] / 255))[0]
    turned = (hue - before + 0.5) % 1 - 0.5
    assert -0.1 - 1e-5 <= turned.min() < -0.099 and 0.099 < turned.max() <= 0.1 + 1e-5


def test_all_four_follow_each_other_in_this_order_with_draws_of_their_own():
    image = jnp.asarray(photo())
    out = color_jitter(0.5, 0.6, 0.7, 0.2)(KEY, {"image": image})["image"]
    u = np.asarray(jax.random.uniform(KEY, (4,)))
    f = [jnp.float32(1 + s * (2 * v - 1)) for s, v in zip((0.5, 0.6, 0.7), u, strict=False)]
    expected = adjust_saturation(adjust_contrast(adjust_brightness(image, f[0]), f[1]), f[2])
    expected = adjust_hue(expected, jnp.float32(0.2 * (2 * u[3] - 1)))
    np.testing.assert_allclose(out, expected, atol=1e-3)


def test_grey_images_have_no_colours_to_change():
    grey = {"image": photo(channels=1)}
    for name in ("saturation", "hue"):
        with pytest.raises(ValueError, match=f"`{name}` must be 0 for grey images, got 0.1"):
            color_jitter(**{name: 0.1})(KEY, grey)
        with pytest.raises(ValueError, match=f"`{name}` must be 0 for grey images"):
            jax.jit(lambda s, name=name: color_jitter(**{name: s})(KEY, grey))(0.0)
    with pytest.raises(ValueError, match=r"`image` must have 1 or 3 channels .* got 4"):
        color_jitter(0.1)(KEY, {"image": photo(channels=4)})
    out = color_jitter(0.4, 0.4)(KEY, grey)["image"]
    assert out.shape == grey["image"].shape and (out != grey["image"]).any()
