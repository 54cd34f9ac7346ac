"""Some of a source's images with boxes, as those that are held out for validation."""

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int

from jaxvision.data.objects import AnnotatedItem, AnnotatedSource, Objects
from jaxvision.data.splits import check_seed


class Part:
    """The images of `source` at `rows`, in that order."""

    def __init__(self, source: AnnotatedSource, rows: Int[np.ndarray, " n"] | Sequence[int]):
        self.source, self.rows = source, np.asarray(rows, np.int64)
        self.classes = source.classes

    def __len__(self) -> int:
        return len(self.rows)

    def objects(self, index: SupportsIndex) -> Objects:
        return self.source.objects(int(self.rows[index]))

    def __getitem__(self, index: SupportsIndex) -> AnnotatedItem:
        return self.source[int(self.rows[index])]

    def describe(self, index: SupportsIndex) -> str:
        return self.source.describe(int(self.rows[index]))


def hold_out(source: AnnotatedSource, fraction: float, seed: int) -> tuple[Part, Part]:
    """Divides a source at random: (the larger part, `fraction` of it).

    Not stratified: an image has objects of many classes. Rows within a part ascend.

    Raises:
        ValueError: if a part would have no image, or the seed is negative.
    """
    check_seed(seed)
    count = round(len(source) * fraction)
    if not 0 < count < len(source):
        raise ValueError(
            f"`fraction` must leave images in both parts, got {fraction} of {len(source)}: hold "
            "another part out, or add images."
        )
    order = np.random.default_rng(seed).permutation(len(source))
    return Part(source, np.sort(order[count:])), Part(source, np.sort(order[:count]))
