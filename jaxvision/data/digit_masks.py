"""Scenes of digits with the class of each pixel: a data set with masks that needs no network.

The scenes are those of `jaxvision.data.scenes`. A pixel is of a digit's class where that one's ink
is seen, which is where it covers at least half of what is below; where digits lie on each other, it
is of the upper one's. All else is background: shades, lines, noise, and strips of digits too narrow
to be any.
"""

from typing import SupportsIndex

import numpy as np

from jaxvision.data.masks import MaskedItem
from jaxvision.data.scene_layout import INK, under
from jaxvision.data.scenes import DigitScenes, scenes


class DigitMasks:
    """`source` with a class for each pixel in the place of boxes."""

    classes = ("background", *DigitScenes.classes)

    def __init__(self, source: DigitScenes):
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def size(self, index: SupportsIndex) -> tuple[int, int]:
        del index
        return self.source.size, self.source.size

    def __getitem__(self, index: SupportsIndex) -> MaskedItem:
        layout, image = self.source.draw(index)
        segmentation = np.zeros(image.shape[:2], np.int32)
        for digit in layout:
            below = under(segmentation, digit.cover, digit.top, digit.left)
            below[digit.cover >= INK] = 1 + digit.label
        return {"image": image, "segmentation": segmentation}

    def describe(self, index: SupportsIndex) -> str:
        return self.source.describe(index)


def digit_masks(
    size: int = 128,
    channels: int = 1,
    *,
    train: int = 2000,
    validation: int = 100,
    test: int = 200,
    seed: int = 0,
) -> dict[str, DigitMasks]:
    """Scenes for each part, as `scenes`; for the other arguments see `DigitScenes`."""
    made = scenes(size, channels, train=train, validation=validation, test=test, seed=seed)
    return {part: DigitMasks(source) for part, source in made.items()}
