"""Scenes of handwritten digits to find: a data set with boxes that needs no network.

The digits are scikit-learn's 1,797 of 8 x 8 pixels (`sources.digits`). A fixed permutation deals
them out to the parts, 1,000 to "train", 297 to "validation" and 500 to "test": no digit is in two.
Scene i of a part is a pure function of (seed, part, i); nothing is stored, and it is made anew each
time it is asked for. With all lengths for a scene of 128 pixels, and in proportion otherwise:

    digits      `fewest` to `most`; their 8 x 8 pixels become 18 to 48 high, up to 1.25 times as
                wide or as narrow, and turned by up to 10 degrees; darker or brighter than the
                ground by 60 to 160 grey levels, as far as there are so many
    ink         where a digit covers at least half of what is below it; its box is the smallest one
                of whole pixels around its ink
    overlaps    two boxes have an IoU of at most 0.3. Later digits lie on earlier ones, and of the
                ink of each at least two thirds are seen
    clutter     shades, lines from border to border, strips of digits, and noise. A strip is at most
                0.28 of a digit high and lies across: one along a 1 would be a 1

Where as many digits as were drawn find no room there are fewer, but never fewer than `fewest`.
"""

from typing import SupportsIndex

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw

from jaxvision.data.images import check_channels
from jaxvision.data.objects import AnnotatedItem, Objects
from jaxvision.data.scene_layout import (
    ROWS,
    Arrangement,
    Cover,
    Digit,
    Part,
    iou,
    random_digit,
    under,
)
from jaxvision.data.splits import check_seed

SMALLEST, FULL = 64, 12  # pixels in which digits are legible; digits that have room
TRIALS = 20  # for each digit
CONTRAST = (60, 160)


class DigitScenes:
    """`n` scenes of one part; the module says what is in them.

    Args:
        n: how many.
        size: of a scene's sides, in pixels, from 64 on.
        fewest: digits in a scene; with 0, some are empty.
        most: digits in a scene, at most 12.
        part: whose digits: "train", "validation" or "test".
        channels: 1 for grey, 3 for the same three times.
        seed: another gives other scenes, of the same digits.

    Raises:
        ValueError: if one of these is out of its range.
    """

    classes = tuple("0123456789")

    def __init__(
        self,
        n: int,
        size: int = 128,
        *,
        fewest: int = 1,
        most: int = 6,
        part: Part = "train",
        channels: int = 1,
        seed: int = 0,
    ):
        check_channels(channels)
        check_seed(seed)
        if n < 1 or size < SMALLEST:
            raise ValueError(
                f"`n` must be at least 1 scene, and `size` at least {SMALLEST} pixels, below which "
                f"digits are illegible, got {n} and {size}."
            )
        if not (0 <= fewest <= most and 1 <= most <= FULL):
            raise ValueError(
                f"`fewest` and `most` must be from 0 and 1 on, in this order, and at most {FULL}, "
                f"for which there is room, got {fewest} and {most}."
            )
        self.size, self.fewest, self.most, self.channels = size, fewest, most, channels
        self.part, self.seed, self._n = part, seed, n

    def __len__(self) -> int:
        return self._n

    def objects(self, index: SupportsIndex) -> Objects:
        return self._objects(self.layout(index))

    def __getitem__(self, index: SupportsIndex) -> AnnotatedItem:
        layout, image = self.draw(index)
        return {"image": image, "objects": self._objects(layout)}

    def describe(self, index: SupportsIndex) -> str:
        return f"scene {index} of {self.part}"

    def draw(self, index: SupportsIndex) -> tuple[list[Digit], UInt8[np.ndarray, "h w c"]]:
        """The digits of a scene, the lowest first, and its picture."""
        layout = self.layout(index)
        image = _draw(layout, self.size, self.part, self._random(index, 1))
        return layout, np.repeat(image[:, :, None], self.channels, axis=2)

    def layout(self, index: SupportsIndex) -> list[Digit]:
        """The digits of a scene, the lowest first."""
        random = self._random(index, 0)
        count = int(random.integers(self.fewest, self.most, endpoint=True))
        while True:
            arrangement = Arrangement(self.size)
            for _ in range(TRIALS * count):
                if len(arrangement.digits) == count:
                    break
                arrangement.add(random_digit(random, self.part, self.size))
            if len(arrangement.digits) >= self.fewest:
                return arrangement.digits

    def _random(self, index: SupportsIndex, use: int) -> np.random.Generator:
        i = range(self._n)[index]
        return np.random.default_rng((self.seed, list(ROWS).index(self.part), i, use))

    def _objects(self, layout: list[Digit]) -> Objects:
        return Objects(
            boxes=np.array([digit.box for digit in layout], np.float32).reshape(-1, 4),
            labels=np.array([digit.label for digit in layout], np.int32),
            difficult=np.zeros(len(layout), bool),
            crowd=np.zeros(len(layout), bool),
            height=self.size,
            width=self.size,
        )


def scenes(
    size: int = 128,
    channels: int = 1,
    *,
    train: int = 2000,
    validation: int = 200,
    test: int = 500,
    fewest: int = 1,
    most: int = 6,
    seed: int = 0,
) -> dict[str, DigitScenes]:
    """Scenes for each part: of validation and test no more than `train`, so that a short trial is
    one; for the other arguments see `DigitScenes`."""
    validation, test = min(validation, train), min(test, train)
    return {
        part: DigitScenes(
            n, size, fewest=fewest, most=most, part=part, channels=channels, seed=seed
        )
        for part, n in (("train", train), ("validation", validation), ("test", test))
    }


def _draw(
    layout: list[Digit], size: int, part: Part, random: np.random.Generator
) -> UInt8[np.ndarray, "size size"]:
    ground = random.uniform(30, 225)
    picture = _shades(ground, size, random)
    for _ in range(random.integers(1, 6)):
        digit = random_digit(random, part, size)
        strip, first = _strip(digit.cover, random)
        _paint(picture, strip, digit.top + first, digit.left, _greys(ground, random)[0])
    painted = []
    for digit in layout:
        # Ink on ink of the same grey could not be told apart.
        below = [grey for other, grey in painted if iou(digit.box, other.box) > 0]
        grey = max(
            _greys(ground, random),
            key=lambda grey: min((abs(grey - other) for other in below), default=0),
        )
        _paint(picture, digit.cover, digit.top, digit.left, grey)
        painted.append((digit, grey))
    noise = random.random(picture.shape, np.float32) - np.float32(0.5)
    picture += np.float32(random.uniform(0, 24)) * noise
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _shades(
    ground: float, size: int, random: np.random.Generator
) -> Float32[np.ndarray, "size size"]:
    """A ground of smooth shades, with lines across it."""
    coarse = random.uniform(-1, 1, (int(random.integers(3, 12)),) * 2)
    coarse = (ground + random.uniform(4, 25) * coarse).astype(np.float32)
    image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(0, 4)):
        a, b = random.uniform(0, size, 2)
        ends = [(0, a), (size, b)] if random.random() < 0.5 else [(a, 0), (b, size)]
        draw.line(ends, ground + random.uniform(-50, 50), round(size / 128 * random.uniform(1, 2)))
    return np.array(image)


def _strip(
    cover: Cover, random: np.random.Generator
) -> tuple[Float32[np.ndarray, "few columns"], int]:
    """Some rows of a digit, too few to know it by, and the first one's number."""
    count = max(2, int(len(cover) * random.uniform(0.15, 0.28)))
    first = int(random.integers(len(cover) - count, endpoint=True))
    return cover[first : first + count], first


def _greys(ground: float, random: np.random.Generator) -> list[float]:
    """Some greys that are told from the ground's."""
    contrasts = random.uniform(*CONTRAST, 4) * random.choice([-1, 1], 4)
    greys = [ground + c if 0 <= ground + c <= 255 else ground - c for c in contrasts]
    return [float(np.clip(grey, 0, 255)) for grey in greys]


def _paint(picture: np.ndarray, cover: Cover, top: int, left: int, grey: float) -> None:
    below = under(picture, cover, top, left)
    below += cover * (np.float32(grey) - below)
