"""Two examples mixed into one, and their labels in proportion.

Mixup: Zhang, Cisse, Dauphin & Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
section 2 (https://arxiv.org/abs/1710.09412). CutMix: Yun, Han, Oh, Chun, Choe & Yoo, "CutMix:
Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV 2019, section
3.1 (https://arxiv.org/abs/1905.04899). With lam drawn from Beta(alpha, alpha), j the partner of i,

    mixup   x'_i = lam x_i + (1 - lam) x_j                  y'_i = lam y_i + (1 - lam) y_j
    CutMix  x'_i = x_j in a rectangle, x_i outside          the same, lam the part that is outside

where the rectangle's sides are sqrt(1 - lam) of the image's, its middle is any pixel alike, and lam
is then corrected for what the border cut off. As in the authors' programs there is one lam, and one
rectangle, a batch, and partners are a random permutation; so the sum of a batch over all examples
is what it was.

A batch's filling (`mask` False) is nobody's partner: the permutation is one of the real examples
alone, and each of the others is its own partner and stays.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Integer

from jaxvision.augment.example import Batch, BatchAugmentation, RandomKey
from jaxvision.augment.rectangle import around_a_random_pixel
from jaxvision.hyperparameters import Scalar, require, require_whole


def mixup(alpha: Scalar, classes: int) -> BatchAugmentation:
    """Mixes pixel by pixel; "label" becomes a distribution, float [b, classes].

    Args:
        alpha: of the Beta distribution: 1 mixes by any lam alike, smaller ones mostly a little; 0
            leaves the images. The paper takes 1 for CIFAR-10 and 0.2 for ImageNet.
        classes: how many there are.

    Raises:
        ValueError: if `alpha` is a negative number, `classes` is below 1, or a batch holds what
            cannot be mixed.
    """
    _check(alpha, classes)

    def apply(key: RandomKey, batch: Batch) -> Batch:
        images, labels, mask = _parts(batch, classes)
        lam_key, partner_key = jax.random.split(key)
        lam = _draw_lam(lam_key, alpha)
        j = partners(partner_key, mask)
        return batch | {
            "image": images + (1 - lam) * (images[j] - images),
            "label": labels + (1 - lam) * (labels[j] - labels),
        }

    return apply


def cutmix(alpha: Scalar, classes: int) -> BatchAugmentation:
    """Pastes a rectangle of the partner; "label" becomes a distribution, float [b, classes].

    Arguments and errors as for `mixup`; the paper takes alpha = 1.
    """
    _check(alpha, classes)

    def apply(key: RandomKey, batch: Batch) -> Batch:
        images, labels, mask = _parts(batch, classes)
        lam_key, partner_key, place_key = jax.random.split(key, 3)
        height, width = images.shape[1:3]
        side = jnp.sqrt(1 - _draw_lam(lam_key, alpha))
        rows, columns = (jnp.floor(side * full).astype(jnp.int32) for full in (height, width))
        pasted = around_a_random_pixel(place_key, rows, columns, height, width)
        j = partners(partner_key, mask)
        return batch | {
            "image": jnp.where(pasted[None], images[j], images),
            "label": labels + pasted.mean() * (labels[j] - labels),
        }

    return apply


def partners(key: RandomKey, mask: Bool[Array, " b"]) -> Int[Array, " b"]:
    """A random permutation of the rows where `mask` is True; the others stay where they are."""
    drawn = jax.random.uniform(key, mask.shape)
    # Both list the real rows first and then the others by number: one in order, one at random.
    ordered = jnp.argsort(~mask, stable=True)
    shuffled = jnp.argsort(jnp.where(mask, drawn, 2.0), stable=True)
    return jnp.zeros_like(ordered).at[ordered].set(shuffled)


def _draw_lam(key: RandomKey, alpha: Scalar) -> Float[Array, ""]:
    alpha = jnp.asarray(alpha, jnp.float32)
    lam = jax.random.beta(key, *[jnp.where(alpha > 0, alpha, 1.0)] * 2)
    return jnp.where(alpha > 0, lam, 1.0)


def _parts(batch: Batch, classes: int) -> tuple[Array, Array, Array]:
    """Images as float32, labels as distributions, and which examples are real."""
    for name in ("boxes", "segmentation", "target"):
        if name in batch:
            raise ValueError(
                f"`batch` must hold images and labels to be mixed, got {name!r}, of which there is "
                "no mixture; leave mixup and cutmix out."
            )
    images, labels = jnp.asarray(batch["image"], jnp.float32), jnp.asarray(batch["label"])
    mask = batch.get("mask", jnp.ones(len(images), bool))
    return images, _distributions(labels, classes), jnp.asarray(mask)


def _distributions(
    labels: Integer[Array, " b"] | Float[Array, "b classes"], classes: int
) -> Float[Array, "b classes"]:
    if labels.ndim == 1:
        # As in the losses: a label that is none must not become a distribution over nothing.
        inside = (labels >= 0) & (labels < classes)
        return jnp.where(inside[:, None], jax.nn.one_hot(labels, classes), jnp.nan)
    if labels.shape[1] != classes:
        raise ValueError(
            f"`classes` must be the {labels.shape[1]} of the batch's labels, got {classes}; make "
            "all that mixes with the same number."
        )
    return labels.astype(jnp.float32)


def _check(alpha: Scalar, classes: int) -> None:
    require("alpha", alpha, "[0, inf)", "1 mixes by any proportion alike, 0 leaves the images")
    require_whole("classes", classes, low=1, remedy="it is how many classes the labels are of")
