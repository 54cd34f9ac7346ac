"""Where on a plane a classifier says what: the regions of its classes, and the lines between them.

A perceptron's boundary is one line, and XOR has none (Minsky & Papert, "Perceptrons", 1969). Each
hidden unit has a line of its own, where its weighted sum is 0, and the boundary of a ReLU network
is made of pieces of lines: two hidden units do for XOR. With more units than the examples need, the
boundary goes around single ones.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Array, Float, Integer
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb

from jaxvision.hyperparameters import require_whole
from jaxvision.inspect.picture import COLORS, Picture, house_style, shorten
from jaxvision.inspect.pictures.labelled_points import check_points

SIDE = 3.6  # inches
PALE = 0.72  # how much white there is in a region's colour; points have it pure
MARKERS = "os^Dv"

Classifier = Callable[[Float[np.ndarray, "m 2"]], Float[Array, "m k"] | Float[np.ndarray, "m k"]]


@house_style
def plot_decision_regions(
    classifiers: Mapping[str, Classifier],
    points: Float[np.ndarray, "n 2"],
    labels: Integer[np.ndarray, " _n"],
    classes: Sequence[str],
    test: tuple[Float[np.ndarray, "t 2"], Integer[np.ndarray, " _t"]] | None = None,
    units: Mapping[str, Classifier] | None = None,
    resolution: int = 301,
) -> Picture:
    """Draws a panel for each classifier: regions, boundary, and the points it learned from.

    A point is in the region of its largest logit, of equal ones the first. The boundary is drawn
    where the largest two are equal, which is finer than the grid; where the regions are thinner
    than a cell of the grid they are not seen.

    Args:
        classifiers: by the title of the panel; each takes points [m, 2] in float32, all at once,
            and gives logits of the classes, at least two.
        points: those of the training.
        labels: theirs, as indices into `classes`.
        classes: the names, from 2 to 8.
        test: other points and their labels, drawn hollow.
        units: for some of the titles, a function from points to the weighted sums [m, u] of hidden
            units, before the activation; the line where each is 0 is drawn dashed.
        resolution: evaluated places a side.

    Raises:
        ValueError: if there are no classifiers or points, a coordinate is not finite, labels are
            not indices of `classes`, one a point, logits are not finite or not of as many classes,
            or `units` has a title that `classifiers` has not or does not give sums of all points.
    """
    require_whole("resolution", resolution, low=2)
    _check(classifiers, classes, units or {})
    for name, (where, what) in {
        "points": (points, labels),
        "test": test or (points, labels),
    }.items():
        check_points(name, where, what, classes)
    every = points if test is None else np.concatenate([points, test[0]])
    xs, ys = (_window(values, resolution) for values in every.T)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float32)

    marker_size = float(np.clip(65 / np.sqrt(len(every)), 4, 8))
    columns = min(len(classifiers), 4)
    rows = -(-len(classifiers) // columns)
    size = 0.35 + columns * (SIDE + 0.4), rows * (SIDE + 0.75) + 0.2
    figure = Picture(figsize=size)
    for place, (title, classify) in enumerate(classifiers.items()):
        row, column = divmod(place, columns)
        left, bottom = 0.5 + column * (SIDE + 0.4), 0.4 + (rows - 1 - row) * (SIDE + 0.75)
        axes = figure.place(left, bottom, SIDE, SIDE)
        logits = _evaluate(title, classify, grid, len(classes)).reshape(len(ys), len(xs), -1)
        _draw_regions(axes, xs, ys, logits)
        if units and title in units:
            sums = _evaluate_units(title, units[title], grid)
            for unit in sums.T.reshape(-1, len(ys), len(xs)):
                axes.contour(xs, ys, unit, [0.0], colors="0.35", linestyles="--", linewidths=1.1)
        _draw_points(axes, points, labels, classes, marker_size, hollow=False)
        if test is not None:
            _draw_points(axes, *test, classes, marker_size, hollow=True)
        axes.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
        axes.spines[:].set(visible=True)
        axes.locator_params(nbins=5)
        axes.set_title(shorten(title, 40), loc="left")
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="upper left", frameon=False,
        ncols=3 * columns, borderaxespad=0.1, handletextpad=0.1, columnspacing=1.2,
    )  # fmt: skip
    return figure


def _window(values: np.ndarray, resolution: int) -> Float[np.ndarray, " r"]:
    margin = 0.12 * np.ptp(values) or 1.0
    return np.linspace(values.min() - margin, values.max() + margin, resolution)


def _evaluate(title: str, classify: Classifier, grid: np.ndarray, count: int) -> np.ndarray:
    logits = np.asarray(classify(grid), np.float64)
    if logits.shape != (len(grid), count):
        raise ValueError(
            f"`classifiers` must give logits of the {count} `classes` for each point, got shape "
            f"{list(logits.shape)} for {len(grid)} points of {title!r}: for a single logit z, give "
            "0 and z."
        )
    if not np.isfinite(logits).all():
        raise ValueError(
            f"`classifiers` must give finite logits, got others from {title!r}: look for NaN in "
            "its training."
        )
    return logits


def _evaluate_units(title: str, units: Callable, grid: np.ndarray) -> np.ndarray:
    sums = np.asarray(units(grid), np.float64)
    if sums.ndim != 2 or len(sums) != len(grid):
        raise ValueError(
            f"`units` must give sums [m, u] for m points, got shape {list(sums.shape)} for "
            f"{len(grid)} points of {title!r}."
        )
    return sums


def _draw_regions(axes: Axes, xs: np.ndarray, ys: np.ndarray, logits: np.ndarray) -> None:
    count = logits.shape[-1]
    pale = [PALE + (1 - PALE) * np.array(to_rgb(COLORS[i])) for i in range(count)]
    half_x, half_y = (xs[1] - xs[0]) / 2, (ys[1] - ys[0]) / 2
    axes.imshow(
        np.argmax(logits, axis=-1), cmap=ListedColormap(pale), vmin=-0.5, vmax=count - 0.5,
        extent=(xs[0] - half_x, xs[-1] + half_x, ys[0] - half_y, ys[-1] + half_y),
        origin="lower", aspect="auto", interpolation="nearest",
    )  # fmt: skip
    for i in range(count):
        ahead = logits[..., i] - np.delete(logits, i, axis=-1).max(axis=-1)
        if ahead.min() < 0 < ahead.max():  # else there is no such line
            axes.contour(xs, ys, ahead, [0.0], colors="0.15", linewidths=1.3)
        if count == 2:
            break  # the other class has the same line


def _draw_points(
    axes: Axes,
    points: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    size: float,
    hollow: bool,
) -> None:
    for i, name in enumerate(classes):
        if not (labels == i).any():
            continue
        color = COLORS[i]
        face, edge = ("white", color) if hollow else (color, "white")
        axes.plot(
            *points[labels == i].T, MARKERS[i % len(MARKERS)], ms=size, mfc=face, mec=edge,
            mew=1.4 if hollow else 0.7, label=shorten(name, 20) + (" (test)" if hollow else ""),
        )  # fmt: skip


def _check(classifiers: Mapping, classes: Sequence[str], units: Mapping) -> None:
    if not classifiers:
        raise ValueError("`classifiers` must have at least one, got none: give {title: function}.")
    if not 2 <= len(classes) <= len(COLORS):
        raise ValueError(
            f"`classes` must be from 2 to {len(COLORS)}, which colours can tell apart, got "
            f"{len(classes)}: of more, draw some at a time."
        )
    if unknown := units.keys() - classifiers.keys():
        raise ValueError(
            f"`units` must have titles of `classifiers`, got {sorted(unknown)}, and these are "
            f"{list(classifiers)}."
        )
