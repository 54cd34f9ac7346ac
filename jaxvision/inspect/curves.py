"""How a run learned: loss and accuracy over the epochs, training beside validation."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from jaxvision.inspect.picture import SMALL, Picture, house_style

# Okabe & Ito's blue and vermilion: told apart with every common colour blindness.
_PARTS = {"train": "#0072B2", "validation": "#D55E00"}
_TITLES = {
    "accuracy": "Accuracy (%)",
    "mAP": "Mean average precision (%)",
    "mIoU": "Mean IoU (%)",
    "PSNR": "PSNR (dB)",
}
_NOT_SHARES = ("PSNR",)  # what is in [0, 1], and is shown in per cent, is all else


@house_style
def plot_curves(
    history: Sequence[Mapping[str, Any]],
    best_epoch: int | None = None,
    share: str = "accuracy",
) -> Picture:
    """Draws loss and accuracy over the epochs, training beside validation.

    The loss gets a logarithmic axis where it spans more than a decade. Values that are not finite
    leave a gap in their curve, and the panel says how many there are.

    Args:
        history: one entry an epoch, in order: `{"epoch": 1, "train": {"loss": 0.7, "accuracy":
            0.6}, "validation": {...}}`, accuracies as fractions.
        best_epoch: the epoch to mark with a vertical line, numbered as in `history`.
        share: what is drawn beside the loss: "accuracy", "mAP", or "PSNR", in dB. Of the last two,
            which not both parts need have, what there is is drawn.

    Raises:
        ValueError: if `history` is empty, out of order or lacks a value, if an accuracy is outside
            [0, 1], or if `best_epoch` is not in `history`.
    """
    epochs, curves = _read_history(history, share)
    panel_of = ("loss", share)
    if best_epoch is not None and best_epoch not in epochs:
        raise ValueError(
            f"`best_epoch` must be an epoch of `history`, which has {epochs[0]} to {epochs[-1]}, "
            f"got {best_epoch}: pass the value of its `epoch`, not its place in the list."
        )
    figure = Picture(figsize=(10, 4))
    panels = {m: figure.place(0.8 + 5 * i, 0.6, 4.0, 2.8) for i, m in enumerate(panel_of)}
    for (part, metric), y in curves.items():
        y = 100 * y if metric == share and share not in _NOT_SHARES else y
        marker = "o" if len(epochs) <= 20 else ""  # a single point has no line
        panels[metric].plot(epochs, y, marker=marker, lw=1.8, ms=4, color=_PARTS[part], label=part)
    for metric, axes in panels.items():
        drawn = [y for (_, of), y in curves.items() if of == metric]
        missing = sum(int(np.isnan(y).sum()) for y in drawn)
        axes.set_xlabel("epoch" + (f" ({missing} values not finite)" if missing else ""))
        axes.xaxis.set_major_locator(
            MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        )
        margin = min(0.03 * (epochs[-1] - epochs[0]), 0.9) or 0.5  # below 1: there is no epoch 0
        axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="0.6", lw=1, zorder=0)
            side = "left" if 2 * best_epoch <= sum(axes.get_xlim()) else "right"
            axes.annotate(
                f"best: epoch {best_epoch}", (best_epoch, 1), (0, 4), ha=side, fontsize=SMALL,
                xycoords=axes.get_xaxis_transform(), textcoords="offset points",
            )  # fmt: skip
    panels["loss"].set_title("Loss", loc="left", pad=24)
    panels[share].set_title(_TITLES[share], loc="left", pad=24)
    beside_title = ScaledTranslation(0, 23 / 72, figure.dpi_scale_trans)
    with_both = panels[share if ("train", share) in curves else "loss"]
    with_both.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderpad=0,
        borderaxespad=0, bbox_transform=with_both.transAxes + beside_title,
    )  # fmt: skip
    losses = [y for (_, metric), y in curves.items() if metric == "loss"]
    _scale_losses(panels["loss"], np.concatenate(losses))
    _scale_accuracies(panels[share])
    return figure


def _read_history(history, share: str) -> tuple[list[int], dict[tuple[str, str], np.ndarray]]:
    """The epochs, and the values of each (part, metric), NaN where they are not finite."""
    if not history:
        raise ValueError("`history` must hold at least one epoch, got none: train first.")
    try:
        epochs = [int(entry["epoch"]) for entry in history]
        curves = {
            (part, metric): np.array([float(entry[part][metric]) for entry in history])
            for part, metric in itertools.product(_PARTS, ("loss", share))
            if share == "accuracy" or metric in history[0][part]
        }
    except KeyError as error:
        raise ValueError(
            "`history` must have epoch, train and validation, and in both of these loss and "
            f"accuracy, in every entry, got one without {error}: add it, or NaN if unmeasured."
        ) from error
    for before, after in itertools.pairwise(epochs):
        if after <= before:
            raise ValueError(
                f"`history` must be in the order of its epochs, each once, got {after} after "
                f"{before}: sort it, and of a resumed run keep each epoch once."
            )
    for (part, metric), y in curves.items():
        y[~np.isfinite(y)] = np.nan
        of_share = metric == share and share not in _NOT_SHARES
        if of_share and (outside := (y < 0) | (y > 1)).any():
            raise ValueError(
                f"`history` must have each {share} in [0, 1], got {y[outside][0]:g} for {part}: "
                "pass fractions, not per cent."
            )
    return epochs, curves


def _scale_losses(axes: Axes, losses: np.ndarray) -> None:
    losses = losses[~np.isnan(losses)]
    axes.ticklabel_format(axis="y", useOffset=False)
    if not losses.size or losses.min() <= 0 or losses.max() / losses.min() <= 10:
        return
    axes.set_yscale("log")
    steps = (1, 2, 5) if losses.max() / losses.min() < 200 else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _scale_accuracies(axes: Axes) -> None:
    """Shows two points at least, lest noise look like progress, and no more than 0 to 100 %."""
    low, high = axes.get_ylim()
    middle = (low + high) / 2
    low, high = min(low, middle - 1), max(high, middle + 1)
    spare = 0.03 * (high - low)  # the curves' width
    axes.set_ylim(max(low, -spare), min(high, 100 + spare))
