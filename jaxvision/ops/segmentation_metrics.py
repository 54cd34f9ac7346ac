"""Metrics of a segmentation: confusions of an image's pixels, which add up, and what they say.

With n[t, p] the pixels of class t that were called p, summed over any number of images,

    pixel accuracy   sum_k n[k, k] / sum_{t, p} n[t, p]
    IoU of class k   n[k, k] / (sum_p n[k, p] + sum_t n[t, k] - n[k, k])
    Dice of class k  2 n[k, k] / (sum_p n[k, p] + sum_t n[t, k]) = 2 IoU / (1 + IoU)

as in PASCAL VOC (Everingham et al., IJCV 111, 2015, section 4.2.2; mean IoU is over the classes):
of the sums, and no mean of images' own values. A class that is neither in the images nor called has
none of the two, NaN, and is left out of a mean.

Counts are float32, exact up to 2^24 pixels of a kind; beyond, sum them in float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Counts = Float[Array | np.ndarray, "*batch classes classes"]


def confusion_counts(
    labels: Int[Array, "b h w"],
    predictions: Int[Array, "b h w"],
    classes: int,
    ignore: int | None = None,
) -> Float[Array, "b {classes} {classes}"]:
    """How many pixels of a true class (row) each image has that were called which class (column).

    Args:
        labels: the class of each pixel.
        predictions: what it was called: `logits.argmax(axis=-1)`.
        classes: how many there are.
        ignore: a label whose pixels do not count, as 255, whatever they were called.

    A label that is neither a class nor `ignore`, and a prediction that is no class, make all counts
    of the image NaN: inside `jit` nothing can be raised, and a wrong number would be worse.
    """
    counted = jnp.ones(labels.shape, bool) if ignore is None else labels != ignore
    inside = (labels >= 0) & (labels < classes) & (predictions >= 0) & (predictions < classes)
    # What does not count goes to a place of its own, behind the others.
    place = jnp.where(counted & inside, labels * classes + predictions, classes**2)
    count = jax.vmap(lambda place: jnp.bincount(place, length=classes**2 + 1))
    counts = count(place.reshape(len(place), -1))[:, :-1].reshape(-1, classes, classes)
    wrong = jnp.any(counted & ~inside, axis=(1, 2))[:, None, None]
    return jnp.where(wrong, jnp.nan, counts.astype(jnp.float32))


def pixel_accuracy(counts: Counts) -> Float[Array, "*batch"]:
    """The share of pixels that were called what they are; NaN of no pixels."""
    return jnp.trace(counts, axis1=-2, axis2=-1) / jnp.sum(counts, axis=(-2, -1))


def iou_per_class(counts: Counts) -> Float[Array, "*batch classes"]:
    """Intersection over union of what is of a class and what was called so."""
    right, both = _right_and_both(counts)
    return right / (both - right)


def mean_iou(counts: Counts) -> Float[Array, "*batch"]:
    """The mean of `iou_per_class` over the classes that occur."""
    return jnp.nanmean(iou_per_class(counts), axis=-1)


def dice_per_class(counts: Counts) -> Float[Array, "*batch classes"]:
    """Dice's coefficient, or F1, of what is of a class and what was called so."""
    right, both = _right_and_both(counts)
    return 2 * right / both


def _right_and_both(counts: Counts) -> tuple[Array, Array]:
    right = jnp.diagonal(counts, axis1=-2, axis2=-1)
    return right, jnp.sum(counts, axis=-1) + jnp.sum(counts, axis=-2)
