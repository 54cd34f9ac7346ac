"""Losses: how far a network's outputs are from the targets, one number an example.

A loss belongs to the distribution that the outputs parametrise: it is that distribution's negative
log-likelihood, and the activation that goes with it turns the network's unbounded outputs `z` into
the distribution's mean (Bishop, "Pattern Recognition and Machine Learning", 2006, section 5.2):

| problem               | output activation      | loss                        | distribution |
| --------------------- | ---------------------- | --------------------------- | ------------ |
| regression, a number  | identity y = z         | `squared_error`             | Gaussian     |
| regression, a vector  | identity y = z         | `squared_error`             | Gaussian     |
| two classes           | logistic 1/(1 + e^-z)  | `binary_cross_entropy`      | Bernoulli    |
| k yes-no attributes   | logistic, each         | `binary_cross_entropy`      | Bernoulli    |
| one of k classes      | softmax e^z_k/sum e^z  | `categorical_cross_entropy` | categorical  |

The cross-entropies take the logits `z` and apply the activation themselves, in the one form that is
exact in floating point: nothing overflows at |z| = 1e4, where log(softmax(z)) would be -inf.

Every loss returns one value an example, [b], for the caller to average: a padded batch has fewer
examples than rows, and only sums and counts add up over batches
(`jaxvision.ops.metrics.masked_mean`). A `mask` [b] makes rows exactly 0, with a gradient of exactly
0, whatever they hold -- NaN included.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Mask = Bool[Array, " b"]


def squared_error(
    outputs: Float[Array, " b"] | Float[Array, "b d"],
    targets: Float[Array, " b"] | Float[Array, "b d"],
    mask: Mask | None = None,
) -> Float[Array, " b"]:
    """||y - t||^2: the square of the difference, summed over a vector's components.

    There is no factor 1/2 and no division by d.

    Raises:
        ValueError: if `outputs` and `targets` differ in shape.
    """
    if outputs.shape != targets.shape:
        raise ValueError(
            f"`targets` must have the shape of `outputs`, {outputs.shape}, got {targets.shape}; "
            "for class labels give `jax.nn.one_hot(labels, classes)`."
        )
    difference = _zero_where_masked(outputs - targets, mask)
    return jnp.sum(_as_rows(difference) ** 2, axis=1)


def smooth_l1(difference: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """0.5 d^2 where |d| < 1, |d| - 0.5 elsewhere, of each component: what a box is fitted by.

    Girshick, "Fast R-CNN", ICCV 2015, equation 3: the gradient is at most 1, however far off.
    """
    distance = jnp.abs(difference)
    return jnp.where(distance < 1, 0.5 * difference**2, distance - 0.5)


def binary_cross_entropy(
    logits: Float[Array, " b"] | Float[Array, "b d"],
    targets: Float[Array, " b"] | Float[Array, "b d"] | Int[Array, " b"] | Int[Array, "b d"],
    mask: Mask | None = None,
) -> Float[Array, " b"]:
    """-t log y - (1 - t) log(1 - y) with y = 1 / (1 + e^-z), summed over an example's components.

    Computed as max(z, 0) - z t + log(1 + e^-|z|), whose exponent is never positive.

    Args:
        logits: z, any real numbers.
        targets: t in [0, 1]; usually 0 or 1.
        mask: False for rows that do not count.

    Raises:
        ValueError: if `logits` and `targets` differ in shape.
    """
    if logits.shape != targets.shape:
        raise ValueError(
            f"`targets` must have the shape of `logits`, {logits.shape}, got {targets.shape}; "
            "one logit an example is `logits[:, 0]`."
        )
    z, t = _zero_where_masked(logits, mask), targets.astype(logits.dtype)
    loss = jnp.maximum(z, 0) - z * t + jnp.log1p(jnp.exp(-jnp.abs(z)))
    return _zero_where_masked(jnp.sum(_as_rows(loss), axis=1), mask)


def categorical_cross_entropy(
    logits: Float[Array, "b classes"],
    labels: Int[Array, " b"] | Float[Array, "b classes"],
    mask: Mask | None = None,
    label_smoothing: float | int | Float[Array, ""] = 0.0,
) -> Float[Array, " b"]:
    """-sum_k t_k log softmax(z)_k.

    With label smoothing a, t becomes (1 - a) t + a / classes (Szegedy et al., "Rethinking the
    Inception Architecture", CVPR 2016, section 7).

    >>> float(categorical_cross_entropy(jnp.zeros((1, 10)), jnp.array([3]))[0])  # log 10
    2.302585...

    Args:
        logits: z, any real numbers.
        labels: the class's number, [b], or a distribution over the classes (one-hot), [b, classes].
        mask: False for rows that do not count.
        label_smoothing: a in [0, 1]; may be a traced array.

    A label outside the classes gives NaN: under `jit` nothing can be raised, and a wrong number
    would be worse. The public doors (`jaxvision.data`) refuse such labels by name.

    Raises:
        ValueError: if one-hot `labels` have another number of classes, or `label_smoothing` is a
            number outside [0, 1].
    """
    if not isinstance(label_smoothing, jax.core.Tracer) and not 0 <= label_smoothing <= 1:
        raise ValueError(f"`label_smoothing` must be in [0, 1], got {label_smoothing}.")
    classes = logits.shape[-1]
    if labels.ndim == 2 and labels.shape[-1] != classes:
        raise ValueError(
            f"`labels` must be one-hot over the {classes} classes of `logits`, got {labels.shape}."
        )
    if labels.ndim == 1:
        inside = (labels >= 0) & (labels < classes)
        targets = jnp.where(inside[:, None], jax.nn.one_hot(labels, classes), jnp.nan)
    else:
        targets = labels
    z, t = _zero_where_masked(logits, mask), _zero_where_masked(targets, mask)
    t = (1 - label_smoothing) * t.astype(logits.dtype) + label_smoothing / classes
    return _zero_where_masked(-jnp.sum(t * jax.nn.log_softmax(z), axis=1), mask)


def _as_rows(x: Array) -> Float[Array, "b d"]:
    return x.reshape(x.shape[0], -1)


def _zero_where_masked(x: Array, mask: Mask | None) -> Array:
    # Before the loss and not only after it: the gradient of `where` at a NaN is 0 times NaN.
    if mask is None:
        return x
    return jnp.where(mask.reshape(-1, *[1] * (x.ndim - 1)), x, 0)
