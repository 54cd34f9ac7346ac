"""Bringing an image to a size: the aspect is kept, the centre cropped, and nothing aliases."""

import numpy as np
import pytest

from jaxvision.data.images import fit_image


def test_a_fitting_image_is_returned_itself():
    image = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    assert fit_image(image, 48, 64) is image


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_fit_keeps_each_channel(channels):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, channels), dtype=np.uint8)
    fitted = fit_image(image, 10, 10)
    assert fitted.shape == (10, 10, channels)
    for c in range(channels):
        np.testing.assert_array_equal(fitted[..., c], fit_image(image[..., [c]], 10, 10)[..., 0])


def test_fit_crops_the_centre_and_keeps_the_aspect():
    # Thirds of a wide image: a square out of its middle is the middle third.
    thirds = np.repeat(np.array([10, 100, 200], np.uint8), 40)[None, :, None].repeat(40, 0)
    np.testing.assert_array_equal(fit_image(thirds, 40, 40), np.full((40, 40, 1), 100))
    tall = fit_image(thirds.transpose(1, 0, 2), 20, 20)
    # Scaling comes first, so at the cut a row has a share of the neighbour it loses.
    np.testing.assert_array_equal(tall[1:-1], np.full((18, 20, 1), 100))


def test_fit_antialiases_where_it_shrinks():
    stripes = np.tile(np.array([0, 255], np.uint8), 40)[None, :, None].repeat(80, 0)
    # The mean, whatever the phase; plain bilinear interpolation would see 0 or 255 alone.
    np.testing.assert_allclose(fit_image(stripes, 8, 8)[:, 1:-1], 127.5, atol=3)


def test_fit_enlarges_bilinearly():
    # Twice as large: the samples lie a quarter and three quarters of the way between two pixels.
    ramp = np.array([0, 80], np.uint8)[None, :, None].repeat(2, 0)
    np.testing.assert_array_equal(fit_image(ramp, 4, 4)[0, :, 0], [0, 20, 60, 80])


def test_fit_refuses_an_empty_size():
    with pytest.raises(ValueError, match=r"at least 1, got height 0, width 5, image \[48, 64, 3\]"):
        fit_image(np.zeros((48, 64, 3), np.uint8), 0, 5)
