"""A source is a data set one can index: its labels are known at once, its images when asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, TypedDict, runtime_checkable

import numpy as np
from jaxtyping import Int, Int32, UInt8
from numpy.typing import ArrayLike

from jaxvision.data.images import check_channels
from jaxvision.names import lookup


class Item(TypedDict):
    """An image and its class."""

    image: UInt8[np.ndarray, "h w c"]
    label: int  # an index into the source's `classes`


@runtime_checkable
class Examples(Protocol):
    """What batches are made of: items with an "image", and the same arrays beside it in each."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: SupportsIndex) -> Mapping[str, Any]: ...


@runtime_checkable
class Source(Protocol):
    """Labelled images in random access.

    Any object of this form will do. Reading is repeatable and safe in threads; an image may be
    read-only, and images of one source may differ in size. Where items have names of their own,
    `describe(i)` tells them.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class; a label indexes them."""

    @property
    def labels(self) -> Int32[np.ndarray, " n"]:
        """All labels, without decoding an image: what a stratified split needs."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: SupportsIndex) -> Item: ...


def read_items(source: Examples, indices: Sequence[int]) -> list[Any]:
    """The items at `indices`: in one call if the source has `__getitems__`, which is faster."""
    at_once = getattr(source, "__getitems__", None)
    return at_once(indices) if at_once else [source[i] for i in indices]


def describe_items(
    source: Examples | None, rows: Sequence[int] | Int[np.ndarray, " n"], most: int = 3
) -> str:
    """The names of some items for a message: as the source describes them, or by their numbers."""
    describe = getattr(source, "describe", "item {}".format)
    names = ", ".join(describe(int(row)) for row in rows[:most])
    return names if len(rows) <= most else f"{names} and {len(rows) - most} others"


class ArraySource:
    """A data set in memory.

    Args:
        images: uint8 [n, h, w, c]. They are not copied, and come out read-only.
        labels: integers [n].
        classes: a name for each class; by default the numbers from 0 to the largest label.

    Raises:
        ValueError: if `images` is not such an array, or `labels` are not as many integers, each the
            index of a class.
    """

    def __init__(
        self, images: np.ndarray, labels: ArrayLike, classes: tuple[str, ...] | None = None
    ):
        images, labels = np.asarray(images), np.asarray(labels)
        _check_images(images)
        _check_labels(labels, len(images), classes)
        self.images = images.view()
        self.images.flags.writeable = False  # an item is a view: to write on it is to write here
        self.labels = labels.astype(np.int32)
        self.classes = tuple(map(str, range(labels.max() + 1) if classes is None else classes))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: SupportsIndex) -> Item:
        return {"image": self.images[index], "label": int(self.labels[index])}


def digits(channels: int = 1) -> dict[str, Source]:
    """The 1,797 handwritten digits, 8 x 8, that ship inside scikit-learn.

    Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998: its test
    part. The 17 levels 0..16 are spread over 0..255. There is no official split: all is "train".

    Raises:
        ValueError: if `channels` is neither 1 (grey) nor 3 (the same, three times).
    """
    check_channels(channels)
    import sklearn.datasets  # 0.7 s; needed by nothing else here

    bunch = sklearn.datasets.load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return {"train": ArraySource(np.repeat(images, channels, axis=3), bunch.target)}


def open_data(
    spec: str, *, channels: int | None = None, data_dir: str | Path | None = None
) -> dict[str, Source]:
    """Opens a data set by its name: "digits", "folder:PATH" or "tfds:NAME".

    Args:
        spec: which data; `digits`, `open_folder` and `open_tfds` describe the three.
        channels: 1 for grey or 3 for RGB; by default as the data have them (a folder: 3).
        data_dir: where TFDS data sets lie, if not in ~/tensorflow_datasets.

    Returns:
        The parts that the data come split into: "train" (absent only from a TFDS set without one)
        and, where they exist, "validation" and "test".

    Raises:
        ValueError: if the spec is unknown, or the data are not as their kind must be.
        FileNotFoundError: if the data are not there.
    """
    # Imported here, since they take the contract from above.
    from jaxvision.data.folder import open_folder
    from jaxvision.data.tfds import open_tfds

    kind, colon, name = spec.partition(":")
    known = {"digits": None, "folder:PATH": "folder:photos", "tfds:NAME": "tfds:cifar10"}
    form = {"folder:": "folder:PATH", "tfds:": "tfds:NAME"}.get(kind + colon, kind + colon)
    example = lookup("data", form, known)
    if example and not name:
        raise ValueError(f"`data` is {spec!r}, with nothing after the colon. Try {example!r}.")
    if channels is not None:
        check_channels(channels)
    if data_dir is not None and kind != "tfds":
        raise ValueError(
            f"`data_dir` is where TFDS data sets lie, but `data` is {spec!r}. Leave `data_dir` out."
        )
    if kind == "digits":
        return digits(channels or 1)
    if kind == "folder":
        return dict(open_folder(name, channels or 3))
    return dict(open_tfds(name, data_dir, channels))


def _check_images(images: np.ndarray) -> None:
    given = f"got {images.dtype} {list(images.shape)}"
    if images.dtype == np.uint8 and images.ndim == 4 and images.size:
        if images.shape[1] in (1, 3) and images.shape[3] > 4:
            raise ValueError(
                f"`images` must have the channels last, [n, h, w, c], {given}. "
                "Move them: `images.transpose(0, 2, 3, 1)`."
            )
        return
    if images.size == 0:
        remedy = "There is no pixel in it."
    elif images.dtype == np.uint8:
        remedy = "Add the channel axis: `images[..., None]`." if images.ndim == 3 else "Reshape it."
    elif images.dtype.kind not in "iufb":
        remedy = "Stack the images into one array of numbers."
    else:
        given += f" with values from {images.min()} to {images.max()}"
        outside = np.argwhere(~((images >= 0) & (images <= 255)))  # NaN is outside, too
        if outside.size:
            given += f", outside 0..255 first in rows {np.unique(outside[:, 0])[:5].tolist()}"
            remedy = "Scale it to 0..255, round it, then `.astype(np.uint8)`."
        else:
            scale = " * 255" if images.max() <= 1 else ""
            remedy = f"Bring it to 0..255: `np.round(images{scale}).astype(np.uint8)`."
    raise ValueError(f"`images` must be uint8 [n, h, w, c], {given}. {remedy}")


def _check_labels(labels: np.ndarray, n: int, classes: tuple[str, ...] | None) -> None:
    rule = f"`labels` must be {n} integers, one for each image"
    if labels.shape != (n,):
        remedy = "If they are one-hot: `labels.argmax(1)`." if labels.ndim == 2 else "Match them."
        raise ValueError(f"{rule}, got shape {list(labels.shape)}. {remedy}")
    if labels.dtype.kind not in "iu":
        values = labels.tolist()
        span = "" if labels.dtype.kind == "O" else f" from {min(values)!r} to {max(values)!r}"
        raise ValueError(
            f"{rule}, got {labels.dtype}{span}, in the first rows {values[:3]}. "
            "Number the classes: `np.unique(labels, return_inverse=True)`."
        )
    low, high = int(labels.min()), int(labels.max())
    count = high + 1 if classes is None else len(classes)
    rows = np.flatnonzero((labels < 0) | (labels >= count))
    if rows.size:
        raise ValueError(
            f"`labels` must be in [0, {count}), the classes, got {low} to {high}: {rows.size} "
            f"outside, first in rows {rows[:5].tolist()}. Drop or renumber them, or add `classes`."
        )
    if classes is None and len(present := np.unique(labels)) < count:
        missing = np.setdiff1d(np.arange(min(count, present.size + 5)), present)[:5].tolist()
        raise ValueError(
            f"`labels` go from {low} to {high}, but none is {missing}, and `classes` is not given. "
            "Close the gaps: `np.unique(labels, return_inverse=True)`, or name the `classes`."
        )
