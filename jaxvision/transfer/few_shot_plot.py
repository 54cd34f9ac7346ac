"""Few-shot curves side by side, each with the band of its mean's confidence."""

from collections.abc import Mapping

from matplotlib.ticker import FuncFormatter, NullLocator

from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, text_width
from jaxvision.transfer.few_shot import FewShot

LINES = COLORS[:-1]  # not grey, which bands that overlap look like
LEGEND = 6.6  # inches left of its names


@house_style
def plot_few_shot(curves: Mapping[str, FewShot], title: str = "Test accuracy (%)") -> Picture:
    """Accuracy over the examples a class, on a logarithmic axis; the band is 95 % confidence.

    Args:
        curves: by what they are called, at most seven.
        title: above the picture.

    Raises:
        ValueError: if there is no curve, or more than can be told apart.
    """
    if not 1 <= len(curves) <= len(LINES):
        raise ValueError(
            f"`curves` must be 1 to {len(LINES)}, got {len(curves)}: make several pictures."
        )
    names = max(text_width(name, 11) for name in curves)
    figure = Picture(figsize=(LEGEND + names, 4.4))
    axes = figure.place(0.8, 0.7, 4.9, 3.1)
    shown = sorted({int(number) for curve in curves.values() for number in curve.shots})
    for (name, curve), color in zip(curves.items(), LINES, strict=False):
        mean, margin = 100 * curve.mean, 100 * curve.margin()
        axes.fill_between(curve.shots, mean - margin, mean + margin, color=color, alpha=0.2, lw=0)
        axes.plot(curve.shots, mean, color=color, marker="o", ms=4, lw=1.8, label=name)
    axes.set_xscale("log")
    axes.set_xticks(shown)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
    axes.set_xlabel("examples a class")
    axes.set_ylim(top=100.5)
    axes.grid(axis="y", color="0.9", lw=0.8)
    axes.set_title(title, loc="left", pad=12)
    draws = sorted({curve.accuracies.shape[1] for curve in curves.values()})
    axes.legend(
        loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False,
        title=f"mean of {' or '.join(map(str, draws))}, 95 %", title_fontsize=SMALL,
    )  # fmt: skip
    return figure
