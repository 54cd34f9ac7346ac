"""Where the digits of a scene lie, and that each of them is seen; `scenes` says what a scene is."""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int
from PIL import Image

from jaxvision.data.sources import digits

Part = Literal["train", "validation", "test"]
Cover = Float32[np.ndarray, "rows columns"]  # 0..1: how much it hides of what is below
Edges = tuple[int, int, int, int]  # left, top, right, bottom

ROWS = {"train": slice(0, 1000), "validation": slice(1000, 1297), "test": slice(1297, 1797)}
SIDES = (18 / 128, 48 / 128)  # of a digit's 8 pixels, in parts of the scene
STRETCH, TURN = 1.25, 10  # in width, at most; degrees, either way
INK = 0.5
MOST_IOU, LEAST_SEEN = 0.3, 2 / 3
FINE = 4  # pixels of a picture for each of a digit's, on each side


class Digit(NamedTuple):
    """A digit and where it lies."""

    label: int
    top: int  # where its cover begins
    left: int
    cover: Cover
    box: Edges  # of its ink


class Arrangement:
    """Digits that lie on each other, the lowest first, and leave enough of each to be seen."""

    def __init__(self, size: int):
        self.digits: list[Digit] = []
        self._inks: list[int] = []  # pixels of each
        self._seen: list[int] = []
        self._on_top = np.full((size, size), -1, np.int8)  # whose ink is seen

    def add(self, digit: Digit) -> None:
        """Lays a digit on the others, or leaves it out if it does not fit there."""
        if any(iou(digit.box, other.box) > MOST_IOU for other in self.digits):
            return
        ink, below = digit.cover >= INK, under(self._on_top, digit.cover, digit.top, digit.left)
        hidden = np.bincount(below[ink] + 1, minlength=len(self.digits) + 1)[1:]
        seen = [before - int(now) for before, now in zip(self._seen, hidden, strict=True)]
        if any(left < LEAST_SEEN * ink for left, ink in zip(seen, self._inks, strict=True)):
            return
        below[ink] = len(self.digits)
        self._inks.append(int(ink.sum()))
        self._seen = [*seen, self._inks[-1]]
        self.digits.append(digit)


@cache
def digit_rows(part: Part) -> Int[np.ndarray, " n"]:
    """Which of scikit-learn's digits are in the scenes of a part."""
    return np.random.default_rng(0).permutation(1797)[ROWS[part]]


def random_digit(random: np.random.Generator, part: Part, size: int) -> Digit:
    """A digit of random size and shape, somewhere in a scene."""
    pictures, labels = _pictures()
    rows = digit_rows(part)
    row = rows[random.integers(len(rows))]
    height, stretch, turn = random.uniform((size * SIDES[0], -1, -TURN), (size * SIDES[1], 1, TURN))
    cover = _enlarged(pictures[row], height, height * STRETCH**stretch, np.radians(turn))
    top, left = (int(random.integers(size - side, endpoint=True)) for side in cover.shape)
    x0, y0, x1, y1 = _extent(cover >= INK)
    return Digit(int(labels[row]), top, left, cover, (left + x0, top + y0, left + x1, top + y1))


def under(picture: np.ndarray, cover: Cover, top: int, left: int) -> np.ndarray:
    """A view of what a cover lies on."""
    rows, columns = cover.shape
    return picture[top : top + rows, left : left + columns]


def iou(a: Edges, b: Edges) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    areas = sum((right - left) * (bottom - top) for left, top, right, bottom in (a, b))
    return both / (areas - both)


@cache
def _pictures() -> tuple[list[Image.Image], Int[np.ndarray, " n"]]:
    """All digits, 0..1 with a margin of a pixel, in finer pixels; and what they are."""
    source = digits()["train"]
    padded = np.pad(source.images[..., 0] / np.float32(255), ((0, 0), (1, 1), (1, 1)))
    side = FINE * padded.shape[1]
    bicubic = Image.Resampling.BICUBIC
    return [Image.fromarray(digit).resize((side, side), bicubic) for digit in padded], source.labels


def _enlarged(picture: Image.Image, height: float, width: float, turn: float) -> Cover:
    """A digit whose 8 x 8 pixels are so many, turned (in radians), and cut to what covers."""
    down, right = height / (8 * FINE), width / (8 * FINE)
    columns, rows = int(1.35 * width) + 1, int(1.35 * height) + 1  # room for it, turned
    cos, sin = np.cos(turn), np.sin(turn)
    a, b, d, e = cos / right, sin / right, -sin / down, cos / down  # from the result back
    x, y = columns / 2, rows / 2
    middle = picture.width / 2
    back = (a, b, middle - a * x - b * y, d, e, middle - d * x - e * y)
    grey = np.asarray(
        picture.transform((columns, rows), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    )
    # What is grey in 8 x 8 pixels is the edge of a stroke, which in more pixels is narrower.
    cover = np.minimum(np.maximum((grey - np.float32(0.3)) / np.float32(0.4), 0), 1)
    x0, y0, x1, y1 = _extent(cover > 0)
    return cover[y0:y1, x0:x1]


def _extent(there: np.ndarray) -> Edges:
    rows, columns = there.any(axis=1), there.any(axis=0)
    right, bottom = len(columns) - int(columns[::-1].argmax()), len(rows) - int(rows[::-1].argmax())
    return int(columns.argmax()), int(rows.argmax()), right, bottom
