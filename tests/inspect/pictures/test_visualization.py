"""Images by their frequencies, and images made for a channel."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.inspect.pictures import frequency_image, image_frequencies, visualize_feature
from tests.inspect.pictures.small import convolve, draw


@pytest.mark.parametrize("shape", [(6, 8, 3), (5, 7, 1)])
def test_an_image_has_its_frequencies(shape):
    image = draw(0, *shape)
    coefficients = image_frequencies(image)
    assert coefficients.shape == (2, shape[0], shape[1] // 2 + 1, shape[2])
    np.testing.assert_allclose(frequency_image(coefficients, shape[1]), image, atol=1e-5)


def test_one_coefficient_is_one_wave_and_double_the_frequency_half_as_high():
    def wave(rows, columns):
        coefficients = jnp.zeros((2, 16, 9, 1)).at[0, rows, columns].set(1.0)
        return np.asarray(frequency_image(coefficients, 16))[..., 0]

    once, twice = wave(0, 1), wave(0, 2)
    expected = np.cos(2 * np.pi * np.arange(16) / 16)
    np.testing.assert_allclose(once / once.max(), np.tile(expected, (16, 1)), atol=1e-5)
    np.testing.assert_allclose(once.max() / twice.max(), 2, rtol=1e-5)
    np.testing.assert_allclose(wave(3, 4).max() * 5, once.max(), rtol=1e-5)  # |(3, 4)| = 5
    np.testing.assert_allclose(wave(0, 0) * 2, once.max(), rtol=1e-5)  # no mirror image


@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 1000), size=st.sampled_from([(32, 32), (15, 21)]))
def test_unit_coefficients_make_pixels_of_variance_one(seed, size):
    h, w = size
    images = frequency_image(draw(seed, 2, h, w // 2 + 1, 2000), w)
    np.testing.assert_allclose(np.square(images).mean(), 1, rtol=0.03)


def gabor(size=9):
    """A wave of 4 pixels' length in diagonal direction, in brightness."""
    y, x = np.indices((size, size)) - size // 2
    wave = np.cos(2 * np.pi * (x + y) / (4 * np.sqrt(2))) * np.exp(-(x**2 + y**2) / 8)
    wave = wave - wave.mean()
    return jnp.asarray(np.stack([wave] * 3, axis=-1)[..., None] / 10, jnp.float32)


def network(images):
    x = jax.nn.relu(convolve(images, jnp.concatenate([gabor(), -gabor()], axis=-1)))
    return x.mean(axis=(1, 2)), {"relu": x, "dense": x.mean(axis=(1, 2))}


def test_the_image_shows_what_the_channel_looks_for():
    options = {
        "shape": (24, 20, 3), "steps": 60, "optimizer": optax.adam(0.1), "key": jax.random.key(0)
    }  # fmt: skip
    image, objective = visualize_feature(network, "relu", 0, jitter=3, **options)
    assert image.shape == (24, 20, 3) and objective.shape == (60,)
    assert image.min() > 0 and image.max() < 1
    assert objective[-1] > 8 * objective[0]
    value = jax.jit(network)(image[None])[1]["relu"][..., 0].mean()
    np.testing.assert_allclose(value, objective[-1], rtol=0.2)
    logits = np.log(image / (1 - image)).mean(axis=2, keepdims=True)
    power = np.square(image_frequencies(jnp.asarray(logits))).sum(axis=(0, 3))
    rows, columns = np.unravel_index(power.argmax(), power.shape)
    frequency = np.fft.fftfreq(24)[rows], np.fft.rfftfreq(20)[columns]
    np.testing.assert_allclose(np.hypot(*frequency), 1 / 4, atol=0.07)
    assert frequency[0] * frequency[1] > 0  # along the diagonal, not across
    again, _ = visualize_feature(network, "relu", 0, jitter=3, **options)
    np.testing.assert_array_equal(again, image)


def test_grey_images_dense_features_and_no_jitter():
    def grey(images):
        return network(images.repeat(3, axis=-1))

    image, objective = visualize_feature(
        grey, "dense", 1, shape=(8, 8, 1), steps=3, optimizer=optax.sgd(10.0),
        key=jax.random.key(1), jitter=0,
    )  # fmt: skip
    assert image.shape == (8, 8, 1) and objective[0] < objective[1] < objective[2]


def test_a_channel_that_an_even_grey_leaves_off_is_got_going():
    def edges(images):
        return jnp.zeros((1, 1)), {"edges": jax.nn.relu(images[:, :, 1:] - images[:, :, :-1] - 0.1)}

    _, objective = visualize_feature(
        edges, "edges", 0, shape=(8, 8, 1), steps=30, optimizer=optax.adam(0.1),
        key=jax.random.key(0), jitter=1,
    )  # fmt: skip
    assert objective[-1] > 2 * objective[0] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (8, 8, 2)}, r"`shape` must be \(h, w, c\) with c = 1 or 3, got \(8, 8, 2\)"),
        ({"steps": 0}, "`steps` must be a whole number from 1 on, got 0"),
        ({"jitter": -1}, "`jitter` must be a whole number from 0 on, got -1"),
        ({"feature": "rely"}, "`feature` is unknown: 'rely'. Did you mean `relu`"),
        ({"channel": 2}, "`channel` must be from 0 to 1 for `relu`, got 2"),
    ],
)
def test_what_is_not_there_is_named(change, message):
    options = {
        "feature": "relu", "channel": 0, "shape": (8, 8, 3), "steps": 1,
        "optimizer": optax.sgd(1.0), "key": jax.random.key(0),
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        visualize_feature(network, **options)


def test_a_width_that_is_not_the_coefficients_is_refused():
    with pytest.raises(ValueError, match="`width` must be 8 or 9 for 5 frequencies, got 10"):
        frequency_image(jnp.zeros((2, 4, 5, 1)), 10)
