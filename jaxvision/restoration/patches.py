"""Pictures as examples: squares cut out of them to learn from, and whole ones to measure by.

Patches are cut once, uint8, at places that are drawn with the seed; patch i of n comes out of
picture floor(i pictures / n), so that all pictures give equally many, up to one.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Num

from jaxvision.data.pictures import PictureSource
from jaxvision.restoration.problem import Problem


class Patches:
    """`count` squares out of the pictures of `source`, and what each was, if the problem says so.

    Args:
        source: true pictures.
        problem: gives "image", and with it a "target" where that is not made in the step.
        patch: pixels a side, of the truth.
        count: how many.
        seed: decides the places.

    Raises:
        ValueError: if there are fewer patches than pictures; or when a picture that is smaller than
            a patch is read.
    """

    def __init__(
        self, source: PictureSource, problem: Problem, patch: int, count: int, seed: int = 0
    ):
        if count < len(source):
            raise ValueError(
                f"`patches` must be at least 1 for each of the {len(source)} pictures, got "
                f"{count}: raise it, or leave pictures out."
            )
        self.source, self.problem, self.patch, self.seed = source, problem, patch, seed
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: SupportsIndex) -> dict[str, Num[np.ndarray, "_h _w c"]]:
        return self.__getitems__([range(self._count)[index]])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Num[np.ndarray, "_h _w c"]]]:
        """The patches at `indices`; of neighbours that share a picture it is read once."""
        patches = []
        for row, group in groupby(map(int, indices), key=self.row_of):
            picture = self.source[row]["image"]
            check_size(self.source, row, picture.shape, self.patch, "`--patch`")
            arrays = self.problem.pair(picture)
            patches += [self._cut(arrays, i) for i in group]
        return patches

    def row_of(self, i: int) -> int:
        """Which picture patch `i` comes out of."""
        return i * len(self.source) // self._count

    def describe(self, index: SupportsIndex) -> str:
        i = range(self._count)[index]
        return f"patch {i}, of {self.source.describe(self.row_of(i))}"

    def _cut(self, arrays: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
        # In pixels of the smaller one: only so do both show the same.
        scale = self.problem.scale
        side = self.patch // scale
        h, w, _ = arrays["image"].shape
        random = np.random.default_rng((self.seed, i))
        y, x = int(random.integers(h - side + 1)), int(random.integers(w - side + 1))
        scales = {"image": 1, "target": scale}
        return {
            name: array[
                y * scales[name] : (y + side) * scales[name],
                x * scales[name] : (x + side) * scales[name],
            ]
            for name, array in arrays.items()
        }


class Degraded:
    """Each picture as the network is given it, "image", and the truth, "target".

    Args:
        source: true pictures.
        problem: says what becomes of them.
        size: (height, width) that their middles are cut to; None to leave them whole.

    Raises:
        ValueError: when a picture is read that is too small to be measured.
    """

    def __init__(
        self, source: PictureSource, problem: Problem, size: tuple[int, int] | None = None
    ):
        self.source, self.problem, self.size = source, problem, size

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        given, truth = self.at(int(range(len(self))[index]))
        return {"image": self.problem.prepare(given), "target": truth}

    def at(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """(what is given, the truth), of picture number `i`."""
        picture = self.source[i]["image"]
        least = self.problem.quality.smallest + self.problem.quality.shave
        check_size(self.source, i, picture.shape, least, "SSIM")
        if self.size is not None:
            (top, bottom), (left, right) = (
                ((have - want) // 2, (have - want) // 2 + want)
                for have, want in zip(picture.shape, self.size, strict=False)
            )
            picture = picture[top:bottom, left:right]
        return self.problem.degrade(picture, i)

    def describe(self, index: SupportsIndex) -> str:
        return self.source.describe(index)


def check_size(
    source: PictureSource, i: int, shape: tuple[int, ...], least: int, needs: str
) -> None:
    """Refuses pictures that are too small.

    Args:
        source: of picture `i`, whose shape this is.
        least: pixels a side.
        needs: what asks for so many.

    Raises:
        ValueError: if picture `i` has a side of fewer.
    """
    if min(shape[:2]) < least:
        remedy = "take smaller patches, or leave it out" if "patch" in needs else "leave it out"
        raise ValueError(
            f"{source.describe(i)}: is {shape[0]} x {shape[1]} pixels, and {needs} needs at least "
            f"{least} x {least}: {remedy}."
        )
