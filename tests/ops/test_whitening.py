"""Whitening: covariance the identity, ZCA the closest of all, filters as they are defined."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from jaxvision.ops import whitening
from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.whitening import patch_whitening, pca_whitening_of, zca_whitening_of

N = 400


@pytest.fixture(scope="module")
def images():
    """Correlated pixels: sums of neighbours, in pixel values."""
    noise = np.random.default_rng(0).uniform(0, 80, (N, 5, 4, 2))
    return (noise[:, 1:] + noise[:, :-1] + 2 * noise[:, :-1, :, ::-1]).astype(np.float32)


def covariance(rows):
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return np.cov(rows.T, bias=True)


@pytest.mark.parametrize("fit", [zca_whitening_of, pca_whitening_of])
def test_the_covariance_is_the_identity_and_the_mean_0(images, fit):
    white = np.asarray(fit(images, eps=0.0)(jnp.array(images)))
    np.testing.assert_allclose(covariance(white), np.eye(32), atol=1e-4)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-5)


def test_zca_gives_images_and_its_matrix_is_symmetric(images):
    zca = zca_whitening_of(images, eps=0.0)
    assert zca(jnp.array(images)).shape == images.shape
    np.testing.assert_array_equal(zca.matrix, zca.matrix.T)
    # C^(-1/2), by its definition: its square undoes the covariance.
    squared = np.asarray(zca.matrix, np.float64) @ zca.matrix
    np.testing.assert_allclose(squared @ covariance(images), np.eye(32), atol=1e-3)


def test_of_all_whitenings_zca_changes_the_images_least(images):
    centered = images - images.mean(axis=0)
    scale = centered.std()
    zca = np.asarray(zca_whitening_of(images, eps=0.0)(jnp.array(images))).reshape(N, -1)
    target = (centered / scale).reshape(N, -1)
    for seed in range(5):
        turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((32, 32)))
        assert ((zca - target) ** 2).sum() < ((zca @ turn - target) ** 2).sum()


def test_by_hand():
    # One pixel with variance 9, eps 16: divided by 5.
    images = np.array([2.0, 8.0]).reshape(2, 1, 1, 1)
    for fit in (zca_whitening_of, pca_whitening_of):
        white = fit(images, eps=16.0)(jnp.array([[[[10.0]]]]))
        np.testing.assert_allclose(abs(white).ravel(), [1.0], rtol=1e-6)
    np.testing.assert_allclose(zca_whitening_of(images, 16.0).mean, [[[5.0]]])


def test_pca_equals_sklearn_up_to_signs(images):
    rows = images.reshape(N, -1).astype(np.float64)
    theirs = PCA(7, whiten=True, svd_solver="full").fit(rows).transform(rows)
    ours = np.asarray(pca_whitening_of(images, 7, eps=0.0)(jnp.array(images)))
    # Theirs divide by the standard deviation with n - 1 in its denominator.
    theirs *= np.sqrt(N / (N - 1))
    np.testing.assert_allclose(abs(ours), abs(theirs), atol=1e-4)


def test_the_fit_does_not_depend_on_how_images_are_divided(images, monkeypatch):
    whole = zca_whitening_of(images)
    monkeypatch.setattr(whitening, "CHUNK", 32 * 7)
    for ours, theirs in zip(whole, zca_whitening_of(images), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_it_is_an_argument_of_a_compiled_program_and_takes_bytes(images):
    pixels = images.clip(0, 255).astype(np.uint8)
    zca, pixels = zca_whitening_of(pixels), jnp.array(pixels)
    compiled = jax.jit(lambda zca, images: zca(images))
    np.testing.assert_allclose(compiled(zca, pixels), zca(pixels), atol=1e-5)
    one = compiled(zca, pixels[:1])
    np.testing.assert_allclose(one[0], zca(pixels)[0], atol=1e-5)


def test_fewer_images_than_values_need_eps(images):
    with pytest.raises(ValueError, match=r"`eps` must be positive .* got 0 with 23 of 32"):
        zca_whitening_of(images[:10], eps=0.0)
    few = zca_whitening_of(images[:10], eps=1.0)
    assert np.linalg.eigvalsh(np.asarray(few.matrix, np.float64)).max() < 1 + 1e-5  # 1 / sqrt(eps)


def test_patches_by_a_loop(images):
    normalized = (images - images.mean()) / images.std()
    fitted = patch_whitening(normalized, 2, eps=0.01)
    patches = np.array(
        [
            image[i : i + 2, j : j + 2].ravel()
            for image in normalized.astype(np.float64)
            for i in range(3)
            for j in range(3)
        ]
    )
    moment = patches.T @ patches / len(patches)
    vectors = np.asarray(fitted.eigenvectors, np.float64).reshape(8, 8)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), atol=1e-6)
    np.testing.assert_allclose(
        moment, vectors * np.asarray(fitted.eigenvalues) @ vectors.T, atol=1e-5
    )
    assert (np.diff(fitted.eigenvalues) < 0).all()
    scaled = np.asarray(fitted.eigenvectors) / np.sqrt(np.asarray(fitted.eigenvalues) + 0.01)
    np.testing.assert_allclose(fitted.kernel[..., :8], scaled, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(fitted.kernel[..., 8:], -fitted.kernel[..., :8])
    assert fitted.kernel.shape == (2, 2, 2, 16)


def test_the_convolution_with_the_kernel_whitens(images):
    normalized = (images - images.mean()) / images.std()
    kernel = patch_whitening(normalized, 2, eps=0.0).kernel
    outputs = np.asarray(conv2d(jnp.asarray(normalized), kernel[..., :8])).reshape(-1, 8)
    moment = outputs.T.astype(np.float64) @ outputs / len(outputs)
    np.testing.assert_allclose(moment, np.eye(8), atol=1e-4)


def test_errors_name_the_argument(images):
    for fit in (zca_whitening_of, pca_whitening_of, lambda i: patch_whitening(i, 2)):
        with pytest.raises(ValueError, match="`images` must hold at least one image"):
            fit(images[:0])
    with pytest.raises(ValueError, match=r"`eps` must be in \[0, inf\), got -1"):
        zca_whitening_of(images, eps=-1.0)
    with pytest.raises(ValueError, match=r"`components` must be in \[1, 32\].*got 33; None"):
        pca_whitening_of(images, 33)
    for patch in (0, 5):
        with pytest.raises(ValueError, match=rf"`patch` must be in \[1, 4\].*got {patch}"):
            patch_whitening(images, patch)
    with pytest.raises(
        ValueError, match=r"`images` must have the shape \(4, 4, 2\).*got \(3, 4, 2\)"
    ):
        zca_whitening_of(images)(jnp.array(images[:, 1:]))
