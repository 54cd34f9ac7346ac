"""Squares into one of the eight ways that they can lie: mirrored or not, by 0 to 3 quarter turns.

Each is two mirrorings and a transposition, of which three coins decide: all eight are as likely.
Noise and smaller sizes look the same in all of them, so that one patch is as good as eight.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key, Num

from jaxvision.augment import Example

TURNED = ("image", "target")  # of one orientation; their sizes may differ


def turn(key: Key[Array, ""], example: Example) -> Example:
    """Turns the square image, and its target with it, at random.

    Raises:
        ValueError: if one of them is no square.
    """
    coins = jax.random.bernoulli(key, 0.5, (3,))
    turned = {name: _lay(coins, example[name]) for name in TURNED if name in example}
    return example | turned


def _lay(coins: Bool[Array, "3"], image: Num[Array, "h w c"]) -> Num[Array, "h w c"]:
    h, w, _ = image.shape
    if h != w:
        raise ValueError(
            f"`example` must have squares to be turned, got {h} x {w}: cut square patches, or "
            "leave `turn` out."
        )
    image = jnp.where(coins[0], image[::-1], image)
    image = jnp.where(coins[1], image[:, ::-1], image)
    return jnp.where(coins[2], image.transpose(1, 0, 2), image)
