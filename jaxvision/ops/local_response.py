"""Local response normalization: a strong channel quietens its neighbours.

Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012, section 3.3,
https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks.
At each pixel, over the `size` channels that lie nearest to c, itself included, and that exist,

    y_c = x_c / (k + alpha * sum_{|j - c| <= size // 2} x_j^2)^beta

Caffe and PyTorch take the mean of the squares and not their sum, channels that do not exist
counting as 0, and both begin at k = 1. `alpha` here is theirs divided by `size`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def local_response_normalization(
    x: Float[Array, "b h w c"],
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
) -> Float[Array, "b h w c"]:
    """Divides each channel by a power of the energy around it, in float32 or more.

    The defaults are the paper's. Networks trained with Caffe's or PyTorch's `alpha=1e-4` want
    `alpha=1e-4 / size, k=1.0`.

    Args:
        x: activations, after the ReLU in every network that uses this; returned in their dtype.
        size: how many channels are summed over, centred on each.
        alpha: weight of the sum, at least 0.
        beta: exponent.
        k: what the sum is added to; above 0, so that silent channels stay finite.

    Raises:
        ValueError: if `size` is even or below 1.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(
            f"`size` must be odd and at least 1, got {size}: as many neighbours on one side of a "
            "channel as on the other."
        )
    values = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    around = ((0, 0), (0, 0), (0, 0), (size // 2, size // 2))
    energy = lax.reduce_window(values**2, 0.0, lax.add, (1, 1, 1, size), (1, 1, 1, 1), around)
    # d^-beta; XLA's power costs three times as much on a CPU.
    factor = jnp.exp(-beta * jnp.log(k + alpha * energy))
    return (values * factor).astype(x.dtype)
