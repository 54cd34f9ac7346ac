"""How it shows in two learning curves that a training went wrong: the cases of `diagnosis`.

What is said of a gap or of a training error holds only once the curves have come to rest. So the
cases are looked for in this order, and the first that is there is the verdict:

    diverged, too short, not learning, rate too high, overfit by its loss, still improving,
    overfit by its gap, underfit, well fitted

The training's metrics are means over an epoch in which the parameters went on changing: they are
those of half an epoch before. So each accuracy is moved on by half of what it gains in the next
epoch. Augmentation and dropout make training harder than validation, and its metrics worse than the
network is: where it does better in validation, that is what it is taken to be capable of.
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxvision.selection.remedies import USED

SHORTEST = 3  # epochs: two points make a line, and only a third shows whether it bends
END = 3  # epochs that stand for the end, by their mean or median: one alone is noisy
EXPLODED = 2.0  # times the loss at first, or that of guessing: without progress it wavers by less
COLLAPSED = 3.0  # times as far above chance as what is still called chance: this was learning
ABOVE_CHANCE = 0.05  # of the way from chance to perfect: less is what uneven classes bring
RISING = 0.2  # of the epochs: where a schedule restarts the loss rises too, but in few of them
RISE = 0.05  # of all that the training loss spans: means over epochs waver by far less at rest
NOISE = 0.05  # of the training loss: of a fine-tuned network it spans little more than its noise
RISEN = 0.1  # of the validation loss: between two epochs at rest it wavers by some per cent
LEAST = 0.01  # a hundredth of a nat, one per cent of probability: near zero all else is noise
GAP = 0.05  # five points of accuracy: two standard errors of 250 images at 80 %
FLAT_LOSS = 0.02  # of the loss: what a fifth more epochs must bring at least to be worth their time
FLAT_ACCURACY = 0.01  # one point, likewise
UNDERFIT = 0.1  # ten points: augmentation alone costs some, and what is attainable is a guess


class Training(NamedTuple):
    """The values of each epoch, and what they are judged by."""

    train_loss: Float[np.ndarray, " epochs"]
    train_accuracy: Float[np.ndarray, " epochs"]
    loss: Float[np.ndarray, " epochs"]  # in validation, as is `accuracy`
    accuracy: Float[np.ndarray, " epochs"]
    diverged: bool
    classes: int
    chance: float
    target: float
    validation_images: float
    used: Collection[str]

    @property
    def epochs(self) -> int:
        return len(self.loss)

    @property
    def near_chance(self) -> float:
        return self.chance + min(self.chance, ABOVE_CHANCE * (1 - self.chance))

    @property
    def end(self) -> tuple[float, float]:
        """The accuracies of training and validation at the end."""
        gains = np.diff(self.train_accuracy)
        ahead = self.train_accuracy + 0.5 * np.append(gains, gains[-1])
        return float(np.minimum(ahead[-END:], 1).mean()), float(self.accuracy[-END:].mean())

    @property
    def too_wide(self) -> bool:
        """Whether the gap is more than chance explains."""
        train, validation = self.end
        noise = 2 * math.sqrt(validation * (1 - validation) / self.validation_images)
        return train - validation > max(GAP, noise)


def _not_finite(training: Training) -> str | None:
    if training.diverged:
        return f"The training was no longer finite after {training.epochs} whole epochs."
    finite = np.isfinite(np.stack(training[:4])).all(axis=0)
    if finite.all():
        return None
    return f"In epoch {int(np.argmin(finite)) + 1} a loss or an accuracy was not finite."


def _exploded(training: Training) -> str | None:
    first, last = training.train_loss[[0, -1]]
    guessing = math.log(training.classes)  # the loss of one who holds all classes for as probable
    # A fine-tuned network begins near zero: twice that is no disaster.
    if last > max(EXPLODED * first, guessing):
        return f"The training loss has risen from {first:.3g} to {last:.3g}."
    best, end = training.train_accuracy.max(), training.train_accuracy[-1]
    learnt = best - training.chance > COLLAPSED * (training.near_chance - training.chance)
    if end >= training.near_chance or not (learnt or last > EXPLODED * guessing):
        return None
    return (
        f"The training accuracy was {_percent(best)} at its best and is {_percent(end)} at the "
        f"end, where chance gets {_percent(training.chance)}; the training loss is {last:.3g}, and "
        f"that of guessing {guessing:.3g}."
    )


def _too_short(training: Training) -> str | None:
    if training.epochs < SHORTEST:
        return f"There are {training.epochs} epochs, too few to see where the curves go."
    return None


def _not_learning(training: Training) -> str | None:
    best = max(training.train_accuracy.max(), training.accuracy.max())
    if best >= training.near_chance:
        return None
    return (
        f"No accuracy, of training or validation, was above {_percent(best)}, where chance gets "
        f"{_percent(training.chance)}; the training loss went from {training.train_loss[0]:.3g} to "
        f"{training.train_loss[-1]:.3g}."
    )


def _rate_too_high(training: Training) -> str | None:
    steps = np.diff(training.train_loss)
    steps = steps[-max(END, len(steps) // 2) :]  # a schedule may have lowered the rate since
    rises, span = steps[steps > 0], np.ptp(training.train_loss)
    if len(rises) < max(2, RISING * len(steps)):
        return None
    if rises.mean() < max(RISE * span, NOISE * np.median(training.train_loss)):
        return None
    return (
        f"The training loss rose in {len(rises)} of the last {len(steps)} epochs, by "
        f"{rises.mean():.3g} in the mean, where all its values lie within {span:.3g}."
    )


def _overfit_by_loss(training: Training) -> str | None:
    best = int(np.argmin(training.loss))
    if training.epochs - 1 - best < 2:  # one worse epoch is no rise
        return None
    end = slice(max(best + 1, training.epochs - END), None)
    (before, after), (fell_from, fell_to) = (
        (x[best], np.median(x[end])) for x in (training.loss, training.train_loss)
    )
    if after - before < max(RISEN * before, LEAST) or fell_to >= fell_from:
        return None
    text = (
        f"The validation loss has risen from {before:.3g}, its best, in epoch {best + 1}, to "
        f"{after:.3g} at the end, while the training loss went on falling, from {fell_from:.3g} to "
        f"{fell_to:.3g}."
    )
    if np.median(training.accuracy[end]) >= training.accuracy[best]:
        text += (
            " The validation accuracy has not suffered: the network is no worse, but too sure of "
            "its mistakes."
        )
    return text


def _still_improving(training: Training) -> str | None:
    tail = max(2, round(training.epochs / 5))
    (loss, least), (accuracy, most) = (
        (best(x[:-tail]), best(x[-tail:]))
        for x, best in ((training.loss, min), (training.accuracy, max))
    )
    gains = []
    if loss - least > max(FLAT_LOSS * loss, LEAST):
        gains.append(f"the loss from {loss:.3g} to {least:.3g}")
    if most - accuracy > FLAT_ACCURACY:
        gains.append(f"the accuracy from {_percent(accuracy)} to {_percent(most)}")
    if not gains:
        return None
    text = f"The last {tail} of {training.epochs} epochs improved validation, {_and(gains)}."
    return f"{text} {_gap(training)}" if training.too_wide else text


def _overfit_by_gap(training: Training) -> str | None:
    if not training.too_wide:
        return None
    if training.target - training.end[0] <= UNDERFIT:
        return _gap(training)
    return (
        f"{_gap(training)} The training accuracy too is far below {_percent(training.target)}, "
        "which are thought attainable: more regularisation will ask for a larger network."
    )


def _underfit(training: Training) -> str | None:
    train, validation = training.end
    if training.target - max(train, validation) <= UNDERFIT:
        return None
    text = (
        f"The training accuracy has come to rest at {_percent(train)}, where "
        f"{_percent(training.target)} are thought attainable, and that of the validation at "
        f"{_percent(validation)}."
    )
    harder = [USED[name] for name in ("augmentation", "dropout") if name in training.used]
    if harder:
        text += f" It was measured with {_and(harder)}: without, it may be better."
    return text


def _well_fitted(training: Training) -> str:
    train, validation = training.end
    return (
        f"The curves have come to rest at accuracies of {_percent(train)} in training and "
        f"{_percent(validation)} in validation."
    )


def _gap(training: Training) -> str:
    train, validation = training.end
    return (
        f"At the end the accuracy is {_percent(train)} in training and {_percent(validation)} in "
        f"validation, a gap of {100 * (train - validation):.1f} points."
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _and(words: Sequence[str]) -> str:
    return " and ".join(words)


SYMPTOMS: tuple[tuple[str, Callable[[Training], str | None]], ...] = (
    ("diverged", _not_finite),
    ("diverged", _exploded),
    ("too short", _too_short),
    ("not learning", _not_learning),
    ("rate too high", _rate_too_high),
    ("overfit", _overfit_by_loss),
    ("still improving", _still_improving),
    ("overfit", _overfit_by_gap),
    ("underfit", _underfit),
    ("well fitted", _well_fitted),
)
