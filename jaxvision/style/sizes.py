"""The sizes that a painting goes through, the steps at each, and what is too small for it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxvision.style.config import Settings
from jaxvision.style.picture import Picture, scaled_size

FEWEST_STEPS = 30  # at each size; at 1024 x 768 the loss is 0.078 after 20, and 0.060 after 30


def scales(height: int, width: int, coarsest: int | None) -> list[tuple[int, int]]:
    """Sizes to paint at, each about twice the one before, from `coarsest` or more to the last."""
    levels = [(height, width)]
    while coarsest is not None and max(levels[0]) >= 2 * coarsest:
        division = 2 ** len(levels)
        levels.insert(0, (max(1, round(height / division)), max(1, round(width / division))))
    return levels


def check_pictures(
    content: Picture,
    styles: Sequence[Picture],
    settings: Settings,
    masks: Float[np.ndarray, "styles h w"] | None,
    smallest: int,
) -> None:
    """Refuses what could not be painted, before anything is computed.

    Raises:
        ValueError: see `paint`.
    """
    if not styles:
        raise ValueError("`styles` is empty: give one picture or more.")
    coarsest = scales(*content.shape[:2], settings.coarsest)[0]
    sizes = [("content", coarsest)]
    sizes += [
        (f"styles[{k}]", style_size(each, coarsest, settings)) for k, each in enumerate(styles)
    ]
    for name, (height, width) in sizes:
        if min(height, width) < smallest:
            raise ValueError(
                f"`{name}` is {width} x {height} pixels where painting begins, and the network "
                f"needs {smallest} on each side: choose a larger picture, size or `coarsest`, or "
                "crop it."
            )
    if settings.mix is not None and len(settings.mix) != len(styles):
        raise ValueError(
            f"`mix` must have a weight for each of {len(styles)} styles, got {settings.mix}."
        )
    if masks is not None and masks.shape != (len(styles), *content.shape[:2]):
        raise ValueError(
            f"`masks` must be [{len(styles)}, {content.shape[0]}, {content.shape[1]}], one for "
            f"each style and of the content's size, got {list(masks.shape)}."
        )


def style_size(style: Picture, size: tuple[int, int], settings: Settings) -> tuple[int, int]:
    """Of a style, when the image has `size`: its long side is `style_scale` times the image's."""
    return scaled_size(style, settings.style_scale * max(size))


def steps_at(steps: int, levels: int) -> list[int]:
    """Steps at each of so many sizes: half of those before, but FEWEST_STEPS or all."""
    return [max(steps >> level, min(steps, FEWEST_STEPS)) for level in range(levels)]
