"""How much an optimizer's learning rate matters: the grid's table and picture."""

from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.optimizer_grid import ALRAO
from jaxvision.inspect.picture import SMALL, Picture, house_style

CLOSE = 0.02  # of the accuracy: as good as the best rate


def summarize(
    rates: Float[np.ndarray, " rates"] | None, measured: dict[str, np.ndarray]
) -> dict[str, Any]:
    """An optimizer's row of the table; `rates` is None for Alrao, which has none.

    The best rate has the highest median over the seeds in validation, of equal ones the highest
    mean, and then it is the lowest.

    Returns:
        "rate" and "validation": the best rate, and that median;
        "test": the accuracies at that rate: the lowest, the median, the highest;
        "blind": the median over all rates of the median test accuracy;
        "decades": the rates within `CLOSE` of the best in validation, times the distance between
        neighbours in decades;
        "open": whether the grid ends at one of them, so that there may be more outside.
    """
    medians, means = (f(measured["validation"], axis=1) for f in (np.median, np.mean))
    best = max(range(len(medians)), key=lambda i: (medians[i], means[i]))
    close = medians >= medians[best] - CLOSE
    tests = measured["test"]
    return {
        "rate": None if rates is None else float(rates[best]),
        "validation": float(medians[best]),
        "test": [float(f(tests[best])) for f in (np.min, np.median, np.max)],
        "blind": float(np.median(np.median(tests, axis=1))),
        "decades": None if rates is None else float(close.sum() * np.log10(rates[1] / rates[0])),
        "open": bool(close[0] or close[-1]),
    }


@house_style
def draw_grid(
    rates: Float[np.ndarray, " rates"],
    grid: dict[str, dict[str, np.ndarray]],
    table: dict[str, dict],
) -> Picture:
    """A panel an optimizer: its accuracy against the rate, all others in grey, Alrao's level."""
    names, columns = [name for name in grid if name not in ALRAO], 5
    rows = -(-len(names) // columns)
    width, height, gap = 1.95, 1.45, 0.5
    across, up = 0.75 + columns * (width + 0.22), 1.2 + rows * (height + gap)
    figure = Picture(figsize=(across, up - 0.2), dpi=100)
    curves = {name: 100 * np.median(grid[name]["validation"], axis=1) for name in names}
    for i, name in enumerate(names):
        row, column = divmod(i, columns)
        bottom = 1.0 + (rows - 1 - row) * (height + gap)
        axes = figure.place(0.7 + column * (width + 0.22), bottom, width, height)
        for other in names:
            axes.semilogx(rates, curves[other], color="0.85", lw=0.9, zorder=1)
        for alrao, dashes in zip(ALRAO, ("--", ":"), strict=True):
            if alrao in table:
                level = 100 * table[alrao]["validation"]
                axes.axhline(level, color="#D55E00", ls=dashes, lw=1.3, zorder=2, label=alrao)
        seeds = 100 * grid[name]["validation"]
        axes.fill_between(
            rates, seeds.min(axis=1), seeds.max(axis=1), color="#56B4E9", alpha=0.4, lw=0, zorder=2
        )
        axes.semilogx(rates, curves[name], color="#0072B2", lw=1.8, zorder=3)
        best = table[name]
        point = best["rate"], 100 * best["validation"]
        axes.plot(*point, "o", ms=6, mec="white", color="#0072B2", zorder=4)
        axes.annotate(
            f"{best['rate']:.2g}", point, (0, -19), textcoords="offset points", ha="center",
            color="#0072B2", weight="bold", fontsize=SMALL,
        )  # fmt: skip
        axes.set_title(name, loc="left", fontsize=11)
        axes.set(xlim=(rates[0], rates[-1]), ylim=(0, 103))
        axes.set_xticks([r for r in (1e-3, 1e-1, 10) if rates[0] <= r <= rates[-1]])
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_yticks([0, 50, 100], [] if column else ["0", "50", "100 %"])
    figure.legend(
        *axes.get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(0.99, 0.02),
        frameon=False, borderpad=0, fontsize=SMALL,
    )  # fmt: skip
    figure.text(
        0.01, 0.03, "Validation accuracy against the learning rate: the median of the seeds, their "
        "range,\nthe best rate; in grey the other optimizers.", fontsize=SMALL,
    )  # fmt: skip
    return figure


def grid_table(table: dict[str, dict]) -> str:
    """Markdown: a row an optimizer, the best in the test first."""
    lines = [
        "| optimizer | best rate | validation | test | any rate | decades |",
        "| --- |" + " ---: |" * 5,
    ]
    for name, row in sorted(table.items(), key=lambda pair: -pair[1]["test"][1]):
        rate, decades, blind = "none", "", ""
        if row["rate"] is not None:
            rate, blind = f"{row['rate']:.2g}", f"{100 * row['blind']:.1f} %"
            decades = f"{'at least ' if row['open'] else ''}{row['decades']:.1f}"
        low, median, high = (f"{100 * value:.1f}" for value in row["test"])
        lines.append(
            f"| {name} | {rate} | {100 * row['validation']:.1f} % | {median} ({low} to {high}) % "
            f"| {blind} | {decades} |"
        )
    return "\n".join(lines)
