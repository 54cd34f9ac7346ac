"""Sources made of others: a part of one, one whose images have one size, its images alone."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt8

from jaxvision.data.images import fit_image
from jaxvision.data.sources import Item, Source, describe_items, read_items


class Subset:
    """The examples of `source` at `rows`, in that order."""

    def __init__(self, source: Source, rows: Int[np.ndarray, " n"] | Sequence[int]):
        self.source, self.rows = source, np.asarray(rows, np.int64)
        self.classes, self.labels = source.classes, source.labels[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Item:
        return self.source[int(self.rows[i])]

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        return read_items(self.source, [int(self.rows[i]) for i in indices])

    def describe(self, i: int) -> str:
        return describe_items(self.source, [int(self.rows[i])])


class Fitted:
    """`source` with every image scaled and centre-cropped to `height` x `width` pixels.

    The aspect is kept; `jaxvision.data.images.fit_image` says how.
    """

    def __init__(self, source: Source, height: int, width: int):
        self.source, self.height, self.width = source, height, width
        self.classes, self.labels = source.classes, source.labels

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> Item:
        return self._fitted(self.source[i])

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        return [self._fitted(item) for item in read_items(self.source, indices)]

    def describe(self, i: int) -> str:
        return describe_items(self.source, [i])

    def _fitted(self, item: Item) -> Item:
        return item | {"image": fit_image(item["image"], self.height, self.width)}


class Images(Sequence):
    """The images of `source` without the labels, read when they are asked for."""

    def __init__(self, source: Source):
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> UInt8[np.ndarray, "h w c"]:
        return self.source[i]["image"]
