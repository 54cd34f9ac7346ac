"""`jaxvision.style.colour`: moments, luminances and chrominances, against NumPy."""

import colorsys

import numpy as np
import pytest

from jaxvision.style.colour import (
    YIQ,
    grey,
    match_colours,
    match_histograms,
    match_luminance,
    with_colours_of,
)


def muted(picture):
    """Without values near the bounds, so that nothing is cut off."""
    return (0.4 + 0.2 * picture).astype(np.float32)


def test_yiq_is_pythons_own():
    for rgb in np.eye(3):
        np.testing.assert_allclose(YIQ @ rgb, colorsys.rgb_to_yiq(*rgb), atol=0.01)


def test_luminance_is_the_pictures_and_chrominance_the_contents(picture):
    content, painted = muted(picture(20, 30, 0)), muted(picture(20, 30, 1))
    mixed = with_colours_of(content, painted)
    np.testing.assert_allclose(mixed @ YIQ[0], painted @ YIQ[0], atol=1e-5)
    np.testing.assert_allclose(mixed @ YIQ[1:].T, content @ YIQ[1:].T, atol=1e-5)


def test_a_picture_with_its_own_colours_is_itself(picture):
    content = picture(20, 30)
    np.testing.assert_allclose(with_colours_of(content, content), content, atol=1e-5)
    assert with_colours_of(content, np.ones_like(content)).max() <= 1


def test_grey_has_no_chrominance(picture):
    np.testing.assert_allclose(grey(picture(9, 9)) @ YIQ[1:].T, 0, atol=1e-3)


def test_styles_get_the_contents_luminance(picture):
    content, style = muted(picture(20, 30, 0)), muted(picture(15, 40, 1)) * 0.8
    (matched,) = match_luminance(content, [style])
    wanted, found = content @ YIQ[0], matched[..., 0]
    np.testing.assert_allclose(
        [found.mean(), found.std()], [wanted.mean(), wanted.std()], rtol=1e-4
    )
    # Linear: the order of brightness stays.
    order = np.argsort((style @ YIQ[0]).ravel()[::37])
    assert np.all(np.diff(found.ravel()[::37][order]) > -1e-6)


def test_styles_get_the_contents_colours(picture):
    content, style = muted(picture(20, 30, 0)), muted(picture(15, 40, 1)) * 0.8
    (matched,) = match_colours(content, [style])
    for moment in (np.mean, lambda x, axis: np.cov(x, rowvar=False)):
        np.testing.assert_allclose(
            moment(matched.reshape(-1, 3), axis=0),
            moment(content.reshape(-1, 3), axis=0),
            rtol=0.02,
            atol=1e-5,
        )


def test_styles_get_the_contents_histograms(picture):
    content, style = picture(40, 60, 0), picture(30, 70, 1) * 0.8
    (matched,) = match_histograms(content, [style])
    levels = np.linspace(0.02, 0.98, 25)
    quantiles = [np.quantile(each.reshape(-1, 3), levels, axis=0) for each in (matched, content)]
    np.testing.assert_allclose(*quantiles, atol=0.005)
    # And those of the differences of colours, which no mapping of single channels gives.
    for a, b in ((0, 1), (1, 2), (2, 0)):
        found, wanted, before = (
            np.quantile(each[..., a] - each[..., b], levels) for each in (matched, content, style)
        )
        error = np.abs(found - wanted).max()
        assert error < 0.08 and error < 0.3 * np.abs(before - wanted).max()


def test_a_histogram_of_its_own_changes_nothing(picture):
    content = picture(20, 30)
    mixed = np.random.default_rng(0).permutation(content.reshape(-1, 3)).reshape(30, 20, 3)
    (matched,) = match_histograms(content, [mixed])
    np.testing.assert_allclose(matched, mixed, atol=1e-6)


def test_equal_pixels_stay_equal(picture):
    style = np.zeros((6, 8, 3), np.float32)
    style[:, 3:] = [0.8, 0.1, 0.4]
    (matched,) = match_histograms(picture(20, 30), [style])
    assert len(np.unique(matched.reshape(-1, 3).round(5), axis=0)) == 2


def test_a_style_of_one_colour_is_finite(picture):
    flat = np.full((5, 5, 3), 0.3, np.float32)
    content = muted(picture(9, 9))
    (matched,) = match_histograms(content, [flat])
    np.testing.assert_allclose(matched, np.median(content, axis=(0, 1)) + 0 * flat, atol=1e-5)
    content = picture(9, 9)
    for match in (match_colours, match_luminance):
        (matched,) = match(content, [flat])
        assert np.all((matched >= 0) & (matched <= 1))
        np.testing.assert_allclose((matched @ YIQ[0]).mean(), (content @ YIQ[0]).mean(), atol=0.01)


def test_sizes_that_differ_are_refused(picture):
    with pytest.raises(ValueError, match=r"must have the content's size \[20, 30\], got \[9, 9\]"):
        with_colours_of(picture(20, 30), picture(9, 9))
