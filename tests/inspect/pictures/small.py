"""Networks of a few numbers, as plain functions: images -> (logits, features by name)."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.ops.pooling import max_pool


def draw(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def convolve(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def linear(weights):
    """Logits that are sums of pixels: weights [h, w, c, k]."""
    return lambda images: (jnp.einsum("bhwc,hwck->bk", images, weights), {"image": images})


def convolutional(seed=0, channels=3, classes=4, width=5):
    """Two convolutions with ReLUs, a pool between them, averaged and classified."""
    first, second = draw(seed, 3, 3, channels, width), draw(seed + 1, 3, 3, width, width) / 3
    head, bias = draw(seed + 2, width, classes), draw(seed + 3, width) / 2

    def network(images):
        features = {}
        x = features["relu1"] = jax.nn.relu(convolve(images, first))
        x = features["pool1"] = max_pool(x, 2, 2)
        x = convolve(x, second) + bias.reshape(1, 1, 1, -1)
        x = features["relu2"] = jax.nn.relu(x)
        x = features["pooled"] = x.mean(axis=(1, 2))
        return x @ head, features

    network.weights = (first, second, bias, head)
    return network
