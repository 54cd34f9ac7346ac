"""Whether what is said with 80 % is true in 80 % of the cases: of classes, and of intervals."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from jaxvision.hyperparameters import require_whole
from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, shorten
from jaxvision.ops.calibration import Reliability, expected_calibration_error

SIDE = 3.2  # inches, as all lengths here
TRUE, GAP, REFERENCE = COLORS[0], COLORS[1], "0.55"
TICKS = (0, 20, 40, 60, 80, 100)


@house_style
def plot_reliability(found: Mapping[str, Reliability]) -> Picture:
    """Draws the accuracy at each confidence, a panel for each name, and how many examples it is of.

    A bar is the share of a bin that is correct, and the line across it the mean of what was said.
    What is between them is hatched: above the bar where too much was said, inside where too little.

    Args:
        found: by name, as "before" and "after" a temperature, from `ops.calibration.reliability`.

    Raises:
        ValueError: if there is none, or one that counts nothing.
    """
    if not found or not all(np.sum(one.counts) for one in found.values()):
        raise ValueError(
            f"`found` must hold a reliability of some examples for each name, got {list(found)}: "
            "make them by `jaxvision.ops.calibration.reliability`."
        )
    step, columns = SIDE + 0.5, 1 if len(found) == 1 else 3
    above = 0.5 + 0.25 * 3 / columns
    figure = Picture(figsize=(0.75 + len(found) * step, 0.6 + 0.9 + 0.3 + SIDE + above))
    for i, (name, one) in enumerate(found.items()):
        left = 0.75 + i * step
        axes = figure.place(left, 1.8, SIDE, SIDE)
        below = figure.place(left, 0.6, SIDE, 0.9)
        lower, widths = 100 * one.edges[:-1], 100 * np.diff(one.edges)
        said, true = 100 * one.confidence, 100 * one.accuracy
        shape = {"width": widths, "align": "edge"}
        axes.bar(lower, true, **shape, color=TRUE, ec="white", lw=0.6, label="correct")
        axes.bar(
            lower, np.abs(said - true), **shape, bottom=np.minimum(said, true), fill=False,
            ec=GAP, hatch="////", lw=0, label="gap to what was said",
        )  # fmt: skip
        axes.hlines(said, lower, lower + widths, color=GAP, lw=1.6)
        axes.plot([0, 100], [0, 100], color=REFERENCE, lw=1.2, ls="--", label="calibrated")
        error = 100 * expected_calibration_error(one)
        axes.set_title(f"{shorten(name, 24)}: ECE {error:.1f} %", loc="left", pad=10)
        axes.set(xlim=(0, 100), ylim=(0, 100), xticks=TICKS, yticks=TICKS)
        axes.tick_params(labelbottom=False)
        shares = 100 * one.counts / np.sum(one.counts)
        below.bar(lower, shares, **shape, color="0.6", ec="white", lw=0.6)
        below.set(xlim=(0, 100), xticks=TICKS, ylim=(0, 100), yticks=(0, 50, 100))
        below.set_xlabel("confidence (%)")
        if not i:
            axes.set_ylabel("correct (%)")
            below.set_ylabel("examples (%)")
            handles = axes.get_legend_handles_labels()
    figure.legend(
        *handles, loc="upper left", ncols=columns, frameon=False, fontsize=SMALL, labelspacing=0.2
    )
    return figure


@house_style
def plot_coverage(
    levels: Float[np.ndarray, " m"],
    observed: Mapping[str, Float[np.ndarray, " m"]],
    examples: int | None = None,
) -> Picture:
    """Draws how many of the intervals of each level have their target: on the diagonal, as said.

    Above the diagonal intervals are too wide, and below it too narrow.

    Args:
        levels: what the intervals are said to cover, as fractions, in ascending order.
        observed: by name, what they do, from `ops.calibration.coverage`.
        examples: how many these are of; given, a band shows where 95 % of calibrated ones are.

    Raises:
        ValueError: if `levels` or `observed` is not fractions, one has not a value for each level,
            or `examples` is below 1.
    """
    _check_coverage(levels, observed)
    figure = Picture(figsize=(0.75 + SIDE + 0.3, 0.65 + SIDE + 0.35 + 0.24 * len(observed)))
    axes = figure.place(0.75, 0.65, SIDE, SIDE)
    axes.plot([0, 100], [0, 100], color=REFERENCE, lw=1.2, ls="--")
    if examples is not None:
        require_whole("examples", examples, low=1)
        p = np.linspace(0, 1, 101)
        margin = 1.96 * np.sqrt(p * (1 - p) / examples)  # the binomial's, as a normal's
        axes.fill_between(100 * p, 100 * (p - margin), 100 * (p + margin), color="0.88", lw=0)
    marker = "o" if len(levels) <= 20 else ""
    for color, (name, shares) in zip(COLORS * len(observed), observed.items(), strict=False):
        axes.plot(
            100 * levels, 100 * shares, marker=marker, ms=4, lw=1.8, color=color,
            label=shorten(name, 36), clip_on=False,
        )  # fmt: skip
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=TICKS, yticks=TICKS)
    axes.set(xlabel="level of the interval (%)", ylabel="targets inside (%)")
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.01), frameon=False, borderaxespad=0, labelspacing=0.2
    )
    return figure


def _check_coverage(levels: np.ndarray, observed: Mapping[str, np.ndarray]) -> None:
    if not observed:
        raise ValueError("`observed` must have at least one name, got none: give {name: shares}.")
    for name, values in {"levels": levels, **observed}.items():
        if values.shape != levels.shape or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                f"`levels` and `observed` must be fractions, {len(levels)} each, got {name!r} of "
                f"shape {values.shape}, or outside [0, 1]: pass those of one evaluation."
            )
    if not len(levels) or (np.diff(levels) <= 0).any():
        raise ValueError(f"`levels` must ascend, at least one, got {levels.tolist()}: sort them.")
