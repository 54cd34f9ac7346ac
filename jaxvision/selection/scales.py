"""How the values of a hyperparameter stand along an axis, and how they are written."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.ticker import LogLocator, MaxNLocator

from jaxvision.names import lookup
from jaxvision.selection.results import SweepResult
from jaxvision.selection.spaces import Value

WIDE = 50  # times: positive numbers that span more were meant to be seen by their logarithms
MOST_TICKS = 7  # a value each, where a hyperparameter has no more of them
NARROW = 0.06  # of the axis: closer than that ticks would be written over each other


class Scale(NamedTuple):
    """An axis from 0 to 1.

    Attributes:
        kind: "linear", "log" or "words".
        low: the number at 0; of words, 0.
        high: the number at 1; of words, how many there are - 1.
        values: those that are there, each once, in the order of the axis.
    """

    kind: str
    low: float | int
    high: float | int
    values: list[Value]

    def place(self, value: Value) -> float:
        """Where the value stands; in the middle if there is no other."""
        number = self.values.index(value) if self.kind == "words" else value
        low, high = self.low, self.high
        if low == high:
            return 0.5
        if self.kind == "log":
            number, low, high = math.log(number), math.log(low), math.log(high)
        return (number - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels: the values themselves if they are few, else round numbers."""
        values = self.values
        if self.kind != "words" and len(values) > MOST_TICKS:
            values = self._round_numbers()
        ticks = []
        for value, label in zip(values, labels(values), strict=True):
            place = self.place(value)
            if not ticks or place - ticks[-1][0] >= NARROW:
                ticks.append((place, label))
        return ticks

    def _round_numbers(self) -> list[Value]:
        if self.kind == "log":
            low, high = self.low, self.high
            steps = (1,) if high / low > 1000 else (1, 3) if high / low > 100 else (1, 2, 5)
            ticks = LogLocator(subs=steps, numticks=MOST_TICKS).tick_values(low, high)
        else:
            ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        return [float(tick) for tick in ticks if self.low <= tick <= self.high]


def scale_of(values: Sequence[Value]) -> Scale:
    """The scale on which these values are told apart.

    Numbers are logarithmic if all are positive and the largest is more than `WIDE` times the
    smallest. If one value is a word or a truth, all are words, in the order in which they come.
    """
    different = list(dict.fromkeys(values))
    if any(isinstance(value, str | bool) for value in different):
        return Scale("words", 0, len(different) - 1, different)
    low, high = min(different), max(different)
    kind = "log" if low > 0 and high / low > WIDE else "linear"
    return Scale(kind, low, high, sorted(different))


def scale_of_hyperparameter(result: SweepResult, name: str, argument: str) -> Scale:
    """The scale of a hyperparameter over all candidates.

    Args:
        argument: what the name was given as, for the message.

    Raises:
        ValueError: if there is no such hyperparameter.
    """
    lookup(argument, name, dict.fromkeys(result.hyperparameters))
    candidates = result.candidates.values()
    return scale_of([lanes[0].lane.hyperparameters[name] for lanes in candidates])


def labels(values: Sequence[Value]) -> list[str]:
    """The values as one writes them, with three digits, or as many as tell them apart."""
    for digits in range(3, 18):
        written = [_write(value, digits) for value in values]
        if len(set(written)) == len(set(values)):
            break
    return written


def _write(value: Value, digits: int) -> str:
    if isinstance(value, str | bool):
        return str(value)
    if value == int(value) and abs(value) < 1e5:
        return str(int(value))
    text = f"{value:.{digits}g}"
    if abs(value) < 1e-3:  # where zeros must be counted to be read
        text = f"{value:.{digits - 1}e}"
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
