"""What a source of images with masks is: every pixel of an image has a class, or is not counted."""

from collections.abc import Sequence
from typing import Protocol, SupportsIndex, TypedDict, runtime_checkable

import numpy as np
from jaxtyping import Int, Int32, UInt8

from jaxvision.data.splits import check_seed

NOT_COUNTED = -1  # in a segmentation: a pixel of no class, neither learned nor measured


class MaskedItem(TypedDict):
    """An image, and the class of each of its pixels."""

    image: UInt8[np.ndarray, "h w c"]
    segmentation: Int32[np.ndarray, "h w"]  # indices into the source's `classes`, or NOT_COUNTED


@runtime_checkable
class MaskedSource(Protocol):
    """Images with the class of each of their pixels, in random access.

    Any object of this form will do. Reading is repeatable and safe in threads. `describe(i)` names
    an image for a message.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class; the first may be the background, and need not be."""

    def __len__(self) -> int: ...

    def size(self, index: SupportsIndex) -> tuple[int, int]:
        """Height and width of one image, without decoding it."""

    def __getitem__(self, index: SupportsIndex) -> MaskedItem: ...

    def describe(self, index: SupportsIndex) -> str: ...


class MaskedPart:
    """The images of `source` at `rows`, in that order."""

    def __init__(self, source: MaskedSource, rows: Int[np.ndarray, " n"] | Sequence[int]):
        self.source, self.rows = source, np.asarray(rows, np.int64)
        self.classes = source.classes

    def __len__(self) -> int:
        return len(self.rows)

    def size(self, index: SupportsIndex) -> tuple[int, int]:
        return self.source.size(int(self.rows[index]))

    def __getitem__(self, index: SupportsIndex) -> MaskedItem:
        return self.source[int(self.rows[index])]

    def describe(self, index: SupportsIndex) -> str:
        return self.source.describe(int(self.rows[index]))


def hold_out_masks(
    source: MaskedSource, fraction: float, seed: int
) -> tuple[MaskedPart, MaskedPart]:
    """Divides a source at random: (the larger part, `fraction` of it). Rows within a part ascend.

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
    return MaskedPart(source, np.sort(order[count:])), MaskedPart(source, np.sort(order[:count]))
