"""What to do about a training that went wrong, by its diagnosis.

Goodfellow, Bengio & Courville, "Deep Learning", MIT Press 2016, https://www.deeplearningbook.org:
section 5.2 on capacity, 7 on regularisation, 8.2.4 and 10.11.1 on exploding gradients, 11.3 on more
data or a larger model, 11.4.1 on the learning rate, 11.5 on finding what is broken.
"""

from collections.abc import Collection
from typing import NamedTuple

from jaxvision.names import lookup

# What a training may be regularised by already: then it is not proposed, or proposed in reverse.
USED = {
    "augmentation": "augmentation",
    "weight_decay": "weight decay",
    "dropout": "dropout",
    "label_smoothing": "label smoothing",
    "early_stopping": "early stopping",
}


class Remedy(NamedTuple):
    """A proposal, and when it applies.

    Attributes:
        sentence: what to do.
        unless: it is pointless if this is used already.
        only: it means something only if this is used.
    """

    sentence: str
    unless: str | None = None
    only: str | None = None


REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "diverged": (
        Remedy("Divide the learning rate by ten."),
        Remedy("Clip the gradients by their global norm."),
        Remedy("Warm the learning rate up over the first epochs."),
        Remedy("Lower the weight decay: too much of it drives all to zero.", only="weight_decay"),
        Remedy("Look for images that are not normalised, and for labels that are no class."),
    ),
    "too short": (
        Remedy("Train for at least three epochs: a curve of fewer does not show where it goes."),
    ),
    "not learning": (
        Remedy(
            "Train on a single batch of a few images until the loss is near zero: if that fails, "
            "the program is wrong and not the hyperparameters."
        ),
        Remedy("Look at some images with their labels, just as the network is given them."),
        Remedy("Try a tenth of the learning rate, and ten times the rate."),
        Remedy("Check the initialisation, and add batch normalisation to a deep network."),
        Remedy(
            "Train without weight decay: too much of it drives all to zero.", only="weight_decay"
        ),
    ),
    "rate too high": (
        Remedy("Divide the learning rate by three, and by ten."),
        Remedy("Let the learning rate decay, so that it is small at the end."),
        Remedy("Warm the learning rate up over the first epochs."),
        Remedy("Take larger batches, whose gradients are less noisy."),
    ),
    "overfit": (
        Remedy("Get more training images: nothing else helps as surely."),
        Remedy("Augment the training images.", unless="augmentation"),
        Remedy("Add weight decay.", unless="weight_decay"),
        Remedy("Add dropout before the last layer.", unless="dropout"),
        Remedy("Smooth the labels.", unless="label_smoothing"),
        Remedy("Stop early, at the best epoch by validation.", unless="early_stopping"),
        Remedy("Augment more strongly.", only="augmentation"),
        Remedy("Raise the weight decay.", only="weight_decay"),
        Remedy("Raise the dropout rate.", only="dropout"),
        Remedy("Take a smaller network, or one that was trained on other images before."),
    ),
    "still improving": (
        Remedy("Train for more epochs, with a schedule of that length."),
        Remedy("Raise the learning rate if the curves fall at a steady pace."),
        Remedy("Have more patience before stopping early.", only="early_stopping"),
    ),
    "underfit": (
        Remedy("Take a larger network: more layers, more channels."),
        Remedy("Search the learning rate anew, with a schedule that lets it decay."),
        Remedy("Augment less strongly.", only="augmentation"),
        Remedy("Lower the weight decay.", only="weight_decay"),
        Remedy("Lower the dropout rate.", only="dropout"),
        Remedy("Smooth the labels less.", only="label_smoothing"),
        Remedy(
            "If a larger network does no better, look at the images that it mistakes: the labels "
            "may be wrong, or the images not show what is asked. More images will not help yet."
        ),
    ),
    "well fitted": (
        Remedy("Measure once on the test set."),
        Remedy(
            "To go further, take a larger network and regularise it more, and see what the "
            "validation says."
        ),
    ),
}


def remedies_for(verdict: str, used: Collection[str]) -> tuple[str, ...]:
    """The remedies that are left to one who uses all of `used` already.

    Raises:
        ValueError: if one of `used` is not known.
    """
    for name in used:
        lookup("used", name, USED)
    return tuple(
        remedy.sentence
        for remedy in REMEDIES[verdict]
        if remedy.unless not in used and (remedy.only is None or remedy.only in used)
    )
