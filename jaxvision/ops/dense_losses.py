"""Losses of a network that answers for every pixel: segmentation, denoising, super-resolution.

With z the logits, p = softmax(z), t the one-hot target and t' the class of a pixel x,

    cross-entropy  mean_x w(x) a[t'] (-log p[t'])
    focal          mean_x a[t'] (1 - p[t'])^gamma (-log p[t'])       Lin et al., ICCV 2017, eq. 5
    soft Dice      mean_k 1 - (2 sum_x p t + e) / (sum_x p^2 + sum_x t^2 + e)
    soft Jaccard   mean_k 1 - (sum_x p t + e) / (sum_x p^2 + sum_x t^2 - sum_x p t + e)
    squared error  mean over pixels and channels of (y - t)^2

Soft Dice is that of Milletari, Navab & Ahmadi, "V-Net", 3DV 2016, section 3, with e, which they do
not have: with it, nothing found where nothing is costs nothing. For p in {0, 1} the two are the
Dice coefficient and the IoU. Focal loss is theirs of two classes for the logits (0, z), and
cross-entropy at gamma = 0.

A mean is over the pixels that count, whatever their weights: as in equation 1 of the U-Net, but for
the division, weights make a loss larger. (PyTorch's `weight` divides by the sum of the weights.)

As in `jaxvision.ops.losses`, each returns one value an example, [b], and a `mask` of rows, [b], or
of pixels, [b, h, w], takes out whatever is there, NaN or a label that is no class. Where nothing
counts the loss is 0, with a gradient of 0.
"""

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Integer
from scipy import ndimage

from jaxvision.hyperparameters import Scalar, require

Mask: TypeAlias = Bool[Array, " b"] | Bool[Array, "b h w"]
Labels: TypeAlias = Int[Array, "b h w"] | Float[Array, "b h w classes"]


def pixel_cross_entropy(
    logits: Float[Array, "b h w classes"],
    labels: Int[Array, "b h w"],
    mask: Mask | None = None,
    *,
    class_weights: Float[Array, " classes"] | None = None,
    weights: Float[Array, "b h w"] | None = None,
) -> Float[Array, " b"]:
    """-log softmax(z) of each pixel's class, weighted, and averaged over the pixels that count.

    Args:
        logits: z, any real numbers.
        labels: the number of each pixel's class; one outside the classes that counts gives NaN.
        mask: which rows, or pixels, count.
        class_weights: a, for each class.
        weights: w, for each pixel, as from `border_weights`.
    """
    log_p, _ = _of_the_class(logits, labels, mask, class_weights)
    loss = -log_p
    if weights is not None:
        loss = loss * _zero_where_masked(weights, mask)
    return _mean(loss, mask)


def focal_loss(
    logits: Float[Array, "b h w classes"],
    labels: Int[Array, "b h w"],
    mask: Mask | None = None,
    *,
    gamma: Scalar = 2.0,
    class_weights: Float[Array, " classes"] | None = None,
) -> Float[Array, " b"]:
    """Cross-entropy in which pixels that are easy, with p near 1, hardly count.

    Lin, Goyal, Girshick, He & Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, section
    3.2, https://arxiv.org/abs/1708.02002. The authors divide the sum by the number of objects.

    Args:
        logits: z, any real numbers.
        labels: the number of each pixel's class; one outside the classes that counts gives NaN.
        mask: which rows, or pixels, count.
        gamma: from 0 on; 0 is cross-entropy.
        class_weights: alpha, for each class.

    Raises:
        ValueError: if `gamma` is a number below 0.
    """
    require("gamma", gamma, "[0, inf)", "0 is cross-entropy")
    weighted, log_p = _of_the_class(logits, labels, mask, class_weights)
    # Above 0, for the derivative of a power of 0 is infinite if gamma is below 1.
    rest = jnp.maximum(-jnp.expm1(log_p), jnp.finfo(log_p.dtype).tiny)
    return _mean(-(rest**gamma) * weighted, mask)


def soft_dice_loss(
    logits: Float[Array, "b h w classes"],
    labels: Labels,
    mask: Mask | None = None,
    *,
    smooth: Scalar = 1.0,
    class_weights: Float[Array, " classes"] | None = None,
) -> Float[Array, " b"]:
    """1 - Dice of the probabilities softmax(z), averaged over the classes.

    Args:
        logits: z, any real numbers.
        labels: the number of each pixel's class, or one-hot; a number that is no class and counts
            gives NaN.
        mask: which rows, or pixels, count.
        smooth: e, in pixels.
        class_weights: of the average; (0, 1) is V-Net's, of what is not background.

    Raises:
        ValueError: if `smooth` is a number not above 0.
    """
    shared, squares = _overlap(logits, labels, mask, smooth)
    return _class_mean(1 - (2 * shared + smooth) / (squares + smooth), class_weights)


def soft_jaccard_loss(
    logits: Float[Array, "b h w classes"],
    labels: Labels,
    mask: Mask | None = None,
    *,
    smooth: Scalar = 1.0,
    class_weights: Float[Array, " classes"] | None = None,
) -> Float[Array, " b"]:
    """1 - IoU of the probabilities softmax(z), averaged over the classes.

    The arguments are those of `soft_dice_loss`.
    """
    shared, squares = _overlap(logits, labels, mask, smooth)
    return _class_mean(1 - (shared + smooth) / (squares - shared + smooth), class_weights)


def pixel_squared_error(
    outputs: Float[Array, "b h w c"], targets: Float[Array, "b h w c"], mask: Mask | None = None
) -> Float[Array, " b"]:
    """(y - t)^2, averaged over the pixels that count and their channels.

    So the mean of a batch of images of one size is that over batch, pixels and channels.
    """
    difference = _zero_where_masked(outputs, mask) - _zero_where_masked(targets, mask)
    return _mean(jnp.mean(difference**2, axis=3), mask)


def border_weights(
    labels: Integer[np.ndarray, "h w"], w0: float | int = 10, sigma: float | int = 5
) -> Float32[np.ndarray, "h w"]:
    """The U-Net's weight of each pixel: the gaps between cells that nearly touch weigh the most.

    Ronneberger, Fischer & Brox, MICCAI 2015, equation 2:

        w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

    with d1 and d2 the distances to the nearest two cells. w_c, of which they say that it balances
    the classes, is n / (classes n_c), for n_c of the n pixels in the class of x: 1 in the mean. The
    second term is for the background alone, and 0 with fewer than two cells.

    Args:
        labels: 0 is background. Pixels of one number that hang together, side by side or one above
            the other, are a cell; cells of different numbers may touch.
        w0: of a gap without width.
        sigma: in pixels.
    """
    background = labels == 0
    counts = np.array([background.sum(), labels.size - background.sum()])
    balance = labels.size / (np.count_nonzero(counts) * np.maximum(counts, 1))
    nearest, second = np.full((2, *labels.shape), np.inf)
    for number in np.unique(labels[~background]):
        cells, count = ndimage.label(labels == number)
        for cell in range(1, count + 1):
            distance = ndimage.distance_transform_edt(cells != cell)
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
    border = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.where(background, balance[0] + border, balance[1]).astype(np.float32)


def _of_the_class(
    logits: Array, labels: Array, mask: Mask | None, class_weights: Array | None
) -> tuple[Float[Array, "b h w"], Float[Array, "b h w"]]:
    """log p of each pixel's class: times the class's weight, and as it is."""
    chosen = _one_hot(labels, logits.shape[3], mask).astype(logits.dtype)
    log_p = chosen * jax.nn.log_softmax(_zero_where_masked(logits, mask))
    plain = jnp.sum(log_p, axis=3)
    if class_weights is None:
        return plain, plain
    return jnp.sum(log_p * class_weights.reshape(1, 1, 1, -1), axis=3), plain


def _overlap(
    logits: Array, labels: Array, mask: Mask | None, smooth: Scalar
) -> tuple[Float[Array, "b classes"], Float[Array, "b classes"]]:
    """For each class, sum_x p t and sum_x p^2 + sum_x t^2."""
    require("smooth", smooth, "(0, inf)", "1 is one pixel")
    p = jax.nn.softmax(_zero_where_masked(logits, mask))
    if labels.ndim == 3:
        labels = _one_hot(labels, p.shape[3], mask)
    p, t = _zero_where_masked(p, mask), _zero_where_masked(labels, mask).astype(p.dtype)
    return jnp.sum(p * t, axis=(1, 2)), jnp.sum(p**2 + t**2, axis=(1, 2))


def _class_mean(values: Float[Array, "b classes"], weights: Array | None) -> Float[Array, " b"]:
    return jnp.mean(values, axis=1) if weights is None else values @ (weights / jnp.sum(weights))


def _one_hot(labels: Array, classes: int, mask: Mask | None) -> Float[Array, "b h w classes"]:
    labels = _zero_where_masked(labels, mask)
    inside = (labels >= 0) & (labels < classes)
    return jnp.where(inside[..., None], jax.nn.one_hot(labels, classes), jnp.nan)


def _zero_where_masked(x: Array, mask: Mask | None) -> Array:
    # Before the loss and not only after it: the gradient of `where` at a NaN is 0 times NaN.
    return x if mask is None else jnp.where(_beside(mask, x), x, 0)


def _mean(values: Float[Array, "b h w"], mask: Mask | None) -> Float[Array, " b"]:
    if mask is None:
        return jnp.mean(values, axis=(1, 2))
    counted = jnp.broadcast_to(_beside(mask, values), values.shape)
    total = jnp.sum(jnp.where(counted, values, 0), axis=(1, 2))
    return total / jnp.maximum(jnp.sum(counted, axis=(1, 2)), 1)


def _beside(mask: Mask, x: Array) -> Array:
    return mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
