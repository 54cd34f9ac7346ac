"""What a channel looks for: an image made for it, by gradient ascent from noise.

Olah, Mordvintsev & Schubert, "Feature Visualization", Distill, 2017, sections "Optimization" and
"Preconditioning and Parameterization", https://distill.pub/2017/feature-visualization:

    maximise over z   mean over places of channel k of feature(jitter(image(z)))
    image(z)          sigmoid(D F(z / frequency))

F is the inverse Fourier transform. Divided by their frequency, all coefficients have about the part
that they have in natural images, of whose power spectrum it is the root; the ascent then has one
step size for large shapes and for fine ones, and does not end in high frequencies. D mixes colours
that vary independently in natural images: brightness, blue to yellow, and green to purple, after
Ohta, Kanade & Sakai, "Color Information for Region Segmentation", 1980, each with about the share
that it has there. The image moves by a few pixels at random before each step, for a pattern that
lasts.

Where we deviate: jitter wraps around, as the Fourier basis does; the article also turns and scales
the image. Coefficients are scaled to give pixels of variance 1 for z of variance 1, at any size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from jaxvision.hyperparameters import require_whole
from jaxvision.inspect.picture import Picture
from jaxvision.inspect.pictures.network import Network, feature_of, run
from jaxvision.inspect.pictures.tiles import sheet

# Rows of Ohta's axes, of length 1, times their deviations in natural images relative to the first.
COLOR_AXES = np.array(
    [
        np.array([1, 1, 1]) / np.sqrt(3),
        0.28 * np.array([1, 0, -1]) / np.sqrt(2),
        0.13 * np.array([-1, 2, -1]) / np.sqrt(6),
    ]
)
FIRST = 0.3  # deviation of the first z: in an even grey, many ReLUs have no gradient to go by


class Visualization(NamedTuple):
    """The image, in (0, 1), and the objective before each step."""

    image: Float[Array, "h w c"]
    objective: Float[Array, " steps"]


def frequency_image(coefficients: Float[Array, "2 h f c"], width: int) -> Float[Array, "h width c"]:
    """The image of Fourier coefficients that are stated relative to 1 / frequency.

    Args:
        coefficients: real and imaginary parts, for f = width // 2 + 1 frequencies of columns, in
            the order of `jnp.fft.rfft2`. Parts that a real image has not are without effect.
        width: of the image, for f does not tell an odd one.

    Raises:
        ValueError: if f is not that of `width`.
    """
    _, h, f, _ = coefficients.shape
    if f != width // 2 + 1:
        raise ValueError(
            f"`width` must be {2 * f - 2} or {2 * f - 1} for {f} frequencies, got {width}."
        )
    real, imaginary = coefficients * _amplitudes(h, width)[None, :, :, None]
    return jnp.fft.irfft2(real + 1j * imaginary, s=(h, width), axes=(0, 1), norm="ortho")


def image_frequencies(image: Float[Array, "h w c"]) -> Float[Array, "2 h f c"]:
    """The coefficients that `frequency_image` makes this image of."""
    h, w, _ = image.shape
    spectrum = jnp.fft.rfft2(image, axes=(0, 1), norm="ortho")
    return jnp.stack([spectrum.real, spectrum.imag]) / _amplitudes(h, w)[None, :, :, None]


def visualize_feature(
    network: Network,
    feature: str,
    channel: int,
    *,
    shape: tuple[int, int, int],
    steps: int,
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
    jitter: int = 8,
) -> Visualization:
    """Makes an image that a channel of a feature answers to, in one compiled loop.

    Args:
        network: images -> (logits, features), for pixels in [0, 1]: whatever else they are to be
            becomes part of it.
        feature: its name.
        channel: which of its channels; of a dense feature, which unit.
        shape: height, width and channels of the image: 3 for colour, or 1.
        steps: of the ascent; a few hundred.
        optimizer: as `optax.adam(0.05)`.
        key: decides the first noise and the jitter.
        jitter: pixels that the image moves at most, each way.

    Raises:
        ValueError: if there is no such feature or channel, an image has neither 1 nor 3 channels,
            `steps` is below 1, or `jitter` below 0.
    """
    h, w, c = shape
    require_whole("steps", steps, low=1)
    require_whole("jitter", jitter, low=0)
    if c not in (1, 3) or min(h, w) < 1:
        raise ValueError(f"`shape` must be (h, w, c) with c = 1 or 3, got {shape}.")

    def image_of(z):
        values = frequency_image(z, w)
        return jax.nn.sigmoid(values @ COLOR_AXES.astype(np.float32) if c == 3 else values)

    def loss(z, key):
        shift = jax.random.randint(key, (2,), -jitter, jitter + 1)
        image = jnp.roll(image_of(z), shift, axis=(0, 1))
        value = feature_of(run(network, image[None])[1], feature, channel)
        return -value[..., channel].mean()

    def step(carry, key):
        z, state = carry
        found, gradient = jax.value_and_grad(loss)(z, key)
        updates, state = optimizer.update(gradient, state, z)
        return (optax.apply_updates(z, updates), state), -found

    @jax.jit
    def ascend(key):
        first, rest = jax.random.split(key)
        z = FIRST * jax.random.normal(first, (2, h, w // 2 + 1, c))
        (z, _), objective = jax.lax.scan(
            step, (z, optimizer.init(z)), jax.random.split(rest, steps)
        )
        return Visualization(image_of(z), objective)

    return ascend(key)


def plot_visualizations(
    images: Float[np.ndarray, "n h w c"], feature: str, channels: Sequence[int]
) -> Picture:
    """Draws images that were made for channels of a feature.

    Args:
        images: in [0, 1], of `visualize_feature`.
        feature: what they were made for.
        channels: its channel of each.

    Raises:
        ValueError: if there is not one channel for each image.
    """
    if len(images) != len(channels):
        raise ValueError(f"`channels` must be one for each of {len(images)}, got {len(channels)}.")
    tiles = list(np.rint(255 * images).astype(np.uint8))
    tiles = [tile[..., 0] if tile.shape[-1] == 1 else tile for tile in tiles]
    titles = [f"channel {channel}" for channel in channels]
    return sheet(tiles, titles, f"Made for channels of {feature}", side=1.8)


def _amplitudes(h: int, w: int) -> Float[np.ndarray, "h f"]:
    """1 / frequency, in cycles a pixel, that of the mean as if it were the lowest; scaled."""
    rows, columns = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]
    amplitudes = 1 / np.maximum(np.hypot(rows, columns), 1 / max(h, w))
    # Real and imaginary part have variance 1 each. A wave and its mirror image are one coefficient,
    # in the first column and in the last of an even width two, of which the real parts count.
    variance = np.full(columns.shape[1], 4.0)
    variance[0] = 1
    if w % 2 == 0:
        variance[-1] = 1
    power = (variance[None] * amplitudes**2).sum() / (h * w)
    return (amplitudes / np.sqrt(power)).astype(np.float32)
