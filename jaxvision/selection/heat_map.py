"""What two hyperparameters do to the score: a cell for each combination of their values."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from jaxvision.inspect.picture import SMALL, Picture, house_style, readable_on, shorten, text_width
from jaxvision.selection.results import SweepResult
from jaxvision.selection.scales import labels, scale_of_hyperparameter
from jaxvision.selection.score_axis import shades, title_of, written
from jaxvision.selection.scores import CandidateScore, candidate_scores

MOST = 20  # values a side: more cannot be read
LONGEST = 24  # letters of a value that is a word
HIGH = 0.55  # inches, of a cell
Cells = Mapping[tuple[int, int], Sequence[CandidateScore]]  # (row, column) -> the best first


@house_style
def plot_heat_map(result: SweepResult, x: str, y: str, metric: str = "accuracy") -> Picture:
    """Draws the mean score of each combination of two hyperparameters; darker is better.

    A cell has the mean over seeds and folds of the best candidate with its two values: the best
    over all other hyperparameters, as the title says. It is hatched if every candidate there has a
    lane that diverged, has a † if some have, and is blank where there is no candidate.

    Args:
        x: the hyperparameter of the columns.
        y: the hyperparameter of the rows, another one.
        metric: see `candidate_scores`.

    Raises:
        ValueError: if there is no such hyperparameter or metric, if `x` is `y`, or if one of them
            has more than 20 values.
    """
    scales = {
        x: scale_of_hyperparameter(result, x, "x"),
        y: scale_of_hyperparameter(result, y, "y"),
    }
    if x == y:
        raise ValueError(f"`x` and `y` must be two hyperparameters, got {x!r} for both.")
    for argument, scale in zip("xy", scales.values(), strict=True):
        if len(scale.values) > MOST:
            raise ValueError(
                f"`{argument}` must have at most {MOST} values for a heat map, got "
                f"{len(scale.values)}: for random draws there is `plot_parallel_coordinates`."
            )
    scores = candidate_scores(result, metric)
    cells: Cells = defaultdict(list)
    for score in scores:  # in their order, so that the first of a cell is its best
        row, column = (scales[name].values.index(score.hyperparameters[name]) for name in (y, x))
        cells[row, column].append(score)
    texts = {place: _text(cell, metric) for place, cell in cells.items()}
    title = title_of(scores, [x, y], metric)
    if any("†" in text for text in texts.values()):
        title.append("† a lane diverged with another value of these")
    ticks = [
        (shorten(name, 40), [shorten(text, LONGEST) for text in labels(scale.values)])
        for name, scale in scales.items()
    ]
    lines = [line for text in texts.values() for line in text.split("\n")]
    axes = _lay_out(ticks, title, max(0.7, max(map(text_width, lines)) + 0.2))
    _draw_cells(axes, cells, texts, metric)
    return axes.figure


def _lay_out(ticks: Sequence[tuple], title: Sequence[str], wide: float) -> Axes:
    """Empty axes for cells so many inches wide, as all lengths here, with all that is around."""
    (name_x, across), (name_y, up) = ticks
    widest, named = max(map(text_width, across)), text_width(name_x, 11)
    turned = widest + 0.1 > wide
    width, height = len(across) * wide, len(up) * HIGH
    left = max(
        max(map(text_width, up)) + 0.3,
        (named - width) / 2 + 0.15,
        *(0.75 * text_width(text) - i * wide for i, text in enumerate(across) if turned),
    )
    below, above = (0.75 * widest if turned else 0.1) + 0.5, 0.25 * len(title) + 0.5
    right = max(left + width, left + (width + named) / 2, text_width(name_y, 11) + 0.15)
    right = max(right, *(text_width(line, 12) + 0.15 for line in title))
    figure = Picture(figsize=(right + 0.2, below + height + above))
    for down, line, size in [
        *((0.22 + 0.25 * i, line, 12) for i, line in enumerate(title)),
        (above - 0.17, name_y, 11),
    ]:
        place = 0.15 / figure.get_figwidth(), 1 - down / figure.get_figheight()
        figure.text(*place, line, size=size, va="center")
    axes = figure.place(left, below, width, height)
    axes.set(xlim=(-0.5, len(across) - 0.5), ylim=(-0.5, len(up) - 0.5), xlabel=name_x)
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    axes.set_xticks(range(len(across)), across, **slanted)
    axes.set_yticks(range(len(up)), up)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _draw_cells(axes: Axes, cells: Cells, texts: Mapping, metric: str) -> None:
    shade = shades([cell[0].mean for cell in cells.values()], metric)
    for (row, column), cell in cells.items():
        diverged = math.isnan(cell[0].mean)
        color = "0.93" if diverged else shade(cell[0].mean)
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=color, edgecolor="white"))
        text = axes.text(column, row, texts[row, column], size=SMALL, ha="center", va="center")
        if diverged:  # the lines have the edge's colour: another patch has the white edge
            hatched = {"fill": False, "hatch": "////", "edgecolor": "0.7", "linewidth": 0}
            axes.add_patch(Rectangle(corner, 1, 1, **hatched))
            text.set_bbox({"facecolor": "0.93", "edgecolor": "none", "pad": 0.5})
        else:
            text.set_color(readable_on(color))


def _text(cell: Sequence[CandidateScore], metric: str) -> str:
    diverged = sum(score.diverged for score in cell)
    if math.isnan(cell[0].mean):
        return f"diverged\n{diverged} of {sum(score.lanes for score in cell)}"
    return written(cell[0].mean, metric) + (" †" if diverged else "")
