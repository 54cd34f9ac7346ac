"""A network as a row of blocks: how large its features are, and what each is computed from."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon

from jaxvision.inspect.features import IMAGE, Feature, Summary
from jaxvision.inspect.picture import SMALL, Picture, house_style, text_width
from jaxvision.inspect.summary_table import by, seen, short

# Inches, as all lengths here.
WIDEST = 15.0  # what is wider is broken into rows; two of them make a slide
LINE = 0.18
MARGIN = 0.6
GAP = 0.28  # between the labels of two blocks
ABOVE = 0.6  # a row, for arcs, and for the line that comes from the row before
TITLE = 0.75
LEGEND = (
    "size: logarithms of rows, columns, channels",
    "sees: receptive field / stride, in pixels",
)
JOINS = {
    "add": "dashed: residual connection",
    "concatenate": "fork: branches, put side by side",
}
INK, GREY, BLUE, GREEN = "0.4", "0.75", "#5b93cf", "#45a98a"


class Block(NamedTuple):
    """A feature, the output or the image, ready to be drawn.

    Attributes:
        names: of the array, several if it was returned several times.
        lines: what is written below it.
        size: (width, height) of its front, and how far the back lies to the right of it.
        color: of its front.
        slot: the width that it takes with what is written below it.
        sources: names of what it is computed from.
        joins: as in `Feature`.
    """

    names: tuple[str, ...]
    lines: tuple[str, ...]
    size: tuple[float, float, float]
    color: str
    slot: float
    sources: tuple[str, ...]
    joins: tuple[str, ...]

    @property
    def across(self) -> float:
        return self.size[0] + self.size[2]

    @property
    def up(self) -> float:
        return self.size[1] + 0.7 * self.size[2]


class Placed(NamedTuple):
    """Where a block is; `ceiling` is where its row begins, under the labels of the one before."""

    left: float
    right: float
    middle: float
    top: float
    ceiling: float


@house_style
def plot_network(summary: Summary, name: str = "") -> Picture:
    """Draws every feature as a block, in the order of `summary`, with arrows along the dataflow.

    Height and depth of a block grow with the logarithm of its rows and columns, its width with that
    of its channels. Below it are its shape and what a unit of it sees. A dashed arc is a residual
    connection, a fork leads through branches that end side by side.

    Args:
        summary: of the network.
        name: for the title.
    """
    blocks = _blocks_of(summary)
    rows = _break_into_rows(blocks)
    joins = {join for block in blocks for join in block.joins}
    legend = "    ".join((*LEGEND, *(text for join, text in JOINS.items() if join in joins)))
    title = f"{short(summary.parameters)} parameters, {short(summary.macs)} multiply-accumulates"
    title = f"{name}: {title}" if name else title
    inside = max(text_width(title, 14), text_width(legend), *(_length(row) for row in rows))
    ups = [max(block.up for block in row) for row in rows]
    downs = [LINE * (max(len(block.lines) for block in row) + 1) for row in rows]
    width, height = inside + 2 * MARGIN, TITLE + ABOVE * len(rows) + sum(ups) + sum(downs)

    figure = Picture(figsize=(width, height))
    axes = figure.place(0.0, 0.0, width, height)
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    axes.text(MARGIN, height - 0.35, title, size=14, va="center")
    axes.text(MARGIN, height - 0.68, legend, size=SMALL, va="center", color=INK)
    places: dict[str, Placed] = {}
    ceiling = height - TITLE
    for row, up, down in zip(rows, ups, downs, strict=True):
        x, middle = MARGIN, ceiling - ABOVE - up / 2
        for block in row:
            x += block.slot / 2
            place = _draw_block(axes, block, x, middle, ceiling)
            places |= dict.fromkeys(block.names, place)
            for i, line in enumerate(block.lines):
                y = middle - up / 2 - LINE * (i + 1)
                color = "0.15" if i < len(block.names) else INK
                axes.text(x, y, line, size=SMALL, ha="center", va="center", color=color)
            x += block.slot / 2
        ceiling -= ABOVE + up + down
    for before, block in itertools.pairwise(blocks):
        _draw_arrows(axes, before, block, places)
    return figure


def _length(row: Sequence[Block]) -> float:
    return sum(block.slot for block in row)


def _blocks_of(summary: Summary) -> list[Block]:
    """One for each array, in order, the image first."""
    nowhere = (None, None)
    image = Feature(IMAGE, summary.image_shape, (1, 1), nowhere, nowhere, 0, 0, 0, (), ())
    arrays: dict[str, list[Feature]] = {}
    for feature in (image, *summary.features, *summary.outputs):
        arrays.setdefault(feature.same_as or feature.name, []).append(feature)
    return [_block(*features) for features in arrays.values()]


def _block(feature: Feature, *same: Feature) -> Block:
    """Of a feature and those that are the same array."""
    names = (feature.name, *(other.name for other in same))
    labels = (feature.name, *(f"({other.name})" for other in same))
    lines = (*labels, by(feature.shape), *_sight(feature))
    color = GREY if feature.name == IMAGE else BLUE if len(feature.shape) == 4 else GREEN
    block = Block(names, lines, _size(feature.shape), color, 0.0, feature.sources, feature.joins)
    return block._replace(slot=max(block.across, *map(text_width, lines)) + GAP)


def _sight(feature: Feature) -> tuple[str, ...]:
    """The receptive field and the stride, in words; nothing for what has no place in the image."""
    if feature.stride == (None, None):
        return ()
    rows, columns = feature.stride
    steps = f"{rows}" if rows == columns else f"{rows} x {columns}"
    return (f"sees {seen(feature)} / {steps}",)


def _size(shape: tuple[int, ...]) -> tuple[float, float, float]:
    rows, columns = shape[1:3] if len(shape) == 4 else (1, 1)
    width = 0.1 + 0.05 * math.log2(max(1, shape[-1] if shape else 1))
    return width, _side(rows), 0.3 * _side(columns)


def _side(pixels: int) -> float:
    return 0.14 + 0.22 * math.log2(max(1, pixels))


def _break_into_rows(blocks: Sequence[Block]) -> list[list[Block]]:
    """As few rows as fit the width, and those of about one length."""
    total = _length(blocks)
    length = total / math.ceil(total / WIDEST)
    rows: list[list[Block]] = [[]]
    begun = 0.0
    for block in blocks:
        if rows[-1] and begun + block.slot / 2 > length * len(rows):
            rows.append([])
        rows[-1].append(block)
        begun += block.slot
    return rows


def _draw_block(axes: Axes, block: Block, x: float, middle: float, ceiling: float) -> Placed:
    """Draws a box seen from the left and above, its centre at (x, middle)."""
    width, height, right = block.size
    back = 0.7 * right
    left, bottom = x - block.across / 2, middle - block.up / 2
    corner = {
        (i, j, k): (left + i * width + k * right, bottom + j * height + k * back)
        for i, j, k in itertools.product((0, 1), repeat=3)
    }
    for shade, face in (
        (1.0, [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]),
        (0.55, [(0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)]),
        (0.8, [(1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)]),
    ):
        points = [corner[place] for place in face]
        color = (block.color, shade)  # on white, so that paler is lighter
        axes.add_patch(Polygon(points, facecolor=color, edgecolor="white", lw=0.8))
    return Placed(left, left + block.across, middle, bottom + block.up, ceiling)


def _draw_arrows(axes: Axes, before: Block, block: Block, places: dict[str, Placed]) -> None:
    """The arrows that lead to `block`; `before` is the one drawn before it."""
    end = places[block.names[0]]
    for source in block.sources:
        start = places[source]
        if source in before.names:
            _draw_flow(axes, start, end, block.joins)
        elif start.ceiling == end.ceiling:
            _draw_arc(axes, (start.left + start.right) / 2, start.top, end, "-")
        else:
            axes.annotate(
                f"from {source}", ((end.left + end.right) / 2, end.top), (0, 24), size=SMALL,
                textcoords="offset points", color=INK, ha="center",
                arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1, "shrinkA": 0},
            )  # fmt: skip


def _draw_flow(axes: Axes, start: Placed, end: Placed, joins: tuple[str, ...]) -> None:
    """From a block to the next, around the turn where that begins a row."""
    x, top = (start.left + start.right) / 2, start.top
    tail = start.right
    if start.ceiling != end.ceiling:
        left, right = MARGIN / 3, axes.get_xlim()[1] - MARGIN / 3
        axes.plot(
            [start.right, right, right, left, left],
            [start.middle, start.middle, end.ceiling, end.ceiling, end.middle],
            color=INK, lw=1, solid_joinstyle="round",
        )  # fmt: skip
        x, top, tail = left, end.middle, left
    _draw_arrow(axes, (tail, end.middle), (end.left, end.middle), 0.0, "-")
    for bend in (0.6, -0.6) if "concatenate" in joins else ():
        _draw_arrow(axes, (tail, end.middle), (end.left, end.middle), bend, "-", head="-")
    if "add" in joins:
        _draw_arc(axes, x, top, end, "--")


def _draw_arc(axes: Axes, x: float, y: float, end: Placed, line: str) -> None:
    """Over whatever lies between, onto the top of a block."""
    head = (end.left + end.right) / 2, end.top
    _draw_arrow(axes, (x, y), head, -min(0.45, 0.7 / math.dist((x, y), head)), line)


def _draw_arrow(axes: Axes, start, end, bend: float, line: str, head: str = "-|>") -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle=head, mutation_scale=9, color=INK, lw=1, linestyle=line,
            connectionstyle=f"arc3,rad={bend}", shrinkA=2, shrinkB=2,
        )
    )  # fmt: skip
