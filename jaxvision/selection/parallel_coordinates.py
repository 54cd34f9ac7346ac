"""All hyperparameters of all candidates in one picture: a vertical axis each, a line a candidate.

Inselberg, "The Plane with Parallel Coordinates", The Visual Computer 1, 1985. Where only dark lines
go through an axis the value is good, whatever the others are; where all shades do, it matters
little.
"""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from jaxvision.inspect.picture import SMALL, Picture, house_style, shorten, text_width
from jaxvision.selection.results import SweepResult
from jaxvision.selection.scales import Scale, scale_of, scale_of_hyperparameter
from jaxvision.selection.score_axis import shades, shown, shown_name
from jaxvision.selection.scores import candidate_scores

LONGEST = 24  # letters of a name or a word
BELOW = -0.13  # where the lines of those end that have no score
Ticks = list[tuple[float, str]]


@house_style
def plot_parallel_coordinates(result: SweepResult, metric: str = "accuracy") -> Picture:
    """Draws each candidate as a line through its hyperparameters to its mean score, at the right.

    Darker is better, and the best is the widest. Candidates of which a lane diverged are dashed and
    grey. An axis is logarithmic where its numbers span more than a factor of 50 and are positive;
    words have a place each.

    Args:
        metric: see `candidate_scores`.

    Raises:
        ValueError: if there is no such metric, or no hyperparameter.
    """
    scores = candidate_scores(result, metric)
    if not result.hyperparameters:
        raise ValueError("`result` must have a hyperparameter to give an axis to, got none.")
    means = [score.mean for score in scores if math.isfinite(score.mean)]
    names = list(result.hyperparameters)
    scales = [scale_of_hyperparameter(result, name, "hyperparameters") for name in names]
    ticks = [_ticks(scale) for scale in scales]
    scored = scale_of([shown(mean, metric) for mean in means]) if means else None
    ticks.append(_ticks(scored) if scored else [])
    if len(means) < len(scores):
        ticks[-1].append((BELOW, "diverged"))
    title = f"{len(scores)} candidate{'s'[len(scores) == 1 :]}, darker is better"
    if len(means) < len(scores):
        title += f"; {len(scores) - len(means)} diverged, dashed"
    places, axes = _lay_out([*names, shown_name(metric)], ticks, title)

    shade = shades(means, metric)
    for score in reversed(scores):  # the best lies on top
        heights = [
            scale.place(score.hyperparameters[name])
            for name, scale in zip(names, scales, strict=True)
        ]
        if math.isfinite(score.mean):
            style = {"color": shade(score.mean), "lw": 3 if score is scores[0] else 1.5}
            heights.append(scored.place(shown(score.mean, metric)))
        else:
            style = {"color": "0.6", "lw": 1.2, "ls": (0, (4, 3)), "zorder": 1.5}
            heights.append(BELOW)
        marker = {"marker": "o", "ms": 3.5, "clip_on": False}
        axes.plot(places, heights, label=f"candidate {score.candidate}", **marker, **style)
    return axes.figure


def _lay_out(names: Sequence[str], ticks: Sequence[Ticks], title: str) -> tuple[list[float], Axes]:
    """The vertical axes with their labels, in inches from the first, and what to draw on."""
    names = [shorten(name, LONGEST) for name in names]
    named = [text_width(name, 11) for name in names]
    labelled = [max((text_width(label) for _, label in of), default=0) for of in ticks]
    places = [0.0]
    for i in range(1, len(names)):
        label = labelled[i] if i < len(names) - 1 else 0  # the last has its labels at the right
        beside = (named[i - 1] + named[i]) / 2 + 0.25
        places.append(places[-1] + max(1.5, label + 0.7, beside))
    left = 0.2 + max(labelled[0] + 0.1, named[0] / 2)
    beyond = max(labelled[-1] + 0.1, named[-1] / 2)
    width = max(left + places[-1] + beyond, text_width(title, 12) + 0.25)
    low = min([BELOW for of in ticks for place, _ in of if place < 0], default=0.0) - 0.05
    up = 3.4  # inches of an axis
    figure = Picture(figsize=(width + 0.2, 1.05 + up * (1 - low)))
    height = figure.get_figheight()
    figure.text(0.2 / figure.get_figwidth(), 1 - 0.22 / height, title, size=12, va="center")
    axes = figure.place(left, 0.15, places[-1], up * (1.05 - low))
    axes.set(xlim=(0, places[-1]), ylim=(low, 1.05))
    axes.set_axis_off()
    for i, (place, name, of) in enumerate(zip(places, names, ticks, strict=True)):
        axes.plot([place, place], [0, 1], color="0.35", lw=1, zorder=1, clip_on=False)
        axes.text(place, 1.09, name, size=11, ha="center", va="center")
        side, gap = ("left", 0.1) if i == len(names) - 1 else ("right", -0.1)
        for y, label in of:
            text = axes.text(place + gap, y, label, size=SMALL, ha=side, va="center", zorder=4)
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8})
    return places, axes


def _ticks(scale: Scale) -> Ticks:
    return [(place, shorten(label, LONGEST)) for place, label in scale.ticks()]
