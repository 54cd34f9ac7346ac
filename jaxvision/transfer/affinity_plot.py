"""Which task helps which, as a map: a row for each source, beside the tree of what is alike."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import dendrogram, is_valid_linkage

from jaxvision.inspect.picture import SMALL, Picture, house_style, readable_on, shorten, text_width
from jaxvision.transfer.affinity import Affinity

MOST = 20  # tasks a side: more cannot be read
LONGEST = 32  # letters of a task's name
WIDE, HIGH = 0.95, 0.62  # inches, of a cell
TREE = 1.3  # inches, its width
HEADER, CAPTION = "learned before", "the sooner joined,\nthe more alike"
# Red is worse and blue better, told apart with every colour blindness; without the dark ends, on
# which neither a frame nor black text is seen.
COLORS = ListedColormap(colormaps["RdBu"](np.linspace(0.14, 0.86, 256)), "gains")


@house_style
def plot_affinity(
    affinity: Affinity, tree: Float[np.ndarray, "_merges 4"] | None = None, confidence: float = 0.95
) -> Picture:
    """Draws the gain over learning from scratch of each target (columns) after each source (rows).

    A cell has the mean gain in percentage points and half the width of its interval. It is bold if
    the interval leaves zero out, and framed if the transfer is negative. Targets that are sources,
    too, have the order of the rows, and come first.

    Args:
        tree: of the sources (`task_tree`): it is drawn at the left, and orders the rows. Without
            one they are as they are in `affinity`.
        confidence: of the intervals.

    Raises:
        ValueError: if the tree is not of these sources, or there are more than 20 sources or
            targets.
    """
    for argument, names in (("sources", affinity.sources), ("targets", affinity.targets)):
        if len(names) > MOST:
            raise ValueError(
                f"`affinity` must have at most {MOST} {argument} to be read, got {len(names)}: "
                "draw a part of it."
            )
    rows = list(range(len(affinity.sources)))
    if tree is not None:
        if not is_valid_linkage(tree) or len(tree) != len(rows) - 1:
            raise ValueError(
                f"`tree` must be a linkage matrix of the {len(rows)} sources, "
                f"[{len(rows) - 1}, 4], got {list(tree.shape)}: make it by `task_tree`."
            )
        rows = dendrogram(tree, no_plot=True)["leaves"]
    ordered = [affinity.sources[s] for s in rows]
    place = {name: i for i, name in enumerate(ordered)}
    columns = sorted(
        range(len(affinity.targets)), key=lambda t: place.get(affinity.targets[t], len(rows))
    )
    names = [shorten(name, LONGEST) for name in ordered]
    across = [shorten(affinity.targets[t], LONGEST) for t in columns]
    shown = np.ix_(rows, columns)
    mean, margin = 100 * affinity.mean[shown], 100 * affinity.margin(confidence)[shown]
    norm = Normalize(*(np.array([-1, 1]) * max(1.0, np.nanmax(np.abs(mean), initial=0.0))))

    axes = _lay_out(names, across, _title(affinity, confidence), tree)
    _draw_cells(axes, mean, margin, affinity.verdicts(confidence)[shown], norm)
    _draw_scale(axes, norm)
    return axes.figure


def _title(affinity: Affinity, confidence: float) -> list[str]:
    draws = affinity.gains.shape[2]
    title = ["Gain over learning from scratch, in points of accuracy"]
    if draws == 1:
        return [*title, "one draw of examples: no intervals"]
    return [
        *title,
        f"mean of {draws} draws ± {100 * confidence:g} %; bold: the interval leaves zero out",
        "framed: negative transfer, all of the interval is below zero",
    ]


def _lay_out(
    names: Sequence[str], across: Sequence[str], title: Sequence[str], tree: np.ndarray | None
) -> Axes:
    """Empty axes for the cells, with names, title and tree around; all lengths are in inches."""
    width, height = len(across) * WIDE, len(names) * HIGH
    widest = max(map(text_width, across))
    turned = widest + 0.1 > WIDE
    beside = 0.2 + (TREE + 0.1 if tree is not None else 0.0)
    slanted = (0.75 * text_width(name) - i * WIDE for i, name in enumerate(across) if turned)
    left = max(beside + max(*map(text_width, names), text_width(HEADER, 11)) + 0.15, *slanted, 0.0)
    below, above = (0.75 * widest + 0.15 if turned else 0.3) + 0.35, 0.27 * len(title) + 0.45
    right = max(left + width + 1.0, *(text_width(line, 12) + 0.15 for line in title)) + 0.2
    figure = Picture(figsize=(right, below + height + above))
    for i, line in enumerate(title):
        down = 1 - (0.24 + 0.27 * i) / figure.get_figheight()
        figure.text(0.15 / right, down, line, size=12 if i == 0 else 11, va="center")
    axes = figure.place(left, below, width, height)
    axes.set(xlim=(-0.5, len(across) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.set_xlabel("learned next")
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    axes.set_xticks(range(len(across)), across, **slant)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    corner = (left - 0.07) / right, (below + height + 0.12) / figure.get_figheight()
    figure.text(*corner, HEADER, size=11, ha="right", va="center")
    if tree is not None:
        _draw_tree(figure.place(0.2, below, TREE, height), tree)
    return axes


def _draw_tree(axes: Axes, tree: np.ndarray) -> None:
    drawn = dendrogram(tree, no_plot=True)
    for across, up in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        axes.plot(across, up, color="0.35", lw=1.5)
    # Leaves lie at 5, 15, 25, ...; the root is at the left, as the first row is at the top.
    top = max(tree[:, 2].max(), np.finfo(float).tiny)
    axes.set(xlim=(1.03 * top, 0), ylim=(10 * (len(tree) + 1), 0))
    axes.set_axis_off()
    axes.annotate(
        CAPTION, (0, 0), (0, -6), xycoords="axes fraction", textcoords="offset points",
        size=SMALL, va="top",
    )  # fmt: skip


def _draw_cells(
    axes: Axes, mean: np.ndarray, margin: np.ndarray, verdicts: np.ndarray, norm: Normalize
) -> None:
    for (row, column), gain in np.ndenumerate(mean):
        tried, corner = np.isfinite(gain), (column - 0.5, row - 0.5)
        color = COLORS(norm(gain)) if tried else (0.93, 0.93, 0.93, 1.0)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=color, edgecolor="white"))
        rounded = round(gain, 1) + 0.0  # so that -0.0 becomes 0.0
        text = f"{rounded:+.1f}" if tried else "not\ntried"
        if np.isfinite(margin[row, column]):
            text += f"\n± {margin[row, column]:.1f}"
        verdict = verdicts[row, column]
        axes.text(
            column, row, text.replace("-", "\N{MINUS SIGN}"), size=SMALL, ha="center", va="center",
            color=readable_on(color), weight="normal" if verdict == "none" else "bold",
        )  # fmt: skip
        if verdict == "negative":  # inside the cell, so that neighbours keep their frames apart
            inner = (corner[0] + 0.04, corner[1] + 0.05)
            axes.add_patch(Rectangle(inner, 0.92, 0.9, fill=False, edgecolor="black", lw=2.5))


def _draw_scale(axes: Axes, norm: Normalize) -> None:
    figure, box = axes.figure, axes.get_position()
    across, up = figure.get_size_inches()
    left, bottom, high = box.x1 * across + 0.15, box.y0 * up, box.height * up
    bar = figure.colorbar(ScalarMappable(norm, COLORS), cax=figure.place(left, bottom, 0.15, high))
    bar.outline.set_visible(False)
    for word, height in (("better", bottom + high + 0.2), ("worse", bottom - 0.21)):
        figure.text(left / across, height / up, word, size=SMALL, va="center")
