"""Finds images that look the same: scaled, or compressed anew.

Krawetz, "Kind of Like That", The Hacker Factor Blog, 2013, calls it dHash. An image is shrunk to 8
rows of 9 grey pixels, and each pixel compared with the one on its right:

    bit[y, x] = grey[y, x] < grey[y, x + 1]        for y, x in 0..7

64 bits, which hardly change with the size and the quality of the file. Two images are near if they
differ in at most `NEAR` of them and, in the mean over the small pixels, by at most `ALIKE` levels:
the bits alone say that many drawings and letters are the same. An image that is as good as without
contrast is near to none, for noise decides its bits.

The pixels are shrunk as real numbers, by a triangle filter: rounded, those of a sky would be equal,
and with the mean over areas (Pillow's BOX) a small image and its half differ.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, UInt8, UInt64
from PIL import Image

ROWS, COLUMNS = 8, 9
NEAR = 4  # bits of 64
ALIKE = 4.0  # of 255 levels; what is halved and compressed stays below 1 (photographs), 3 (digits)
FLAT = 12.0  # levels between the brightest and the darkest of the small pixels
ROWS_AT_A_TIME = 64


class Sketch(NamedTuple):
    """What an image is compared by."""

    bits: int  # dHash
    grey: Float32[np.ndarray, "8 9"]


def sketch(image: UInt8[np.ndarray, "h w 3"]) -> Sketch:
    """The 64 bits of an image, the first row in the highest, and the pixels that they are from."""
    grey = Image.fromarray(image).convert("L").convert("F")
    small = np.asarray(grey.resize((COLUMNS, ROWS), Image.Resampling.BILINEAR))
    rises = small[:, :-1] < small[:, 1:]
    return Sketch(int.from_bytes(np.packbits(rises).tobytes(), "big"), small)


def near_pairs(sketches: list[Sketch], near: int = NEAR) -> Int[np.ndarray, "pairs 2"]:
    """All pairs of near images, as rows (i, j) with i < j, sorted.

    Each is compared with each, 64 with all at a time: 50,000 images take 10 s.

    Raises:
        ValueError: if `near` is not in [0, 64].
    """
    if not 0 <= near <= 64:
        raise ValueError(f"`near` must be in [0, 64], the bits that may differ, got {near}.")
    bits = np.array([found.bits for found in sketches], np.uint64)
    small = np.array([found.grey for found in sketches], np.float32).reshape(-1, ROWS * COLUMNS)
    used = np.flatnonzero(np.ptp(small, axis=1) > FLAT) if len(small) else np.array([], int)
    pairs = [_near_in(bits[used], start, near) for start in range(0, len(used), ROWS_AT_A_TIME)]
    found = used[np.concatenate(pairs)] if pairs else np.zeros((0, 2), int)
    apart = np.abs(small[found[:, 0]] - small[found[:, 1]]).mean(axis=1)
    return found[apart <= ALIKE]


def _near_in(bits: UInt64[np.ndarray, " n"], start: int, near: int) -> Int[np.ndarray, "pairs 2"]:
    """The near pairs whose first is in the block that begins at `start`."""
    block, rest = bits[start : start + ROWS_AT_A_TIME], bits[start:]
    i, j = np.nonzero(np.bitwise_count(block[:, None] ^ rest[None, :]) <= near)
    return start + np.stack([i, j], axis=1)[i < j]
