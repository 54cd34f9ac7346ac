"""Finds the images of a data set that cannot be read, and leaves them out.

    parts, names = without_bad({"train": train, "test": test}, Subset, max_bad=0.01, note=print)

They are left out before anything else is done with the data, and not replaced by their neighbours
when their turn comes: every example is then counted once, in each epoch and in each measurement;
the order of an epoch stays a function of (seed, epoch) and the number of images; and a run that
goes on sees from that number, and from the names, whether its data are the same. The price is that
all images are read once more, before the first step. No file is touched.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from jaxvision.data.image_file import ImageError
from jaxvision.data.sources import Examples, describe_items

SHOWN = 3  # images in a message


class BadImage(NamedTuple):
    """An image that cannot be read."""

    part: str
    row: int
    name: str  # as its source describes it
    reason: str  # what is wrong, and the remedy


class Sound(NamedTuple):
    """What can be read, and what cannot."""

    rows: dict[str, list[int]]  # of each part, in their order
    bad: tuple[BadImage, ...]


def without_bad(
    parts: Mapping[str, Examples],
    view: Callable[[Any, list[int]], Any],
    max_bad: float,
    note: Callable[[str], None],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The sources without the images that cannot be read, and the names of those.

    Args:
        parts: sources by name.
        view: makes a source of some rows of one: `Subset`, `Part`.
        max_bad: as for `leave_out_bad`.
        note: is told how many are left out, and of each what is wrong.

    Raises:
        ImageError, ValueError: as `leave_out_bad`.
    """
    sound = leave_out_bad(parts, max_bad)
    if not sound.bad:
        return dict(parts), ()
    note(f"left out: {len(sound.bad)} of {sum(map(len, parts.values()))} images")
    for bad in sound.bad:
        note(f"left out: {bad.reason}")
    used = {part: view(source, sound.rows[part]) for part, source in parts.items()}
    return used, tuple(bad.name for bad in sound.bad)


def leave_out_bad(parts: Mapping[str, Examples], max_bad: float = 0.01) -> Sound:
    """Reads every image once, and says which can be used.

    Args:
        parts: sources by name.
        max_bad: which part of all images may be bad. More mean that something else is wrong.

    Raises:
        ImageError: if more are: how many of how many, the first of them, and the remedy.
        ValueError: if `max_bad` is not in [0, 1), or a class of a part would have no image left.
    """
    if not 0 <= max_bad < 1:
        raise ValueError(f"`max_bad` must be in [0, 1), got {max_bad}: it is a part of all images.")
    bad = [found for part, source in parts.items() for found in find_bad(part, source)]
    total = sum(map(len, parts.values()))
    if len(bad) > max_bad * total:
        raise ImageError(
            f"{len(bad)} of {total} images cannot be read, and `max_bad` allows "
            f"{100 * max_bad:g} %: {_first(bad)} Replace them, or raise `max_bad`."
        )
    gone = {(found.part, found.row) for found in bad}
    rows = {
        part: [row for row in range(len(source)) if (part, row) not in gone]
        for part, source in parts.items()
    }
    for part, source in parts.items():
        _check_classes(part, source, rows[part])
    return Sound(rows, tuple(bad))


def find_bad(part: str, source: Examples) -> list[BadImage]:
    """The images of a source that cannot be read, by reading all of them."""

    def reason(row: int) -> str | None:
        try:
            source[row]
        except ImageError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = list(pool.map(reason, range(len(source))))
    return [
        BadImage(part, row, describe_items(source, [row]), text)
        for row, text in enumerate(reasons)
        if text is not None
    ]


def _first(bad: list[BadImage]) -> str:
    more = f" And {len(bad) - SHOWN} others." if len(bad) > SHOWN else ""
    return " ".join(found.reason for found in bad[:SHOWN]) + more


def _check_classes(part: str, source: Examples, rows: list[int]) -> None:
    """Raises ValueError if a class lost all its images; of what has no labels, none can."""
    labels = getattr(source, "labels", None)
    if labels is None:
        return
    lost = sorted(set(labels.tolist()) - set(labels[rows].tolist()))
    if lost:
        names = ", ".join(repr(source.classes[label]) for label in lost)
        raise ValueError(
            f"{part}: no image of the class {names} can be read. Replace its images, or remove the "
            "class."
        )
