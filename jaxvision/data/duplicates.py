"""Finds images that are in a data set more than once, and leaves the repetitions out.

A copy on both sides of a split is learned by heart and then scored: the measured error is too low
(Barz & Denzler, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates", Journal of Imaging
6(6), 2020). That holds for each fold of a cross-validation, so copies within one part matter, too.

    check_disjoint(splits._asdict())                    # an error if the parts share an image
    [d for d in find_duplicates(splits._asdict()) if len(d.labels) > 1]     # a label is wrong
    once = without_copies(train, validation, test)      # what may be learned from
    folds = stratified_folds(train.labels, 5, seed=0, rows=once.rows)

Repetitions are left out and not kept together in one fold: a second copy tells nothing new, and
folds of groups could not keep the class proportions.

Copies are exact: the same shape and pixels, whatever file they are from. An image that was scaled
or compressed anew is another one. The parts must have been opened with the same `channels`.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from jaxvision.data.batches import SMALL_IMAGE_BYTES
from jaxvision.data.sources import Source, describe_items, read_items
from jaxvision.data.views import Subset

HASH_BYTES = 16  # that two of a billion images have the same one by chance has probability 1.5e-21
ITEMS_AT_A_TIME = 256


class Copy(NamedTuple):
    """Where an image is."""

    part: str
    row: int
    label: str  # the name of its class


class Duplicate(NamedTuple):
    """An image that is there more than once."""

    copies: tuple[Copy, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that it is in, each once."""
        return tuple(dict.fromkeys(copy.part for copy in self.copies))

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it is given, each once. More than one: some of the labels are wrong."""
        return tuple(dict.fromkeys(copy.label for copy in self.copies))


def content_hashes(source: Source) -> list[bytes]:
    """For each image a hash of its shape and pixels: the same for copies, and only for them.

    Every image is read once: 60,000 MNIST digits take 0.3 s in memory, and 4 s if they must be
    decoded.
    """

    def hashes(indices: range) -> list[bytes]:
        return [hash_pixels(item["image"]) for item in read_items(source, indices)]

    rows = range(len(source))
    chunks = [rows[i : i + ITEMS_AT_A_TIME] for i in rows[::ITEMS_AT_A_TIME]]
    # Threads help where an image is large, and hinder where it is small: see `load_resident`.
    large = len(source) > 0 and source[0]["image"].nbytes > SMALL_IMAGE_BYTES
    with ThreadPoolExecutor(os.cpu_count() if large else 1) as pool:
        return [digest for chunk in pool.map(hashes, chunks) for digest in chunk]


def find_duplicates(parts: Mapping[str, Source]) -> list[Duplicate]:
    """The images that are in more than one part, or in one part repeatedly.

    Args:
        parts: the sources by name, such as what `open_data` returns.

    Returns:
        The images in the order in which they first appear, and so the copies of each.
    """
    places = defaultdict(list)
    for part, source in parts.items():
        for row, digest in enumerate(content_hashes(source)):
            places[digest].append((part, row))

    def copy(part: str, row: int) -> Copy:
        source = parts[part]
        return Copy(part, row, source.classes[source.labels[row]])

    return [
        Duplicate(tuple(copy(*place) for place in found))
        for found in places.values()
        if len(found) > 1
    ]


def check_disjoint(parts: Mapping[str, Source]) -> None:
    """Makes sure that no image is in two parts.

    Raises:
        ValueError: if one is; says in which parts, how many images, which, whether their labels
            agree, and what to do.
    """
    shared = defaultdict(list)
    for duplicate in find_duplicates(parts):
        if len(duplicate.parts) > 1:
            shared[duplicate.parts].append(duplicate)
    if shared:
        # The largest part is learned from, and loses least.
        first, *others = sorted(next(iter(shared)), key=lambda part: -len(parts[part]))
        found = "; ".join(_describe_shared(parts, *item) for item in shared.items())
        raise ValueError(
            f"`parts` must have no image in common, but {found}. Leave them out of the part that "
            f"is learned from: `without_copies({first}, {', '.join(others)})`."
        )


def without_copies(source: Source, *held_out: Source) -> Subset:
    """`source` with each image once, and without those that are in `held_out`, too.

    Of copies with the same label the first stays. Of copies with different labels none does, for
    nobody knows which is right: `find_duplicates` shows them. `rows` of what is returned are those
    that stay, in their order.

    Args:
        source: what is learned from.
        held_out: what it must not contain, such as the validation and the test part.

    Raises:
        ValueError: if a class would be left without an example.
    """
    elsewhere = {digest for other in held_out for digest in content_hashes(other)}
    places = defaultdict(list)
    for row, digest in enumerate(content_hashes(source)):
        places[digest].append(row)
    labels = source.labels.tolist()
    rows = [
        copies[0]
        for digest, copies in places.items()
        if digest not in elsewhere and len({labels[row] for row in copies}) == 1
    ]
    lost = np.setdiff1d(labels, source.labels[rows])
    if lost.size:
        names = ", ".join(repr(source.classes[label]) for label in lost[:5])
        raise ValueError(
            f"`source` must keep an example of each class, but {lost.size} would have none "
            f"({names}): all their images are in `held_out`, too, or are labelled in two ways. "
            "Check that no part is given twice; `find_duplicates` shows the copies."
        )
    return Subset(source, rows)


def hash_pixels(image: UInt8[np.ndarray, "h w c"]) -> bytes:
    """A hash of the shape and pixels of an image: the same for copies, and only for them."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=HASH_BYTES)
    digest.update(np.ascontiguousarray(image))
    return digest.digest()


def _describe_shared(
    parts: Mapping[str, Source], names: tuple[str, ...], duplicates: list[Duplicate]
) -> str:
    """Which images the parts of these names share: how many, and the first of them in each part."""
    places = []
    for name in names:
        rows = [next(c.row for c in d.copies if c.part == name) for d in duplicates]
        places.append(f"{name}: {describe_items(parts[name], rows)}")
    text = f"{' and '.join(names)} have {len(duplicates)} ({'; '.join(places)})"
    conflicts = [d.labels for d in duplicates if len(d.labels) > 1]
    if conflicts:
        text += f", {len(conflicts)} of them labelled differently ({' and '.join(conflicts[0])})"
    return text
