"""Figures of what `inspect.pictures.landscape` computes: losses on a line, and on a plane."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from matplotlib.colors import LogNorm, Normalize

from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, shorten

SIDE = 4.2  # inches
LEVELS = 12  # contours; as many as may be told apart by their colours
PATH_COLORS = tuple(COLORS[i] for i in (5, 3, 6, 2, 7))  # none of the surface's, nor the mark's
NO_PATHS: Mapping[str, np.ndarray] = MappingProxyType({})


@house_style
def plot_loss_line(
    at: Float[np.ndarray, " m"], losses: Mapping[str, Float[np.ndarray, " m"]]
) -> Picture:
    """Draws losses along a line, the start (0) and the end (1) marked where the line has them.

    The losses have a logarithmic axis where they are positive and span more than a decade. One that
    is not finite leaves a gap, and the axis says how many there are.

    Args:
        at: where on the line, in ascending order.
        losses: by name, as "training" and "test", from `loss_along_line`.

    Raises:
        ValueError: if there is none, none is finite, or `at` does not ascend.
    """
    if not losses or not any(np.isfinite(values).any() for values in losses.values()):
        raise ValueError(
            f"`losses` must have a finite loss, got names {list(losses)}: of parameters with "
            "infinite losses there is nothing to draw."
        )
    _check_ascending("at", at, least=2)
    figure = Picture(figsize=(6.2, 4.0))
    axes = figure.place(0.85, 0.65, 5.05, 2.6)
    for color, (name, values) in zip(COLORS * len(losses), losses.items(), strict=False):
        finite = np.where(np.isfinite(values), values, np.nan)
        axes.plot(at, finite, "-", lw=2, color=color, label=shorten(name, 24))
    everything = np.concatenate(list(losses.values()))
    axes.set(xlim=(at[0], at[-1]), ylabel="loss")
    axes.set_xlabel("place on the line" + _not_finite(everything))
    if _spans_decade(everything):
        axes.set_yscale("log")
    for place, name in ((0.0, "start"), (1.0, "end")):
        if at[0] <= place <= at[-1]:
            axes.axvline(place, color="0.6", lw=1, zorder=0)
            side = "left" if place == at[0] else "right" if place == at[-1] else "center"
            axes.annotate(
                name, (place, 1), (0, 3), ha=side, xycoords=axes.get_xaxis_transform(),
                textcoords="offset points", size=SMALL,
            )  # fmt: skip
    figure.legend(
        *axes.get_legend_handles_labels(), loc="upper left", frameon=False, ncols=3,
        bbox_to_anchor=(0.1, 1),
    )  # fmt: skip
    return figure


@house_style
def plot_loss_plane(
    at_first: Float[np.ndarray, " n"],
    at_second: Float[np.ndarray, " m"],
    losses: Float[np.ndarray, "n m"],
    paths: Mapping[str, Float[np.ndarray, "_ 2"]] = NO_PATHS,
) -> Picture:
    """Draws contours of the loss on a plane, its smallest drawn value, and paths.

    The levels are logarithmic where the losses are positive and span more than a decade. Where the
    loss is not finite the plane stays white.

    Args:
        at_first: coordinates along the first direction, which goes to the right; ascending.
        at_second: along the second, which goes up.
        losses: at all pairs, from `loss_on_plane`.
        paths: by name, points of trainings in these coordinates, as from `project_path`; their ends
            get a disc.

    Raises:
        ValueError: if coordinates do not ascend, no loss is finite or all are the same, there are
            more paths than colours, or one is not in the plane's window.
    """
    _check_ascending("at_first", at_first, least=2)
    _check_ascending("at_second", at_second, least=2)
    finite = losses[np.isfinite(losses)]
    if not finite.size or finite.min() == finite.max():
        raise ValueError(
            "`losses` must have two finite values that differ, got "
            f"{'none' if not finite.size else f'{finite[0]:g} everywhere'}: take a window where "
            "the loss varies."
        )
    if len(paths) > len(PATH_COLORS):
        raise ValueError(
            f"`paths` must be at most {len(PATH_COLORS)}, got {len(paths)}: more cannot be told "
            "apart."
        )
    for name, path in paths.items():
        _check_path(name, path, at_first, at_second)
    rows = -(-(2 + len(paths)) // 3) if paths else 1  # of the legend
    figure = Picture(figsize=(SIDE + 2.4, SIDE + 0.9 + 0.25 * rows))
    axes = figure.place(0.85, 0.65, SIDE, SIDE)
    levels, norm = _levels(finite)
    values = np.ma.masked_invalid(losses.T)
    filled = axes.contourf(at_first, at_second, values, levels, norm=norm, cmap="Blues_r")
    axes.contour(at_first, at_second, values, levels, colors="0.25", linewidths=0.6)
    low = np.unravel_index(
        np.nanargmin(np.where(np.isfinite(losses), losses, np.nan)), losses.shape
    )
    axes.plot(
        at_first[low[0]], at_second[low[1]], "x", ms=10, mew=2.5, color=COLORS[1], zorder=4,
        clip_on=False, label=f"smallest: {losses[low]:.3g}",
    )  # fmt: skip
    for color, (name, path) in zip(PATH_COLORS, paths.items(), strict=False):
        axes.plot(*path.T, ".-", lw=1.6, ms=4, color=color, label=shorten(name, 24))
        axes.plot(*path[-1], "o", ms=8, color=color, mec="0.15", zorder=3)
    if paths:
        axes.plot([], [], "o", ms=8, color="none", mec="0.15", label="end")
    axes.set(xlabel="along the first direction" + _not_finite(losses))
    axes.set_ylabel("along the second direction")
    axes.spines[:].set(visible=True)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.2,
        columnspacing=1.2, handletextpad=0.5, borderpad=0.2,
    )  # fmt: skip
    bar = figure.place(0.85 + SIDE + 0.25, 0.65, 0.2, SIDE)
    figure.colorbar(filled, cax=bar, ticks=levels[::2], format="%.3g")
    bar.minorticks_off()
    bar.set_title("loss", loc="left")
    return figure


def _levels(finite: np.ndarray) -> tuple[np.ndarray, Normalize]:
    """From the smallest to the largest value, at equal ratios or distances."""
    low, high = finite.min(), finite.max()
    if _spans_decade(finite):
        return np.geomspace(low, high, LEVELS + 1), LogNorm(low, high)
    return np.linspace(low, high, LEVELS + 1), Normalize(low, high)


def _spans_decade(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.min() > 0 and finite.max() > 10 * finite.min())


def _not_finite(values: np.ndarray) -> str:
    missing = int((~np.isfinite(values)).sum())
    return f" ({missing} values not finite)" if missing else ""


def _check_ascending(name: str, values: np.ndarray, least: int) -> None:
    if len(values) < least or not (np.diff(values) > 0).all():
        raise ValueError(
            f"`{name}` must have at least {least} values in ascending order, got "
            f"{values.tolist()}: np.linspace gives such."
        )


def _check_path(
    path_name: str, path: np.ndarray, at_first: np.ndarray, at_second: np.ndarray
) -> None:
    for name, axis, values in (("first", at_first, path[:, 0]), ("second", at_second, path[:, 1])):
        if not ((values >= axis[0]) & (values <= axis[-1])).all():
            raise ValueError(
                f"`paths` must be inside the plane's window, got {path_name} from "
                f"{values.min():g} to {values.max():g} along the {name} direction, and a window of "
                f"{axis[0]:g} to {axis[-1]:g}: evaluate the loss on a larger one."
            )
