"""Examples that nobody photographed."""

import numpy as np


def photo(seed=0, height=12, width=10, channels=3):
    """An image of whole pixel values, no two neighbours alike, as float32."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, channels)).astype(np.float32)


def scene(left, top, right, bottom, height=24, width=32, channels=3):
    """A bright rectangle on black, its box and its segmentation, and a row that is no box."""
    image = np.zeros((height, width, channels), np.float32)
    image[top:bottom, left:right] = 200
    return {
        "image": image,
        "segmentation": (image[:, :, 0] > 0).astype(np.int32) * 3,
        "boxes": np.array([[left, top, right, bottom], [1, 1, 2, 2]], np.float32),
        "box_mask": np.array([True, False]),
        "label": np.int32(7),
        "row": np.int32(5),
        "epoch": np.int32(0),
    }


def hull(inside):
    """The box (left, top, right, bottom) around the pixels that are True."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def batch(size=6, height=8, width=8, channels=3):
    """Images, labels and row numbers; the last of them are filling."""
    random = np.random.default_rng(1)
    return {
        "image": random.integers(0, 256, (size, height, width, channels), np.uint8),
        "label": random.integers(0, 4, size).astype(np.int32),
        "mask": np.arange(size) < size - 2,
        "row": np.arange(size, dtype=np.int32),
        "epoch": np.int32(3),
    }
