"""A summary as a table that fits a terminal of 80 columns, with the totals below it."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from jaxvision.inspect.features import Feature, Pixels, Summary

COLUMNS = ("feature", "shape", "receptive\nfield", "stride", "offset", "parameters", "MACs")


def summary_table(summary: Summary) -> Group:
    """A row for each feature and output; all numbers are of one image and up to that row."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for i, column in enumerate(COLUMNS):
        table.add_column(
            column, justify="right" if i else "left", overflow="fold", vertical="bottom"
        )
    for feature in (*summary.features, *summary.outputs):
        table.add_row(*map(Text, _row(feature)))

    totals = Table.grid(padding=(0, 2))
    totals.add_column()
    totals.add_column(justify="right")
    for name, number, remark in _totals(summary):
        totals.add_row(*map(Text, (name, number, remark)))
    heading = f"An image of {by(summary.image_shape)}; parameters and MACs up to each feature.\n"
    return Group(Text(heading), table, "", totals)


def by(shape: tuple[int, ...]) -> str:
    """A shape as people write it, without the batch of one: "7 x 7 x 512"."""
    sizes = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    return " x ".join(map(str, sizes)) or "number"


def seen(feature: Feature) -> str:
    """The receptive field as people say it: "16", "16 x 8" or "image", for all of it."""
    rows, columns = ("image" if size is None else str(size) for size in feature.receptive_field)
    return rows if rows == columns else f"{rows} x {columns}"


def short(number: int) -> str:
    """Three digits and a unit: 4089184256 is "4.09 G"."""
    if number < 1000:
        return str(number)
    power = next(p for p in range(1, 7) if number < 999.5 * 1000**p or p == 6)
    return f"{number / 1000**power:#.3g}".rstrip(".") + f" {'kMGTPE'[power - 1]}"


def _row(feature: Feature) -> tuple[str, ...]:
    return (
        feature.name,
        by(feature.shape),
        seen(feature),
        _pair(feature.stride),
        _pair(feature.offset),
        f"{feature.parameters:,}",
        short(feature.macs),
    )


def _pair(pixels: tuple[Pixels, Pixels]) -> str:
    rows, columns = ("-" if p is None else str(p) for p in pixels)
    return rows if rows == columns else f"{rows}, {columns}"


def _totals(summary: Summary) -> list[tuple[str, str, str]]:
    macs = f"= {short(summary.macs)}, of convolutions and dense layers"
    rows = [
        ("parameters", f"{summary.parameters:,}", ""),
        ("statistics", f"{summary.statistics:,}", "numbers that are not trained"),
        ("MACs", f"{summary.macs:,}", macs if summary.macs >= 1000 else ""),
        ("activations", f"{short(summary.feature_bytes)}B", "if all features are kept"),
        ("", f"{short(summary.peak_bytes)}B", "at once at most, for the output alone"),
    ]
    return [row for row in rows if row[0] != "statistics" or summary.statistics]
