"""How the candidates learned: the mean curve of each over its lanes, training beside validation."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, shorten, text_width
from jaxvision.selection.mean_curves import Group, MeanCurve, mean_curve, ranked_groups
from jaxvision.selection.results import PARTS, SweepResult
from jaxvision.selection.scales import scale_of_hyperparameter
from jaxvision.selection.score_axis import in_percent, shown, shown_name

OFF_SCALE = 3  # times the largest loss at first: one that diverges would press the others flat
WIDE, HIGH, ROW = 4.2, 2.4, 0.23  # inches, as all lengths here: a panel at least, a line of text
LONGEST = 110  # letters of a label
TITLES = {"train": "Training", "validation": "Validation"}
Panels = Mapping[tuple[str, str], Axes]  # by part and metric


@house_style
def plot_learning_curves(
    result: SweepResult, by: str | None = None, metric: str = "accuracy"
) -> Picture:
    """Draws the mean curves of the candidates, with a band of one standard deviation of the lanes.

    A mean is that of the lanes that made the epoch. Where the first of them has ended the line gets
    thin: from there on it is the mean of others. A dot is where a lane ended before others of its
    curve, a cross where one diverged. The eight best are shown; a line says how many are not.

    Args:
        by: a hyperparameter: a curve for each of its values, over all others, instead of one for
            each candidate.
        metric: what the best are the best by, see `candidate_scores`.

    Raises:
        ValueError: if there is no such hyperparameter or metric, or no lane has made an epoch.
    """
    ranked = ranked_groups(result, by, metric)
    if not result.metrics:
        raise ValueError("`result` must have a lane with an epoch, got none: all diverged at once.")
    groups, left_out = ranked[: len(COLORS)], ranked[len(COLORS) :]
    if by is not None:
        order = scale_of_hyperparameter(result, by, "by").values
        groups.sort(key=lambda group: order.index(group.lanes[0].lane.hyperparameters[by]))
    measured = next(record for lane in result.lanes for record in lane.history)
    metrics = [name for name in measured["train"] if name in measured["validation"]]
    curves = {
        (part, name): [mean_curve(group.lanes, part, name) for group in groups]
        for name in metrics
        for part in PARTS
    }
    tops = {
        name: _top(name, curves["train", name] + curves["validation", name]) for name in metrics
    }
    notes = _notes(groups, curves["train", metrics[0]], left_out, metric)
    notes += [f"Above {top:.3g} the {name} is not shown." for name, top in tops.items() if top]
    panels = _lay_out(metrics, [_described(group) for group in groups], notes)
    for (part, name), axes in panels.items():
        drawn = list(zip(groups, curves[part, name], COLORS, strict=False))
        for group, curve, color in reversed(drawn):  # the best lies on top
            _draw(axes, group, curve, name, color)
    for name in metrics:
        last = max(len(curve.mean) for curve in curves["train", name])
        _scale([panels[part, name] for part in PARTS], name, tops[name], last)
    return panels["train", metrics[0]].figure


def _lay_out(metrics: Sequence[str], legend: Sequence[str], notes: Sequence[str]) -> Panels:
    """Empty panels, a row a metric and a column a part, above a legend and notes."""
    left, gap, below = 0.85, 0.35, 0.65 + ROW * (len(legend) + len(notes)) + 0.25
    wide = max(WIDE, (max(map(text_width, [*legend, *notes])) + 0.45 - gap) / 2)
    size = left + 2 * wide + gap + 0.25, below + (HIGH + gap) * len(metrics) + 0.15
    figure = Picture(figsize=size)
    panels = {}
    for row, name in enumerate(reversed(metrics)):
        for column, part in enumerate(PARTS):
            bottom = below + row * (HIGH + gap)
            axes = figure.place(left + column * (wide + gap), bottom, wide, HIGH)
            panels[part, name] = axes
            axes.tick_params(labelbottom=row == 0, labelleft=column == 0)
            if row == 0:
                axes.set_xlabel("epoch")
            if row == len(metrics) - 1:
                axes.set_title(TITLES[part], loc="left")
        panels["train", name].set_ylabel(shown_name(name))
    for i, text in enumerate([*legend, *notes]):
        y = (below - 0.75 - ROW * i) / size[1]
        if i < len(legend):
            ends = [left / size[0], (left + 0.35) / size[0]]
            figure.add_artist(Line2D(ends, [y, y], color=COLORS[i], lw=2.2))
        indent = 0.45 if i < len(legend) else 0
        figure.text((left + indent) / size[0], y, text, size=SMALL, va="center")
    return panels


def _draw(axes: Axes, group: Group, curve: MeanCurve, metric: str, color: str) -> None:
    mean, low, high = (shown(values, metric) for values in curve[:3])
    epochs = np.arange(1, len(mean) + 1)
    if not len(epochs):
        return
    whole = np.where(curve.lanes == curve.lanes[0], mean, np.nan)
    axes.fill_between(epochs, low, high, color=color, alpha=0.15, lw=0)
    axes.plot(epochs, mean, color=color, lw=0.9)
    marker = "o" if len(epochs) == 1 else ""  # a single point has no line
    axes.plot(epochs, whole, color=color, lw=2.2, marker=marker, ms=5, label=group.label)
    crosses = {len(lane.history) for lane in group.lanes if lane.diverged} - {0}
    dots = set(epochs[:-1][np.diff(curve.lanes) < 0].tolist()) - crosses
    for ends, marker, size in ((dots, "o", 5), (crosses, "X", 9)):
        ends = sorted(ends)
        axes.plot(ends, mean[np.array(ends, int) - 1], marker, c=color, ms=size, mec="w", zorder=3)


def _notes(
    groups: Sequence[Group], curves: Sequence[MeanCurve], left_out: Sequence[Group], metric: str
) -> list[str]:
    notes = []
    if any(len(group.lanes) > 1 for group in groups):
        notes.append("Band: one standard deviation of the lanes.")
    if any((np.diff(curve.lanes) < 0).any() for curve in curves):
        notes.append("Thin, from a dot on: the mean of the lanes that went on.")
    if any(lane.diverged for group in groups for lane in group.lanes):
        notes.append("Cross: a lane diverged.")
    if left_out:
        diverged = sum(any(lane.diverged for lane in group.lanes) for group in left_out)
        notes.append(
            f"{len(left_out)} more, worse by {shown_name(metric).removesuffix(' (%)')}, are not "
            f"shown" + (f"; of {diverged} of them a lane diverged." if diverged else ".")
        )
    return notes


def _described(group: Group) -> str:
    """A line of the legend: what it is, how many lanes, and how they ended."""
    count = len(group.lanes)
    text = f"{shorten(group.label, LONGEST)}: {count} lane{'s'[count == 1 :]}"
    ends = Counter(lane.ended for lane in group.lanes)
    told = {"patience": "stopped early", "halved": "dropped by halving", "diverged": "diverged"}
    return ", ".join([text, *(f"{ends[key]} {said}" for key, said in told.items() if ends[key])])


def _top(metric: str, curves: Sequence[MeanCurve]) -> float | None:
    """Where the axis of an unbounded metric ends, if the curves do not end below."""
    first = [curve.mean[0] for curve in curves if len(curve.mean) and np.isfinite(curve.mean[0])]
    if in_percent(metric) or not first:
        return None
    top = OFF_SCALE * max(first)
    return top if max(np.nanmax(curve.high, initial=top) for curve in curves) > top else None


def _scale(panels: Sequence[Axes], metric: str, top: float | None, last: int) -> None:
    """One scale of epochs and values for both panels of a metric."""
    low = min(axes.dataLim.y0 for axes in panels)
    high = max(axes.dataLim.y1 for axes in panels) if top is None else top
    log = not in_percent(metric) and 0 < low < high / 10
    for axes in panels:
        axes.xaxis.set_major_locator(
            MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        )
        margin = min(0.03 * (last - 1), 0.9) or 0.5  # below 1: there is no epoch 0
        axes.set_xlim(1 - margin, last + margin)
        if low > high:  # no value is finite
            continue
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,)))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.set_ylim(low / 1.1, high * 1.1)
        else:
            least = 0.5 if in_percent(metric) else 0.02 * abs(high) or 1.0  # of a flat curve
            spare = max(0.04 * (high - low), least)
            axes.set_ylim(low - spare, high + spare)
