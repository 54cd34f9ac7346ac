"""How much of what a function says of images depends on where exactly they begin."""

import numpy as np


def shift_sensitivity(fn, images, pixels=1):
    """How often, and how much, an output changes if images move: (share, relative change).

    Nothing is made up at the border: two crops of the images are compared, one of which begins
    `pixels` columns further right.

    Args:
        fn: from images [b, h, w - pixels, c] to an array.
        images: [b, h, w, c].
        pixels: columns.

    Returns:
        the share of the outputs that are not the same, and the mean of how much they change, as a
        part of their mean size.
    """
    here, there = np.asarray(fn(images[:, :, :-pixels])), np.asarray(fn(images[:, :, pixels:]))
    return np.mean(here != there), np.mean(np.abs(here - there)) / np.mean(np.abs(here))
