"""Augmentations one after the other, and over a batch.

    compose(f, g)(key, x) = g(fold_in(key, 1), f(fold_in(key, 0), x))
    per_example(f)(key, batch)[i] = f(fold_in(key, i), batch[i])

Examples' and batches' augmentations have one type, key and dict to dict, so `compose` is for both:

    augment = compose(per_example(compose(horizontal_flip(0.5), pad_and_crop(4))), mixup(0.2, 10))

Every part has a key of its own, which depends on the part's position and on nothing that the others
do; every example has one that depends on its position in the batch. So what becomes of an example
is the same whatever else is in the batch, and however large the batch is.
"""

import jax
import jax.numpy as jnp

from jaxvision.augment.example import Augmentation, Batch, BatchAugmentation, Example, RandomKey


def compose(*augmentations: Augmentation) -> Augmentation:
    """Applies `augmentations` in this order; of examples, or of batches. None are the identity."""

    def apply(key: RandomKey, example: Example) -> Example:
        for position, augmentation in enumerate(augmentations):
            example = augmentation(jax.random.fold_in(key, position), example)
        return example

    return apply


def per_example(augmentation: Augmentation) -> BatchAugmentation:
    """Applies an example's augmentation to each example of a batch.

    What has no axis, such as an "epoch" that all examples have in common, is passed to each and
    returned as it is.
    """

    def apply(key: RandomKey, batch: Batch) -> Batch:
        shared = {name: value for name, value in batch.items() if jnp.ndim(value) == 0}
        own = {name: jnp.asarray(value) for name, value in batch.items() if name not in shared}

        def one(position, example):
            return augmentation(jax.random.fold_in(key, position), example | shared)

        return jax.vmap(one)(jnp.arange(_size(batch)), own) | shared

    return apply


def _size(batch: Batch) -> int:
    shape = jnp.shape(batch.get("image"))
    if len(shape) != 4:
        raise ValueError(
            f'`batch` must have "image" [b, h, w, c], got shape {shape}; a single example goes '
            "through the augmentation itself."
        )
    return shape[0]
