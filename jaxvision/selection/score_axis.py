"""How a score is written and coloured: accuracies in per cent, and the better the darker."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

from jaxvision.inspect.picture import shorten
from jaxvision.selection.scores import CandidateScore, sign, varying

Numbers: TypeAlias = float | Float[np.ndarray, "..."]
RGBA: TypeAlias = tuple[float, float, float, float]
# Blues, told apart with every colour blindness, the lightest of which shows as a line on white.
BLUES = ListedColormap(colormaps["Blues"](np.linspace(0.25, 1, 256)), "blues")


def shown_name(metric: str) -> str:
    """What stands at an axis: "loss", "accuracy (%)"."""
    return metric.replace("_", " ") + (" (%)" if in_percent(metric) else "")


def shown(value: Numbers, metric: str) -> Numbers:
    """The numbers that stand at an axis: 97.0 for an accuracy of 0.97."""
    return 100 * value if in_percent(metric) else value


def written(value: float, metric: str) -> str:
    """A score with three digits: "97.0", "0.312"."""
    number = shown(value, metric)
    return f"{number:.1f}" if in_percent(metric) else f"{number:#.3g}".rstrip(".")


def title_of(scores: Sequence[CandidateScore], drawn: Sequence[str], metric: str) -> list[str]:
    """The lines above a picture: of how many lanes a mean is, and what it is the best over."""
    counts = sorted({score.lanes for score in scores})
    lanes = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    name = shown_name(metric)
    title = [f"{name[0].upper()}{name[1:]}, mean of {lanes} lane{'s'[counts == [1] :]}"]
    others = [name for name in varying(scores) if name not in drawn]
    return [*title, shorten(f"best over {', '.join(others)}", 60)] if others else title


def shades(means: Sequence[float], metric: str) -> Callable[[float], RGBA]:
    """Colours for these means, from the worst, light, to the best, dark; a NaN among them has none.

    Raises:
        ValueError: if the metric's name does not say which way is better.
    """
    direction = sign(metric)
    good = [direction * mean for mean in means if math.isfinite(mean)]

    def shade(mean: float) -> RGBA:
        span = max(good) - min(good)
        return BLUES((direction * mean - min(good)) / span if span else 1.0)

    return shade


def in_percent(metric: str) -> bool:
    """Whether the metric is a fraction that is written in per cent."""
    return metric.rpartition("_")[2] == "accuracy"
