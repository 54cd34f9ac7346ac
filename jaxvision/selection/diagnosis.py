"""What two learning curves say of a training: under- or overfitting, and what to do about it.

    print(diagnose(history, classes=10, used={"augmentation"}))

Underfitting is a training error that stays high, overfitting a gap between the errors of training
and validation (Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 5.2); what helps
against one brings the other (section 11.3). How each of these shows is written in `symptoms`, and
what is to be done in `remedies`.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxvision.names import lookup
from jaxvision.selection.remedies import remedies_for
from jaxvision.selection.results import ENDED
from jaxvision.selection.symptoms import SYMPTOMS, Training


class Diagnosis(NamedTuple):
    """What is so, how it shows, and what to do.

    Attributes:
        verdict: a key of `jaxvision.selection.remedies.REMEDIES`.
        evidence: what the verdict rests on, in words and numbers.
        remedies: what to try; one at a time, or nobody knows what it was that helped.
    """

    verdict: str
    evidence: str
    remedies: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{self.verdict.capitalize()}. {self.evidence}"
        return "\n".join([head, *(f"- {remedy}" for remedy in self.remedies)])


def diagnose(
    history: Sequence[Mapping[str, Any]],
    *,
    classes: int,
    used: Collection[str] = (),
    ended: str = "epochs",
    target: float = 1.0,
    majority: float | None = None,
    validation_images: int | None = None,
) -> Diagnosis:
    """Reads the learning curves of one training of a classifier.

    Args:
        history: a dict an epoch, as `jaxvision.train.fit.Progress.history`, with loss and accuracy.
        classes: how many there are: chance gets one part in so many.
        used: what regularises it already, of `remedies.USED`: it is not proposed again.
        ended: why, as `LaneResult.ended`: what diverged may have no record of that epoch.
        target: the accuracy that is thought attainable.
        majority: the share of the most frequent class, if not all are alike: chance gets that.
        validation_images: how many: of few, a gap must be wider to be more than chance.

    Raises:
        ValueError: if `history` is empty though the training did not diverge, lacks a metric, or
            has an accuracy outside [0, 1]; if another argument cannot be.
    """
    lookup("ended", ended, ENDED)
    _check("classes", classes, classes >= 2, "at least 2")
    _check("target", target, 0 < target <= 1, "in (0, 1], a fraction")
    low = 1 / classes
    _check("majority", majority, majority is None or low <= majority < 1, f"in [{low:g}, 1)")
    images = math.inf if validation_images is None else validation_images
    _check("validation_images", images, images >= 1, "at least 1")
    training = Training(
        *_read(history, ended),
        diverged=ended == "diverged",
        classes=classes,
        chance=low if majority is None else majority,
        target=target,
        validation_images=images,
        used={*used, "early_stopping"} if ended == "patience" else used,
    )
    verdict, evidence = next((name, text) for name, see in SYMPTOMS if (text := see(training)))
    left_out = sum(record.get("skipped", 0) for record in history)
    if left_out:
        evidence += f" {left_out} steps were left out because they were not finite."
    return Diagnosis(verdict, evidence, remedies_for(verdict, training.used))


def _check(name: str, value: Any, right: bool, rule: str) -> None:
    if not right:
        raise ValueError(f"`{name}` must be {rule}, got {value}.")


def _read(history: Sequence[Mapping[str, Any]], ended: str) -> list[Float[np.ndarray, " epochs"]]:
    if not history and ended != "diverged":
        raise ValueError("`history` must hold at least one epoch, got none: train first.")
    names = [(part, metric) for part in ("train", "validation") for metric in ("loss", "accuracy")]
    try:
        curves = [np.array([float(r[part][name]) for r in history]) for part, name in names]
    except KeyError as error:
        raise ValueError(
            "`history` must have a loss and an accuracy of train and of validation in each epoch, "
            f"got one without {error}: make its steps with the metric `accuracy`."
        ) from error
    for accuracies in curves[1::2]:
        outside = (accuracies < 0) | (accuracies > 1)
        if outside.any():
            raise ValueError(
                f"`history` must have accuracies in [0, 1], got {accuracies[outside][0]:g}: pass "
                "fractions, not per cent."
            )
    return curves
