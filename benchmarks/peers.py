"""Writes the README's table against peers from docs/performance.md: no ratio is typed twice.

    python -m benchmarks.peers

Each ratio is of speed, ours divided by theirs, of medians of one run in which the ways took turns.
docs/performance.md has what was run, and the command that repeats it.
"""

import re
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- written by python -m benchmarks.peers -->\n", "<!-- to here -->"
TRAINED = {
    "LeNet-5, 64 images": "training step, LeNet-5, 64 images",
    "CIFAR ResNet-20 B, 64 images": "training step, CIFAR ResNet-20, 64 images",
    "ResNet-50, 8 images of 128 x 128": "training step, ResNet-50, 8 images of 128 x 128",
    "ResNet-50, 8 images of 224 x 224": "training step, ResNet-50, 8 images of 224 x 224",
    "VGG-16, gradient to a 224 x 224 image": "style transfer's step: VGG-16, gradient to a "
    "224 x 224 image",
}
HEAD = """| speed as a multiple of theirs | PyTorch | Keras on JAX | plain `lax`, Optax | n |
| --- | ---: | ---: | ---: | ---: |
"""


def section(page: str, title: str) -> str:
    """What is under this heading of the page."""
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str, beginning: str) -> dict[str, dict[str, str]]:
    """The table whose head begins like this: row -> column -> cell."""
    lines = text[text.index(beginning) :].splitlines()
    lines = takewhile(lambda line: line.startswith("|"), lines)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: dict(zip(cells[0][1:], rest, strict=True)) for first, *rest in cells[2:]}


def number(cell: str) -> float | None:
    """The first number of a cell; None where nothing was measured."""
    return float(cell.split()[0]) if re.match(r"\d", cell) else None


def written(ratio: float | None) -> str:
    """A ratio in the table."""
    return "-" if ratio is None else f"{ratio:.2f}"


def rounds(text: str) -> str:
    """How many rounds a median is of."""
    return re.search(r"median of (\d+) (?:alternating )?rounds", text.replace("\n", " "))[1]


def table(page: str) -> str:
    """The README's table, from the page's."""
    networks = section(page, "Convolutional networks on a CPU")
    lines = []
    for name, cells in rows(networks, "| training step |").items():
        if name in TRAINED:
            ours = number(cells["jaxvision in a scan"])  # as multiples of PyTorch's, all of them
            keras, plain = number(cells["Keras on JAX"]), number(cells["plain `lax`"])
            ratios = [ours, keras and ours / keras, plain and ours / plain]
            lines.append((TRAINED[name], *map(written, ratios), rounds(networks)))

    updates = section(page, "An optimizer's update")
    adam = rows(updates, "| | time |")["`adam`"]  # there it is time, and a small one is good
    fused, optax = 1 / number(adam["to PyTorch fused"]), 1 / number(adam["to Optax"])
    name = "Adam's update of 25.6 million parameters (PyTorch's fused)"
    lines.append((name, written(fused), "-", written(optax), rounds(updates)))
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def replace(readme: str, page: str) -> str:
    """The README with its table anew."""
    before, _, rest = readme.partition(BEGIN)
    return before + BEGIN + table(page) + END + rest.partition(END)[2]


if __name__ == "__main__":
    page = (ROOT / "docs" / "performance.md").read_text()
    README.write_text(replace(README.read_text(), page))
