"""Occlusion against closed forms of linear networks and a loop over the squares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect.pictures import occlusion
from tests.inspect.pictures.small import draw, linear


def log_softmax(z):
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def test_a_linear_network_loses_the_windows_part_of_the_sum():
    """Hidden by zeros, a window takes W x over it out of the logits; no two windows overlap."""
    weights, images = draw(0, 4, 6, 2, 3) / 4, draw(1, 2, 4, 6, 2)
    classes = np.array([2, 0])
    found = occlusion(linear(weights), images, classes, window=2, stride=2, fill=0)
    parts = np.einsum("bhwc,hwck->bhwk", images, weights).reshape(2, 2, 2, 3, 2, 3).sum((2, 4))
    logits = parts.sum(axis=(1, 2))
    before, after = log_softmax(logits), log_softmax(logits[:, None, None] - parts)
    drop = np.stack([before[i, k] - after[i, ..., k] for i, k in enumerate(classes)])
    np.testing.assert_allclose(found, drop.repeat(2, axis=1).repeat(2, axis=2), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 7, 1000])
def test_a_loop_over_squares_that_overlap_and_end_at_the_edge(batch_size):
    weights, images = draw(0, 5, 8, 1, 3) / 4, draw(1, 2, 5, 8, 1)
    fill = np.array([0.5], np.float32)

    def log_p(images):
        return log_softmax(np.einsum("bhwc,hwck->bk", np.asarray(images, float), weights))

    classes = log_p(images).argmax(axis=1)
    total, count = np.zeros((2, 5, 8)), np.zeros((2, 5, 8))
    for y in (0, 2):
        for x in (0, 2, 4, 5):
            hidden = np.array(images)
            hidden[:, y : y + 3, x : x + 3] = fill
            drop = (log_p(images) - log_p(hidden))[[0, 1], classes]
            total[:, y : y + 3, x : x + 3] += drop[:, None, None]
            count[:, y : y + 3, x : x + 3] += 1
    assert count.min() > 0
    found = occlusion(linear(weights), images, window=3, stride=2, fill=fill, batch_size=batch_size)
    np.testing.assert_allclose(found, total / count, atol=1e-5)


def test_what_the_network_does_not_look_at_and_what_looks_like_the_fill_is_worth_nothing():
    weights = draw(0, 6, 6, 3, 4).at[:3].set(0)
    images = draw(1, 1, 6, 6, 3).at[:, :, 3:].set(jnp.array([0.1, 0.2, 0.3]).reshape(1, 1, 1, 3))
    fill = np.array([0.1, 0.2, 0.3], np.float32)
    found = np.asarray(occlusion(linear(weights), images, window=3, stride=3, fill=fill))
    assert np.abs(found[:, 3:, :3]).min() > 1e-3
    np.testing.assert_allclose(found[:, :3], 0, atol=1e-6)
    np.testing.assert_allclose(found[:, :, 3:], 0, atol=1e-6)


def test_log_probabilities_do_not_vanish_where_probabilities_are_one():
    def network(images):
        total = images.sum(axis=(1, 2, 3))
        return jnp.stack([40 * total, -40 * total], axis=-1), {}

    found = occlusion(network, jnp.ones((1, 2, 2, 1)), window=1, stride=1, fill=-3.0)
    # 160 and -160; one pixel of 4 hidden: 0 and 0, so log 2 of log p(0) is lost at each pixel.
    np.testing.assert_allclose(found, np.full((1, 2, 2), np.log(2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 5, "stride": 1}, "`window` must be within the images of 4 x 6, got 5"),
        ({"window": 2, "stride": 3}, "`stride` must be at most `window` = 2, got 3"),
        ({"window": 2, "stride": 0}, "`stride` must be a whole number from 1 on, got 0"),
        ({"window": 2, "stride": 1, "batch_size": 0}, "`batch_size` must be a whole number from 1"),
        ({"window": 2, "stride": 1, "classes": np.array([3])}, "`classes` must be one of 0 to 2"),
    ],
)
def test_what_cannot_be_hidden_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        occlusion(linear(draw(0, 4, 6, 1, 3)), jnp.ones((1, 4, 6, 1)), fill=0, **options)


def test_it_may_be_compiled_by_whoever_calls_it_more_often():
    network, images = linear(draw(0, 4, 4, 1, 3)), draw(1, 1, 4, 4, 1)
    found = jax.jit(lambda images: occlusion(network, images, window=2, stride=2, fill=0))(images)
    expected = occlusion(network, images, window=2, stride=2, fill=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
