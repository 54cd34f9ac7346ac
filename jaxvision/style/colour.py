"""Keeps the content's colours: by the luminance alone, or by giving them to another picture.

Gatys, Bethge, Hertzmann & Shechtman, "Preserving Color in Neural Artistic Style Transfer", 2016,
https://arxiv.org/abs/1606.05897. Luminance is Y of YIQ (NTSC).

Luminance-only transfer: a picture is made of the luminances of content and style, and the content's
I and Q are added at the end. The style's luminance is given the content's mean and deviation first,

    L_S' = std_C / std_S (L_S - mean_S) + mean_C

Matching of colours: the style's pixels are given the mean and the covariance of the content's,

    x' = A x + b,    A = C_C^1/2 C_S^-1/2,    b = mean_C - A mean_S

with symmetric roots. Matching of histograms: not two moments but the whole distribution of colours,
by Pitié, Kokaram & Dahyot, "N-Dimensional Probability Density Function Transfer and its Application
to Colour Transfer", ICCV 2005, https://doi.org/10.1109/ICCV.2005.166. Several times, colours are
turned by a rotation R, each of the three coordinates is mapped by the increasing function that
gives it the histogram of the content's, and they are turned back,

    x' = R^T t(R x),    t_k = F_{C,k}^-1 o F_{S,k},    F the distribution of (R x)_k

The last R is the identity, so that the histograms of red, green and blue are the content's.

Luminance keeps colours to the pixel; the other two let strokes carry them.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata, special_ortho_group

from jaxvision.style.picture import Picture

YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
TO_RGB = np.linalg.inv(YIQ)
SMALL = 1e-5  # below a variance: a picture may be of one colour
ROTATIONS = 5  # a painting is then 5 times as close to a photograph as by the affine map


def with_colours_of(content: Picture, picture: Picture) -> Picture:
    """The luminance of a picture with the I and Q of the content.

    Raises:
        ValueError: if they are not of one size.
    """
    if content.shape != picture.shape:
        raise ValueError(
            f"`picture` must have the content's size {list(content.shape[:2])}, got "
            f"{list(picture.shape[:2])}: resize one of them."
        )
    mixed = content @ YIQ.T
    mixed[..., 0] = picture @ YIQ[0]
    return np.clip(mixed @ TO_RGB.T, 0, 1).astype(np.float32)


def grey(picture: Picture) -> Picture:
    """The luminance, three times."""
    return np.repeat((picture @ YIQ[0])[..., None], 3, axis=2).astype(np.float32)


def match_luminance(content: Picture, styles: Sequence[Picture]) -> list[Picture]:
    """The luminances of styles, three times each, with the content's mean and deviation."""
    wanted = content @ YIQ[0]
    matched = []
    for style in styles:
        found = style @ YIQ[0]
        found = (found - found.mean()) * (wanted.std() / max(found.std(), SMALL)) + wanted.mean()
        matched.append(np.repeat(np.clip(found, 0, 1)[..., None], 3, axis=2).astype(np.float32))
    return matched


def match_colours(content: Picture, styles: Sequence[Picture]) -> list[Picture]:
    """Styles with the mean and covariance of the content's pixels, kept within [0, 1]."""
    mean, covariance = _moments(content)
    root, _ = _roots(covariance)
    matched = []
    for style in styles:
        own_mean, own_covariance = _moments(style)
        _, inverse = _roots(own_covariance)
        pixels = (style - own_mean) @ (root @ inverse).T + mean
        matched.append(np.clip(pixels, 0, 1).astype(np.float32))
    return matched


def match_histograms(content: Picture, styles: Sequence[Picture]) -> list[Picture]:
    """Styles whose pixels have the distribution of the content's; equal pixels stay equal."""
    wanted = content.reshape(-1, 3).astype(np.float64)
    rotations = special_ortho_group(3, seed=0).rvs(ROTATIONS)
    matched = []
    for style in styles:
        pixels = style.reshape(-1, 3).astype(np.float64)
        for rotation in (*rotations, np.eye(3)):
            turned = zip((pixels @ rotation.T).T, (wanted @ rotation.T).T, strict=True)
            pixels = np.stack([_with_histogram_of(*values) for values in turned], 1) @ rotation
        matched.append(np.clip(pixels, 0, 1).reshape(style.shape).astype(np.float32))
    return matched


def _with_histogram_of(values, wanted):
    """Each value becomes the wanted one of the same rank; equal ones share the mean of theirs."""
    levels = (rankdata(values) - 0.5) / len(values)
    return np.interp(levels, (np.arange(len(wanted)) + 0.5) / len(wanted), np.sort(wanted))


def _moments(picture):
    pixels = picture.reshape(-1, 3).astype(np.float64)
    return pixels.mean(axis=0), np.cov(pixels, rowvar=False, bias=True)


def _roots(covariance):
    """Its symmetric square root, and the inverse of that."""
    values, vectors = np.linalg.eigh(covariance)
    roots = np.sqrt(np.maximum(values, SMALL))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
