"""PSNR, SSIM and MS-SSIM by hand, by sums over windows and as scikit-image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from jaxvision.ops.image_metrics import SCALES, ms_ssim, psnr, ssim
from tests.ops.agreement import QUICK


def pair(height=40, width=50, channels=1, noise=0.1, seed=0):
    """Smooth images in [0, 1] and the same with noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    phases = random.uniform(0, 6, size=(2, 1, 1, channels))
    waves = np.sin(rows[None, :, :, None] / 7 + phases) * np.cos(columns[None, :, :, None] / 5)
    clean = 0.5 + 0.4 * waves
    return np.float32(np.clip(clean + noise * random.normal(size=clean.shape), 0, 1)), np.float32(
        clean
    )


def by_windows(x, y, peak):
    """(l, cs) of every window that lies in the image, as sums over its pixels, in float64."""
    distance = np.arange(11) - 5
    gauss = np.exp(-(distance**2) / 4.5)
    weights = np.outer(gauss, gauss) / gauss.sum() ** 2
    x, y = (sliding_window_view(np.float64(image), (11, 11), axis=(1, 2)) for image in (x, y))

    def mean(values):
        return (values * weights).sum(axis=(-1, -2))

    mx, my = mean(x), mean(y)
    from_mx, from_my = x - mx[..., None, None], y - my[..., None, None]
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    variances = mean(from_mx**2) + mean(from_my**2)
    return luminance, (2 * mean(from_mx * from_my) + c2) / (variances + c2)


# --- by hand


def test_psnr_by_hand():
    x, y = np.full((2, 2, 2, 1), 0.5, np.float32), np.full((2, 2, 2, 1), 0.5, np.float32)
    x[0, 0, 0] += 0.2  # a mean of 0.01
    np.testing.assert_allclose(psnr(jnp.asarray(x), jnp.asarray(y), 1), [20, np.inf], rtol=1e-5)
    np.testing.assert_allclose(
        psnr(jnp.asarray(255 * x), jnp.asarray(255 * y), 255), [20, np.inf], rtol=1e-5
    )


def test_ssim_of_constants_is_their_luminance():
    x, y = jnp.full((1, 11, 12, 1), 0.2), jnp.full((1, 11, 12, 1), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    np.testing.assert_allclose(ssim(x, y, 1), [expected], rtol=1e-3)
    # At all scales contrasts are equal: only the luminance of the last is left.
    x, y = (jnp.full((1, 176, 176, 1), value) for value in (0.2, 0.6))
    judge = jax.jit(lambda x, y: ms_ssim(x, y, 1), compiler_options=QUICK)
    np.testing.assert_allclose(judge(x, y), [expected ** SCALES[-1]], rtol=1e-3)


# --- reference


@pytest.mark.parametrize("peak", [1, 255.0])
def test_ssim_is_the_mean_over_windows(peak):
    x, y = (np.float32(peak * image) for image in pair(channels=3))
    luminance, structure = by_windows(x, y, peak)
    expected = (luminance * structure).mean(axis=(1, 2, 3))
    assert (expected < 0.9).all()
    np.testing.assert_allclose(ssim(jnp.asarray(x), jnp.asarray(y), peak), expected, rtol=1e-4)


def test_ssim_and_psnr_equal_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    x, y = pair(channels=3)
    ours = np.stack(
        [ssim(jnp.asarray(x), jnp.asarray(y), 1), psnr(jnp.asarray(x), jnp.asarray(y), 1)]
    )
    for b in range(len(x)):
        theirs = metrics.structural_similarity(
            x[b],
            y[b],
            data_range=1,
            channel_axis=2,
            gaussian_weights=True,
            use_sample_covariance=False,
        )
        np.testing.assert_allclose(ours[0, b], theirs, rtol=1e-4)
        expected = metrics.peak_signal_noise_ratio(y[b], x[b], data_range=1)
        np.testing.assert_allclose(ours[1, b], expected, rtol=1e-5)


def test_ms_ssim_is_the_product_over_scales():
    x, y = pair(height=181, width=200, channels=2, noise=0.3)
    ours = jax.jit(lambda x, y: ms_ssim(x, y, 1), compiler_options=QUICK)(x, y)
    expected = 1.0
    for scale, weight in enumerate(SCALES, 1):
        luminance, structure = by_windows(x, y, 1)
        values = luminance * structure if scale == 5 else structure
        expected = expected * values.mean(axis=(1, 2)) ** weight
        x, y = (
            image[:, : image.shape[1] // 2 * 2, : image.shape[2] // 2 * 2]
            .reshape(2, image.shape[1] // 2, 2, image.shape[2] // 2, 2, 2)
            .mean(axis=(2, 4))
            for image in (x, y)
        )
    assert (expected < 0.95).all()
    np.testing.assert_allclose(ours, expected.mean(axis=1), rtol=1e-4)


# --- theorem


def test_ssim_is_symmetric_and_1_for_equal_images_only():
    x, y = (jnp.asarray(image) for image in pair())
    np.testing.assert_allclose(ssim(x, y, 1), ssim(y, x, 1), rtol=1e-6)
    np.testing.assert_allclose(ssim(y, y, 1), 1, rtol=1e-5)
    assert (ssim(x, y, 1) < 0.95).all()


def test_more_noise_is_worse_by_all_three():
    for metric, size in ((psnr, 40), (ssim, 40), (ms_ssim, 176)):
        judge = jax.jit(lambda x, y, metric=metric: metric(x, y, 1), compiler_options=QUICK)
        values = [judge(*pair(size, size, noise=noise)) for noise in (0.02, 0.1, 0.4)]
        assert (np.diff(values, axis=0) < 0).all()


def test_what_is_the_opposite_has_no_similarity_at_scales():
    _, y = pair(176, 176)
    judge = jax.jit(lambda x, y: ms_ssim(x, y, 1), compiler_options=QUICK)
    np.testing.assert_array_equal(judge(1 - y, y), 0)
    assert (ssim(jnp.asarray(1 - y), jnp.asarray(y), 1) < 0).all()


# --- doors


@pytest.mark.parametrize(
    ("metric", "size", "match"),
    [(ssim, 10, "at least 11 x 11 for SSIM, got 10 x 20"), (ms_ssim, 175, "at least 176 x 176")],
)
def test_refuses_images_smaller_than_the_window(metric, size, match):
    images = jnp.ones((1, size, 2 * size, 1))
    with pytest.raises(ValueError, match=match):
        metric(images, images, 1)


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_refuses_a_peak_of_nothing(metric):
    images = jnp.ones((1, 176, 176, 1))
    with pytest.raises(ValueError, match=r"`peak` must be in \(0, inf\), got 0"):
        metric(images, images, 0)
