"""Metrics of a classifier: sums and counts that add up over batches and are divided once."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


def masked_mean(values: Float[Array, " b"], mask: Bool[Array, " b"] | None) -> Float[Array, ""]:
    """The mean over the rows that `mask` keeps (all of them for None); 0 where it keeps none."""
    if mask is None:
        return jnp.mean(values)
    return jnp.sum(jnp.where(mask, values, 0)) / jnp.maximum(jnp.sum(mask), 1)


def correct(
    logits: Float[Array, "b classes"], labels: Int[Array, " b"] | Float[Array, "b classes"]
) -> Bool[Array, " b"]:
    """Whether the largest logit is the label's; the first of equal logits counts as the largest.

    Of a label that is a distribution over the classes, the most probable class is taken.

    >>> print(correct(jnp.array([[1.0, 3.0], [2.0, 0.0]]), jnp.array([1, 1])))
    [ True False]
    """
    if labels.ndim == 2:
        labels = jnp.argmax(labels, axis=-1)
    return jnp.argmax(logits, axis=-1) == labels


def confusion_matrix(
    labels: Int[np.ndarray, " n"], predictions: Int[np.ndarray, " n"], classes: int
) -> Int[np.ndarray, "classes classes"]:
    """How often a true class (row) was called which class (column).

    Raises:
        ValueError: if a label or a prediction is not in [0, classes).
    """
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.size and not (values.min() >= 0 and values.max() < classes):
            raise ValueError(
                f"`{name}` must be in [0, {classes}), got {values.min()} to {values.max()}."
            )
    counts = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes)


def top_k(
    logits: Float[Array, "b classes"], k: int
) -> tuple[Float[Array, "b k"], Int[Array, "b k"]]:
    """The `k` most probable classes (or all, if fewer): (probabilities, classes), best first."""
    probabilities, classes = jax.lax.top_k(jax.nn.softmax(logits), min(k, logits.shape[-1]))
    return probabilities, classes
