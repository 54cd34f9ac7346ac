"""The coin that decides whether an example is augmented."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from jaxvision.hyperparameters import Scalar


def coin(key: Key[Array, ""], probability: Scalar) -> Bool[Array, ""]:
    """True with this probability, which may be a whole 0 or 1."""
    return jax.random.bernoulli(key, jnp.asarray(probability, jnp.float32))
