"""What a file of weights may claim: every reader asks here before it allocates or reads.

A few bytes can claim a tensor of any size, and deflated zeros shrink a thousandfold. Weights are
noise and hardly shrink, so what a file claims to hold is bounded by its own size.
"""

from collections.abc import Mapping
from pathlib import Path

LIMIT = 4 * 2**30  # bytes; the largest file of ImageNet weights in the zoo is VGG-19's, 0.6e9
MAX_TENSORS = 10_000
SLACK, RATIO = 64 * 2**20, 20  # bytes that any file may claim; and more, for each of its bytes


class WeightsError(ValueError):
    """Weights cannot be used: the message names the file, what is wrong, and the remedy."""


def check_file(path: Path, limit: int) -> None:
    """Refuses a file that is larger than the whole of the weights may be.

    Raises:
        WeightsError: if it is.
    """
    size = path.stat().st_size
    if size > limit:
        raise WeightsError(
            f"{path}: has {size:,} bytes, and `limit` allows {limit:,}. Raise `limit` if you trust "
            "the file."
        )


def check_claims(path: Path, sizes: Mapping[str, int], limit: int) -> None:
    """Refuses a file that claims too many tensors, or too many bytes for its size.

    Args:
        path: the file.
        sizes: the bytes that each tensor takes in memory.
        limit: the most bytes that all of them may take.

    Raises:
        WeightsError: if it claims too much.
    """
    check_number(path, len(sizes))
    total, stored = sum(sizes.values()), path.stat().st_size
    if total > min(limit, SLACK + RATIO * stored):
        largest = max(sizes, key=sizes.__getitem__)
        raise WeightsError(
            f"{path}: claims {total:,} bytes of tensors, {sizes[largest]:,} of them in "
            f"{largest!r}, but has {stored:,}, and `limit` allows {limit:,}. If you trust "
            "it, store it uncompressed, and raise `limit`."
        )


def check_number(path: Path, number: int) -> None:
    """Refuses a file of more than `MAX_TENSORS` tensors.

    Raises:
        WeightsError: if it has more.
    """
    if number > MAX_TENSORS:
        raise WeightsError(
            f"{path}: has more than {MAX_TENSORS:,} tensors, which no network needs. Store only "
            "the network's weights."
        )
