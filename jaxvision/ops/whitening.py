"""Whitening: a linear map after which all pixels have variance 1 and no two are correlated.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, appendix A. Of n images
as vectors x of d = h w c values,

    mean = 1/n sum x        C = 1/n sum (x - mean)(x - mean)^T = V diag(lambda) V^T

    PCA whitening    z  = diag(lambda + eps)^(-1/2) V^T (x - mean)
    ZCA whitening    x' = V z

Both have covariance I where eps is 0. PCA's are coordinates, the directions of largest variance
first. ZCA turns them back, and is of all whitenings the one that changes the images least, so they
are still images. `eps`, in squared pixel values, bounds how far a direction that hardly varies is
blown up: 1 / sqrt(eps); fewer images than values always leave such directions.

For a first layer that whitens (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024,
section 3.2, https://arxiv.org/abs/2404.00498) the vectors are all patches of p x p pixels, the
second moment 1/n sum x x^T takes the place of C, and the filters are PCA's and their negatives, so
that a ReLU after them loses nothing.

The fit is by NumPy in float64; what it gives is float32 and applies inside the compiled program.
It needs d^2 numbers: 75 MB for CIFAR's 32 x 32 x 3, and not for photographs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Num

CHUNK = 2**22  # numbers that are copied to float64 at once
ZERO = 1e-12  # of the largest eigenvalue; what is smaller is rounding


class ZcaWhitening(NamedTuple):
    """`images -> images`; arrays, to be passed to a compiled program and stored with a model."""

    mean: Float[Array, "h w c"]
    matrix: Float[Array, "d d"]  # V diag(lambda + eps)^(-1/2) V^T

    def __call__(self, images: Num[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Raises:
        ValueError: if `images` have another shape than those of the fit.
        """
        return _project(images, self.mean, self.matrix).reshape(images.shape)


class PcaWhitening(NamedTuple):
    """`images -> coordinates`, the directions of largest variance first."""

    mean: Float[Array, "h w c"]
    matrix: Float[Array, "d k"]  # V diag(lambda + eps)^(-1/2)

    def __call__(self, images: Num[Array, "b h w c"]) -> Float[Array, "b k"]:
        """Raises:
        ValueError: if `images` have another shape than those of the fit.
        """
        return _project(images, self.mean, self.matrix)


class PatchWhitening(NamedTuple):
    """The principal directions of patches, largest first, and a convolution's kernel of them."""

    eigenvalues: Float[Array, " d"]  # d = p p c
    eigenvectors: Float[Array, "p p c d"]
    kernel: Float[Array, "p p c 2*d"]  # eigenvectors / sqrt(eigenvalues + eps), and their negatives


def zca_whitening_of(images: Num[np.ndarray, "n h w c"], eps: float = 10.0) -> ZcaWhitening:
    """Fits ZCA whitening to `images`.

    Args:
        images: of the training set, as they will be given to the result.
        eps: see above; 10 is for pixel values 0..255.

    Raises:
        ValueError: if there are no images, `eps` is negative, or it is 0 and there are directions
            in which the images do not vary.
    """
    mean, values, vectors = _principal_directions(images, eps)
    matrix = (vectors / np.sqrt(values + eps)) @ vectors.T
    return ZcaWhitening(_float32(mean), _float32(matrix))


def pca_whitening_of(
    images: Num[np.ndarray, "n h w c"], components: int | None = None, eps: float = 10.0
) -> PcaWhitening:
    """Fits PCA whitening; arguments and errors as for `zca_whitening_of`.

    Args:
        images: of the training set.
        components: k, how many directions to keep, in [1, d]; None for all.
        eps: see above.

    Raises:
        ValueError: if `components` is not in that range; and as `zca_whitening_of`.
    """
    mean, values, vectors = _principal_directions(images, eps)
    k = len(values) if components is None else components
    if not 1 <= k <= len(values):
        raise ValueError(
            f"`components` must be in [1, {len(values)}], the number of values of an image, got "
            f"{components}; None keeps all."
        )
    matrix = vectors[:, :k] / np.sqrt(values[:k] + eps)
    return PcaWhitening(_float32(mean), _float32(matrix))


def patch_whitening(
    images: Num[np.ndarray, "n h w c"], patch: int, eps: float = 5e-4
) -> PatchWhitening:
    """The filters of a first convolution that whitens the patches of `images`.

    Args:
        images: some of the training set, as the layer sees them: normalised.
        patch: p, pixels a side, in [1, min(h, w)]; the paper takes 2.
        eps: is added to the eigenvalues; the paper's is for normalised images.

    Raises:
        ValueError: if there are no images, `patch` does not fit into them, `eps` is negative, or it
            is 0 and there are directions in which the patches do not vary.
    """
    _, h, w, c = images.shape
    if not 1 <= patch <= min(h, w):
        raise ValueError(
            f"`patch` must be in [1, {min(h, w)}], the smaller side of the images, got {patch}; "
            "2 or 3 is usual."
        )
    values, vectors = _eigen(_moment(_patches(chunk, patch) for chunk in _chunks(images)), eps)
    filters = (vectors / np.sqrt(values + eps)).reshape(patch, patch, c, -1)
    kernel = np.concatenate([filters, -filters], axis=-1)
    return PatchWhitening(
        _float32(values), _float32(vectors.reshape(filters.shape)), _float32(kernel)
    )


def _principal_directions(images: np.ndarray, eps: float) -> tuple[np.ndarray, ...]:
    """The mean image, and the covariance's eigenvalues and eigenvectors, in falling order."""
    shape = images.shape[1:]
    total = sum((chunk.sum(axis=0) for chunk in _chunks(images)), np.zeros(shape))
    mean = total / len(images)
    centered = ((chunk - mean).reshape(len(chunk), -1) for chunk in _chunks(images))
    return mean, *_eigen(_moment(centered), eps)


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """The images in float64, so many at a time that memory is no matter."""
    if len(images) == 0:
        raise ValueError("`images` must hold at least one image to take statistics of, got none.")
    size = max(1, CHUNK // images[0].size)
    for first in range(0, len(images), size):
        yield images[first : first + size].astype(np.float64)


def _patches(images: np.ndarray, patch: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(images, (patch, patch), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, patch * patch * images.shape[-1])


def _moment(chunks: Iterator[np.ndarray]) -> np.ndarray:
    """1/n sum x x^T over all rows x of all chunks."""
    total, count = 0.0, 0
    for rows in chunks:
        total, count = total + rows.T @ rows, count + len(rows)
    return total / count


def _eigen(moment: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    if not eps >= 0:
        raise ValueError(f"`eps` must be in [0, inf), got {eps}; it is added to variances.")
    values, vectors = np.linalg.eigh(moment)
    if eps == 0 and values[0] <= ZERO * values[-1]:
        dead = int((values <= ZERO * values[-1]).sum())
        raise ValueError(
            f"`eps` must be positive where the images do not vary in all directions, got 0 with "
            f"{dead} of {len(values)} that they do not vary in; give eps, or more images."
        )
    # A variance is not negative, whatever rounding says.
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def _float32(values: np.ndarray) -> Float[Array, "..."]:
    return jnp.asarray(values, jnp.float32)


def _project(images: Array, mean: Array, matrix: Array) -> Float[Array, "b k"]:
    if images.shape[1:] != mean.shape:
        raise ValueError(
            f"`images` must have the shape {mean.shape} of those that the whitening was fitted to, "
            f"got {images.shape[1:]}; bring them to that size, or fit it anew."
        )
    centered = (images.astype(jnp.float32) - mean[None]).reshape(len(images), -1)
    # Whitening divides by small numbers: half the digits, as accelerators round, are too few.
    return jnp.matmul(centered, matrix, precision=lax.Precision.HIGHEST)
