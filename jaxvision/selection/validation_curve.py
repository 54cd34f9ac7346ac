"""What one hyperparameter does: training and validation beside each other, value by value.

Where both are bad the network learns too little; where training is good and validation is not, it
learns the examples by heart; between the two lies the value to choose (Goodfellow, Bengio &
Courville, "Deep Learning", MIT Press 2016, section 5.2, figure 5.3).
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, shorten, text_width
from jaxvision.selection.results import PARTS, SweepResult
from jaxvision.selection.scales import Scale, scale_of_hyperparameter
from jaxvision.selection.score_axis import in_percent, shown, shown_name, title_of
from jaxvision.selection.scores import CandidateScore, candidate_scores, mean_at_best, sign
from jaxvision.selection.spaces import Value

WIDE, HIGH, ROW = 5.6, 2.9, 0.23  # inches, as all lengths here: the axes, a line of text
LONGEST = 24  # letters of a value that is a word
SPARE = 0.05  # of the axis, beyond its ends
LOOKS = {"train": (COLORS[1], "training"), "validation": (COLORS[0], "validation")}


@house_style
def plot_validation_curve(result: SweepResult, by: str, metric: str = "accuracy") -> Picture:
    """Draws the mean score of training and validation over the values of a hyperparameter.

    A value stands for the best candidate that has it: the best over all other hyperparameters, as
    the title says. Each mean is of the lanes at their best epochs, in a band of one standard error.
    The best value has a ring. What the dashed line does not part from it, the one-standard-error
    rule (`simplest_candidate`) does not tell from it. A cross is a value of which every candidate
    has a lane that diverged.

    Args:
        by: the hyperparameter.
        metric: see `candidate_scores`.

    Raises:
        ValueError: if there is no such hyperparameter or metric, or no lane has made an epoch.
    """
    scale = scale_of_hyperparameter(result, by, "by")
    scores = candidate_scores(result, metric)
    if not result.metrics:
        raise ValueError("`result` must have a lane with an epoch, got none: all diverged at once.")
    best: dict[Value, CandidateScore] = {}
    for score in scores:  # in their order, so that the first of a value is its best
        best.setdefault(score.hyperparameters[by], score)
    chosen = scores[0] if math.isfinite(scores[0].mean) else None
    lanes = [result.candidates[best[value].candidate] for value in scale.values]
    record = next(record for lane in result.lanes for record in lane.history)
    means = {
        part: np.array([mean_at_best(of, part, metric) for of in lanes])
        for part in PARTS
        if metric in record[part]
    }

    notes = _notes(best.values(), chosen)
    axes = _lay_out(scale, by, title_of(scores, [by], metric), list(means), notes)
    axes.set_ylabel(shown_name(metric))
    places = np.array([scale.place(value) for value in scale.values])
    for part, values in means.items():
        _draw(axes, places, shown(values, metric), part, joined=scale.kind != "words")
    if chosen is not None:
        ring = {"ms": 13, "mfc": "none", "mec": LOOKS["validation"][0], "mew": 1.5}
        place = scale.place(chosen.hyperparameters[by])
        axes.plot([place], [shown(chosen.mean, metric)], "o", **ring)
        _scale(axes, metric)
    if _has_a_rule(chosen):
        rule = chosen.mean - sign(metric) * chosen.standard_error
        axes.axhline(shown(rule, metric), color=LOOKS["validation"][0], ls="--", lw=1)
    if chosen is None:
        axes.set_yticks([])
    bad = places[np.isnan(means["validation"][:, 0])]
    foot = axes.get_xaxis_transform()  # in parts of the height
    axes.plot(bad, np.full(len(bad), 0.06), "X", c="0.35", ms=9, transform=foot)
    return axes.figure


def _lay_out(
    scale: Scale, by: str, title: Sequence[str], parts: Sequence[str], notes: Sequence[str]
) -> Axes:
    """Empty axes with all that is around them: the title, a legend of the parts, the notes."""
    ticks = [(place, shorten(text, LONGEST)) for place, text in scale.ticks()]
    widest = max(text_width(text) for _, text in ticks)
    turned = widest + 0.1 > WIDE / len(ticks)
    below = (0.75 * widest + 0.1 if turned else 0.2) + 0.4 + ROW * (1 + len(notes))
    left = max(0.85, 0.75 * widest if turned else widest / 2)
    above = 0.25 * len(title) + 0.25
    right = WIDE if turned else WIDE + widest / 2
    right = left + max(right, *(text_width(line, 12) for line in [*title, *notes]))
    figure = Picture(figsize=(right + 0.15, below + HIGH + above))
    axes = figure.place(left, below, WIDE, HIGH)
    axes.set(xlim=(-SPARE, 1 + SPARE), xlabel=shorten(by, 50))
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    axes.set_xticks([place for place, _ in ticks], [text for _, text in ticks], **slanted)
    across, up = figure.get_size_inches()
    for i, line in enumerate(title):
        figure.text(left / across, 1 - (0.22 + 0.25 * i) / up, line, size=12, va="center")
    bottom = 0.05 + ROW * (len(notes) + 0.5)
    for i, part in enumerate(parts):
        color, name = LOOKS[part]
        start, y = left + 1.4 * i, bottom / up
        figure.add_artist(
            Line2D([start / across, (start + 0.35) / across], [y, y], c=color, lw=2.2)
        )
        figure.text((start + 0.45) / across, y, name, size=SMALL, va="center")
    for i, line in enumerate(notes, 1):
        figure.text(left / across, (bottom - ROW * i) / up, line, size=SMALL, va="center")
    return axes


def _draw(
    axes: Axes,
    places: Float[np.ndarray, " n"],
    values: Float[np.ndarray, "n 2"],
    part: str,
    *,
    joined: bool,
) -> None:
    """A part's means; between the values of a number, a line."""
    color, label = LOOKS[part]
    mean, error = values[:, 0], np.nan_to_num(values[:, 1])
    line = {"ls": "-" if joined else "", "lw": 2.2, "marker": "o", "ms": 5}
    axes.plot(places, mean, color=color, label=label, **line)
    if joined:
        axes.fill_between(places, mean - error, mean + error, color=color, alpha=0.15, lw=0)
    axes.errorbar(places, mean, error, fmt="none", ecolor=color, capsize=3, elinewidth=1)


def _notes(best: Iterable[CandidateScore], chosen: CandidateScore | None) -> list[str]:
    notes = []
    if any(math.isfinite(score.standard_error) for score in best):
        notes.append("Bars: one standard error of the lanes.")
    if _has_a_rule(chosen):
        notes.append("Dashed: the best (ring) less its standard error.")
    if any(score.diverged for score in best):
        notes.append("Cross: a lane diverged.")
    return notes


def _has_a_rule(chosen: CandidateScore | None) -> bool:
    return chosen is not None and math.isfinite(chosen.standard_error)


def _scale(axes: Axes, metric: str) -> None:
    """Logarithmic if an unbounded metric spans much."""
    low, high = axes.dataLim.y0, axes.dataLim.y1
    if not in_percent(metric) and 0 < low < high / 10:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
