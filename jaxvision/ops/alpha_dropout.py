"""Alpha dropout: dropout that leaves mean 0 and variance 1 as they are.

Klambauer, Unterthiner, Mayr & Hochreiter, "Self-Normalizing Neural Networks", NeurIPS 2017, section
2 ("New dropout technique"), https://arxiv.org/abs/1706.02515. With q the share that is kept and
alpha' = -lambda alpha the value at which `selu` saturates, a dropped entry is not 0 but alpha':

    y = a (x d + alpha' (1 - d)) + b,    d = 1 with probability q, else 0
    a = (q + alpha'^2 q (1 - q))^(-1/2),    b = -a (1 - q) alpha'

Zero is the low-variance end of a ReLU; of a SELU it is alpha'. The affine map gives the mixture
its mean and variance back.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxvision.hyperparameters import Scalar, require

SATURATION = -1.7580993408473766  # -lambda alpha of selu


def alpha_dropout(
    x: Float[Array, "*shape"], rate: Scalar, key: Key[Array, ""]
) -> Float[Array, "*shape"]:
    """Sets entries to the value at which `selu` saturates, and keeps mean 0 and variance 1.

    Args:
        x: what a layer of `selu` returned.
        rate: 1 - q, the share that is dropped, may be a traced array; the paper takes 0.05 to 0.1.
        key: decides which.

    Raises:
        ValueError: if `rate` is not in [0, 1).
    """
    require("rate", rate, "[0, 1)")
    q = 1 - rate
    a = (q + SATURATION**2 * q * (1 - q)) ** -0.5
    b = -a * (1 - q) * SATURATION
    kept = jax.random.bernoulli(key, q, x.shape)
    return (a * jnp.where(kept, x, SATURATION) + b).astype(x.dtype)
