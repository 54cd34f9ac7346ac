"""The loss of an image: how far from the content's features, and from the styles' statistics.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016,
equations 1, 4, 5 and 7, https://doi.org/10.1109/CVPR.2016.265. With F_l the features of layer l of
the image, P_l those of the content, and layers weighted by v and w, which add up to 1,

    content  = sum over layers of  v_l  1/2 mean over positions and channels of (F_l - P_l)^2
    style    = sum over styles of  u_k a_k  sum over layers of  w_l  distance_l(image, style k)
    total    = alpha content + beta style + gamma total_variation

with the distances of `statistics`; E_l for the Gram matrix. Where we deviate:

- The paper's content loss (1) is a sum, and grows with the image, while its style loss does not;
  with the mean a trade-off holds at all sizes. The paper's alpha is ours divided by the numbers in
  F_l: those of relu4_2 are 8 to a pixel.
- By default each layer's distance is divided by that of an image without any features (for content
  1/2 mean P_l^2, for the Gram matrix 1/4 mean G*_l^2). Without this the first layer decides alone:
  between a photograph and van Gogh's "Starry Night" E_l is 6.8 there and 0.07 to 0.4 elsewhere.
- Styles are mixed, with a_k = 1 and u that add up to 1; or each has a region of the image, whose
  features alone count for its statistics: then a_k is the region's share of the image, so that a
  small one is not painted harder than a large one.

Everything is a sum over positions and then a function of sums: see `tiles`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.ops.total_variation import total_variation
from jaxvision.style.encoder import Encoder
from jaxvision.style.statistics import GRAM, Statistic, Sums
from jaxvision.style.tiles import Grid, Maps, map_over_windows, plan_windows, sum_over_windows

PAPER_CONTENT = {"relu4_2": 1.0}
PAPER_STYLE = {f"relu{stage}_1": 0.2 for stage in range(1, 6)}


class Objective(NamedTuple):
    """What is compared: layers with their weights, the statistic, and whether relative to zero."""

    content: Mapping[str, float] = PAPER_CONTENT
    style: Mapping[str, float] = PAPER_STYLE
    statistic: Statistic = GRAM
    relative: bool = True


class Reference(NamedTuple):
    """What a layer is compared with, and what the distance is divided by."""

    target: Any  # the content's features, or what the statistic wants
    scale: Float[Array, " b"]


class Targets(NamedTuple):
    """What the pictures ask for: arrays.

    Attributes:
        content: by layer, the features of one image, or of as many as are optimised.
        styles: for each style, by layer, its statistics.
        regions: by layer, [styles, h, w, 1], each style's part of the image; empty for mixed ones.
    """

    content: dict[str, Reference]
    styles: tuple[dict[str, Reference], ...]
    regions: Maps


class Weights(NamedTuple):
    """Of the parts of the loss; all may be traced arrays.

    Attributes:
        content: alpha.
        style: beta.
        total_variation: gamma.
        styles: u, of each style.
    """

    content: Scalar
    style: Scalar
    total_variation: Scalar
    styles: Float[Array | np.ndarray, " styles"]


class Losses(NamedTuple):
    """Of each image; the parts without alpha, beta and gamma."""

    total: Float[Array, " b"]
    content: Float[Array, " b"]
    style: Float[Array, " b"]
    total_variation: Float[Array, " b"]


def plan(encoder: Encoder, objective: Objective, height: int, width: int, window: int) -> Grid:
    """The windows for images of that size; see `plan_windows`."""
    layers = dict.fromkeys((*objective.content, *objective.style))
    return plan_windows(height, width, [encoder.layers[name] for name in layers], window)


def content_reference(
    encoder: Encoder, objective: Objective, grid: Grid, images: Float[Array, "b h w 3"]
) -> dict[str, Reference]:
    """By layer, what the content's features are compared with."""

    def features(images):
        found = encoder(images)
        return {name: found[name] for name in objective.content}

    def reference(features):
        zero = jnp.mean(features**2, axis=(1, 2, 3)) / 2
        return Reference(features, zero if objective.relative else jnp.ones_like(zero))

    found = map_over_windows(features, images, grid)
    return {name: reference(each) for name, each in found.items()}


def style_reference(
    encoder: Encoder, objective: Objective, grid: Grid, images: Float[Array, "b h w 3"]
) -> dict[str, Reference]:
    """By layer, what a style's statistics are compared with."""

    def sums(images, maps, cores):
        del maps
        return _style_sums(encoder(images), objective, cores, {})[0]

    def reference(sums):
        target = objective.statistic.target(sums)
        zero = objective.statistic.distance(jax.tree.map(jnp.zeros_like, sums), target)
        return Reference(target, zero if objective.relative else jnp.ones_like(zero))

    found = sum_over_windows(sums, images, {}, grid)
    return {name: reference(each) for name, each in found.items()}


def region_maps(
    encoder: Encoder, objective: Objective, masks: Float[np.ndarray, "styles h w"]
) -> Maps:
    """Each style's share of each position: the mean of its mask over the position's own pixels."""
    maps = {}
    for name in objective.style:
        stride = int(encoder.layers[name].stride[0])
        n, h, w = masks.shape
        h, w = h // stride, w // stride
        blocks = masks[:, : h * stride, : w * stride].reshape(n, h, stride, w, stride)
        maps[name] = jnp.asarray(blocks.mean(axis=(2, 4))[..., None], jnp.float32)
    return maps


def losses(
    encoder: Encoder,
    objective: Objective,
    grid: Grid,
    images: Float[Array, "b h w 3"],
    targets: Targets,
    weights: Weights,
) -> Losses:
    """The loss of images with values in [0, 1], and its parts."""

    def sums(images, maps, cores):
        features = encoder(images)
        content = {
            name: _squares(features[name], target, cores and cores[name])
            for name, target in maps["content"].items()
        }
        return content, _style_sums(features, objective, cores, maps["regions"])

    features = {name: reference.target for name, reference in targets.content.items()}
    maps = {"content": features, "regions": targets.regions}
    content_sums, style_sums = sum_over_windows(sums, images, maps, grid)
    nothing = jnp.zeros(len(images), images.dtype)
    content = nothing + sum(
        weight * content_sums[name] / (2 * features[name][0].size) / targets.content[name].scale
        for name, weight in objective.content.items()
    )
    style = nothing
    for k, (references, share) in enumerate(zip(targets.styles, _shares(targets), strict=True)):
        found = style_sums[k if targets.regions else 0]
        distances = (
            weight
            * objective.statistic.distance(found[name], references[name].target)
            / references[name].scale
            for name, weight in objective.style.items()
        )
        style += weights.styles[k] * share * sum(distances)
    variation = total_variation(images)
    total = weights.content * content + weights.style * style + weights.total_variation * variation
    return Losses(total, content, style, variation)


def _style_sums(features, objective: Objective, cores, regions: Maps) -> list[dict[str, Sums]]:
    """The statistic's sums by layer, for each region, or for the one that is everywhere."""
    number = len(next(iter(regions.values()))) if regions else 1

    def sums(name, k):
        weights = None if cores is None else cores[name].astype(features[name].dtype)
        if regions:
            region = regions[name][k, :, :, 0]
            weights = region if weights is None else weights * region
        return objective.statistic.sums(features[name], weights)

    return [{name: sums(name, k) for name in objective.style} for k in range(number)]


def _squares(features, target, core):
    """The sum of the squares of differences, over the positions in the core."""
    squares = (features - target) ** 2
    if core is not None:
        squares = jnp.where(core[None, :, :, None], squares, 0)
    return squares.sum(axis=(1, 2, 3))


def _shares(targets: Targets):
    """Of the image, for each style: that of its region, or all of it."""
    if not targets.regions:
        return [1.0] * len(targets.styles)
    finest = max(targets.regions.values(), key=lambda each: each.size)
    return finest.mean(axis=(1, 2, 3))
