"""The loss of a picture, by hand from the features: Gatys et al., equations 1, 4, 5 and 7."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.style.objective import (
    Objective,
    Targets,
    Weights,
    content_reference,
    losses,
    plan,
    region_maps,
    style_reference,
)
from jaxvision.style.statistics import GRAM

H, W = 32, 48
OBJECTIVE = Objective(
    {"relu2_1": 0.75, "relu3_1": 0.25}, {"relu1_1": 0.3, "relu2_1": 0.7}, GRAM, relative=False
)


@pytest.fixture(scope="module")
def images(picture):
    return [jnp.asarray(picture(H, W, seed))[None] for seed in range(4)]


def features(encoder, image):
    return {name: np.asarray(x, float)[0] for name, x in encoder(image).items()}


def gram(features, region=None):
    """Of the positions of a region, by their share; their number divides it out."""
    share = np.ones(features.shape[:2]) if region is None else region
    return np.einsum("hw,hwi,hwj->ij", share, features, features) / share.sum()


def by_hand(encoder, image, content, styles, regions=None):
    """(content, [the style loss against each style])."""
    own, wanted = features(encoder, image), features(encoder, content)
    content_loss = sum(
        weight * 0.5 * np.mean((own[name] - wanted[name]) ** 2)
        for name, weight in OBJECTIVE.content.items()
    )
    style_losses = []
    for k, style in enumerate(styles):
        like, loss = features(encoder, style), 0.0
        for name, weight in OBJECTIVE.style.items():
            region = None if regions is None else np.asarray(regions[name], float)[k, :, :, 0]
            loss += weight * np.mean((gram(own[name], region) - gram(like[name])) ** 2) / 4
        style_losses.append(loss)
    return content_loss, style_losses


def targets_of(encoder, grid, content, styles, regions):
    return Targets(
        content_reference(encoder, OBJECTIVE, grid, content),
        tuple(style_reference(encoder, OBJECTIVE, grid, style) for style in styles),
        regions,
    )


def test_each_layer_counts_by_its_weight_and_each_style_by_its_own(encoder, images):
    image, content, *styles = images
    grid = plan(encoder, OBJECTIVE, H, W, 512)
    weights = Weights(2.0, 3.0, 0.5, np.array([0.6, 0.4]))
    targets = targets_of(encoder, grid, content, styles, {})
    found = losses(encoder, OBJECTIVE, grid, image, targets, weights)
    content_loss, (one, other) = by_hand(encoder, image, content, styles)
    np.testing.assert_allclose(found.content, content_loss, rtol=1e-5)
    np.testing.assert_allclose(found.style, 0.6 * one + 0.4 * other, rtol=1e-4)
    total = 2 * found.content + 3 * found.style + 0.5 * found.total_variation
    np.testing.assert_allclose(found.total, total, rtol=1e-6)


def test_a_region_counts_by_its_part_of_the_image(encoder, images):
    image, content, *styles = images
    grid = plan(encoder, OBJECTIVE, H, W, 512)
    left = (np.arange(W) < 16)[None].repeat(H, axis=0)
    regions = region_maps(encoder, OBJECTIVE, np.stack([left, ~left]).astype(np.float32))
    weights = Weights(0.0, 1.0, 0.0, np.array([1.0, 1.0]))
    targets = targets_of(encoder, grid, content, styles, regions)
    found = losses(encoder, OBJECTIVE, grid, image, targets, weights)
    _, (one, other) = by_hand(encoder, image, content, styles, regions)
    np.testing.assert_allclose(found.style, one / 3 + 2 * other / 3, rtol=1e-4)
