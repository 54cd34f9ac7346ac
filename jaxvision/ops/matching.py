"""Which candidates of a detector are which objects, and which of them a step learns from.

Ren, He, Girshick & Sun, "Faster R-CNN", NIPS 2015, section 3.1.2, https://arxiv.org/abs/1506.01497.
A candidate (an anchor, a proposal) is

    an object     if its IoU with it is at least `high`, and it has none larger with another;
                  with `best`, also if no other candidate has a larger one with that object
    background    if its IoU with every object is below `low`
    neither       otherwise: it is not learned from

and of an image so many are drawn at random that objects and background are in proportion, filled up
with background where there are too few objects. All sizes are fixed, so this is for `vmap`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

BACKGROUND, NEITHER = -1, -2


def match(
    overlap: Float[Array, "n m"],
    object_mask: Bool[Array, " m"],
    high: float,
    low: float,
    *,
    best: bool = False,
) -> Int[Array, " n"]:
    """For each candidate the number of its object, `BACKGROUND` or `NEITHER`.

    Args:
        overlap: the IoU of each candidate with each object.
        object_mask: False for columns that are no object.
        high: from here on a candidate is the object.
        low: below, it is background.
        best: whether each object has the candidates that overlap it most, however little; but
            not those that it does not touch.
    """
    overlap = jnp.where(object_mask[None], overlap, -1.0)
    nearest, largest = jnp.argmax(overlap, axis=1), jnp.max(overlap, axis=1)
    matched = jnp.where(largest >= high, nearest, jnp.where(largest < low, BACKGROUND, NEITHER))
    if best:
        of_object = jnp.max(overlap, axis=0, keepdims=True)
        is_best = (overlap == of_object) & (overlap > 0)
        matched = jnp.where(
            is_best.any(axis=1), jnp.argmax(is_best * (1 + overlap), axis=1), matched
        )
    return matched


def draw(
    key: Key[Array, ""],
    objects: Bool[Array, " n"],
    background: Bool[Array, " n"],
    size: int,
    share: float,
) -> tuple[Bool[Array, " n"], Bool[Array, " n"]]:
    """Draws at most `size` candidates: (those of objects, those of background).

    Args:
        key: decides which.
        objects: the candidates that are objects.
        background: those that are background.
        size: how many in all, if there are so many.
        share: objects are at most this part of `size`.
    """
    keys = jax.random.split(key)
    some = _draw(keys[0], objects, jnp.int32(round(size * share)))
    return some, _draw(keys[1], background, size - jnp.sum(some))


def _draw(key: Key[Array, ""], among: Bool[Array, " n"], size: Int[Array, ""]) -> Bool[Array, " n"]:
    """`size` of the candidates `among`, or all of them if they are not so many."""
    noise = jnp.where(among, jax.random.uniform(key, among.shape), 2.0)
    # The next one's number is the first that is not drawn; equal ones are drawn together or not.
    bound = jnp.append(jnp.sort(noise), 2.0)[jnp.minimum(size, len(among))]
    return among & (noise < bound)
