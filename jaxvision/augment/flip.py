"""Mirror images: at random, or half of the examples now and the other half in the next epoch.

    horizontal  image'[i, j] = image[i, w - 1 - j]    (left, right)' = (w - right, w - left)
    vertical    image'[i, j] = image[h - 1 - i, j]    (top, bottom)' = (h - bottom, h - top)

The alternating flip is Jordan's ("94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section
3.6, https://arxiv.org/abs/2404.00498): with coin(row) in {0, 1} drawn once for an example,

    flipped in epoch e  if and only if  coin(row) + e is odd

so two epochs in a row show both of its images, where a coin for each epoch would show the same one
twice in half of the cases. We draw the coins with a counter-based generator instead of a hash.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from jaxvision.augment.coin import coin
from jaxvision.augment.example import Augmentation, Example, RandomKey, image_of, partners_of
from jaxvision.hyperparameters import Scalar, Whole, require, require_whole


def horizontal_flip(probability: Scalar = 0.5) -> Augmentation:
    """Exchanges left and right in the image and all that moves with it, or does nothing.

    >>> example = {"image": jnp.arange(3.0).reshape(1, 3, 1)}
    >>> print(horizontal_flip(1.0)(jax.random.key(0), example)["image"].ravel())
    [2. 1. 0.]

    Raises:
        ValueError: if `probability` is a number outside [0, 1].
    """
    return _random_flip(probability, axis=1)


def vertical_flip(probability: Scalar = 0.5) -> Augmentation:
    """Exchanges top and bottom in the image and all that moves with it, or does nothing.

    Raises:
        ValueError: if `probability` is a number outside [0, 1].
    """
    return _random_flip(probability, axis=0)


def alternating_flip(seed: Whole = 0) -> Augmentation:
    """Exchanges left and right in every other epoch; about half of the examples begin with it.

    The key plays no part: it is the example's "row" and "epoch" that decide.

    Args:
        seed: which half begins; two runs with one seed flip the same.

    Raises:
        ValueError: if `seed` is no whole number from 0 on, or an example has no "row" or no
            "epoch".
    """
    require_whole("seed", seed, low=0, remedy="any such number will do")

    def apply(key: RandomKey, example: Example) -> Example:
        missing = [name for name in ("row", "epoch") if name not in example]
        if missing:
            raise ValueError(
                f'`example` must have "row" and "epoch", got no {" and no ".join(missing)}; where '
                "they are not known, `horizontal_flip(0.5)` needs neither."
            )
        first = coin(jax.random.fold_in(jax.random.key(seed), example["row"]), 0.5)
        return _flip_if((first + example["epoch"]) % 2 == 1, example, axis=1)

    return apply


def _random_flip(probability: Scalar, axis: int) -> Augmentation:
    require("probability", probability, "[0, 1]", "0.5 flips half of the examples")

    def apply(key: RandomKey, example: Example) -> Example:
        return _flip_if(coin(key, probability), example, axis)

    return apply


def _flip_if(flip: Bool[Array, ""], example: Example, axis: int) -> Example:
    image = image_of(example)
    changed = {"image": jnp.where(flip, jnp.flip(image, axis), image)}
    for name, pixels in partners_of(example).items():
        changed[name] = jnp.where(flip, jnp.flip(pixels, axis), pixels)
    if "boxes" in example:
        boxes = jnp.asarray(example["boxes"])
        near, far = 1 - axis, 3 - axis  # the columns that change: left and right, or top and bottom
        flipped = boxes.at[:, near].set(image.shape[axis] - boxes[:, far])
        flipped = flipped.at[:, far].set(image.shape[axis] - boxes[:, near])
        changed["boxes"] = jnp.where(flip, flipped, boxes)
    return example | changed
