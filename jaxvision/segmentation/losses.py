"""The losses by their names, all of one form: logits and the batch's labels in, one value an image.

Pixels that are not counted (`NOT_COUNTED`), and all of an image that only fills its batch, are in
no loss.
"""

from collections.abc import Callable

from jaxtyping import Array, Bool, Float, Int

from jaxvision.ops.dense_losses import (
    focal_loss,
    pixel_cross_entropy,
    soft_dice_loss,
    soft_jaccard_loss,
)

Logits = Float[Array, "b h w classes"]
Labels = Int[Array, "b h w"]
Mask = Bool[Array, "b h w"]
ClassWeights = Float[Array, " classes"] | None
Weights = Float[Array, "b h w"] | None
DenseLoss = Callable[[Logits, Labels, Mask, ClassWeights, Weights], Float[Array, " b"]]


def cross_entropy(
    logits: Logits, labels: Labels, mask: Mask, class_weights: ClassWeights, weights: Weights
) -> Float[Array, " b"]:
    """Of each pixel, with weights of classes and of pixels."""
    return pixel_cross_entropy(logits, labels, mask, class_weights=class_weights, weights=weights)


def dice(
    logits: Logits, labels: Labels, mask: Mask, class_weights: ClassWeights, weights: Weights
) -> Float[Array, " b"]:
    """1 - Dice; `weights` of pixels it does not know."""
    del weights
    return soft_dice_loss(logits, labels, mask, class_weights=class_weights)


def jaccard(
    logits: Logits, labels: Labels, mask: Mask, class_weights: ClassWeights, weights: Weights
) -> Float[Array, " b"]:
    """1 - IoU; `weights` of pixels it does not know."""
    del weights
    return soft_jaccard_loss(logits, labels, mask, class_weights=class_weights)


def focal(
    logits: Logits, labels: Labels, mask: Mask, class_weights: ClassWeights, weights: Weights
) -> Float[Array, " b"]:
    """Cross-entropy in which easy pixels hardly count; `weights` of pixels it does not know."""
    del weights
    return focal_loss(logits, labels, mask, class_weights=class_weights)


def cross_entropy_dice(
    logits: Logits, labels: Labels, mask: Mask, class_weights: ClassWeights, weights: Weights
) -> Float[Array, " b"]:
    """The sum of the two."""
    given = logits, labels, mask, class_weights, weights
    return cross_entropy(*given) + dice(*given)


LOSSES: dict[str, DenseLoss] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "jaccard": jaccard,
    "focal": focal,
    "cross_entropy_dice": cross_entropy_dice,
}
