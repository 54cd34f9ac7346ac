"""What a source of images with boxes is: its objects are known at once, its images when asked for.

A box is (left, top, right, bottom) in pixels of its image; pixel i covers [i, i + 1), so a box over
the whole image is (0, 0, w, h).
"""

from typing import NamedTuple, Protocol, SupportsIndex, TypedDict, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8


class Objects(NamedTuple):
    """What is to be found in one image; k may be 0: then all of it is background."""

    boxes: Float32[np.ndarray, "k 4"]
    labels: Int32[np.ndarray, " k"]  # indices into the source's `classes`
    difficult: Bool[np.ndarray, " k"]  # PASCAL VOC's: neither learned nor counted, found or not
    crowd: Bool[np.ndarray, " k"]  # COCO's: a box around many; whatever is found in it is no error
    height: int  # of the image
    width: int


class AnnotatedItem(TypedDict):
    """An image, and what is in it."""

    image: UInt8[np.ndarray, "h w c"]
    objects: Objects


@runtime_checkable
class AnnotatedSource(Protocol):
    """Images with the boxes of what is in them, in random access.

    Any object of this form will do. Reading is repeatable and safe in threads. `describe(i)` names
    an image for a message.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class; a label indexes them. The background is none."""

    def __len__(self) -> int: ...

    def objects(self, index: SupportsIndex) -> Objects:
        """The objects of one image, without decoding it."""

    def __getitem__(self, index: SupportsIndex) -> AnnotatedItem: ...

    def describe(self, index: SupportsIndex) -> str: ...
