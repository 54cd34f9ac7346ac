"""TensorFlow Datasets as sources, without TensorFlow and without a network.

    pip install 'jaxvision[tfds]'      # only to download and prepare a data set, once
    python -c "import tensorflow_datasets as tfds; \\
        tfds.builder('cifar10', file_format='array_record').download_and_prepare()"

A prepared data set is read by `tfds.data_source`'s own reader (array_record files), record by
record. The image in a record is a whole PNG or JPEG file, so it enters by the same door as any
other: `images.decode_image`. A label is read from its record with the image left as it is.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int32

from jaxvision.data.images import ImageError, check_channels, decode_image
from jaxvision.data.sources import Item
from jaxvision.data.tfds_files import (
    find_prepared,
    known_splits,
    quietly,
    read_features,
    reading,
    records_of,
)

RECORDS_AT_A_TIME = 1024  # in memory while the labels are read


class TfdsSource:
    """One split of a prepared data set; `open_tfds` makes it.

    Many items at once cost less than one by one: `source.__getitems__(indices)`.

    Args:
        name: what error messages call it, as "mnist/train".
        records: random access to serialised `tf.train.Example` messages, one or many at a time.
        image_key: the feature that is the image.
        label_key: the feature that is the label.
        classes: the name of each class.
        channels: 1 for grey, 3 for RGB.
    """

    def __init__(
        self,
        name: str,
        records: Any,
        image_key: str,
        label_key: str,
        classes: tuple[str, ...],
        channels: int,
    ):
        self.name, self.classes, self.channels = name, classes, channels
        self._records, self._image_key, self._label_key = records, image_key, label_key

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: SupportsIndex) -> Item:
        """Reads and decodes one image.

        Raises:
            ImageError: if it is damaged; names the data set, the index and the class.
            ValueError: if it has no label.
            OSError: if a file of the data set is missing or damaged.
        """
        index = range(len(self))[index]
        with reading(self.name):
            record = self._records[index]
        return self._item(index, record)

    def __getitems__(self, indices: Iterable[SupportsIndex]) -> list[Item]:
        """The items at `indices`, fetched in one call; raises what `source[i]` raises."""
        indices = [range(len(self))[index] for index in indices]
        with reading(self.name):
            records = self._records.__getitems__(indices)
        return [self._item(*pair) for pair in zip(indices, records, strict=True)]

    def describe(self, i: int) -> str:
        return f"{self.name} {i}"

    @cached_property
    def labels(self) -> Int32[np.ndarray, " n"]:
        """All labels. The first access reads every record once, but decodes no image.

        Raises:
            ValueError: if an example has no label.
            OSError: if a file of the data set is missing or damaged.
        """
        labels = np.empty(len(self), np.int32)
        for start in range(0, len(self), RECORDS_AT_A_TIME):
            indices = list(range(len(self))[start : start + RECORDS_AT_A_TIME])
            with reading(self.name):
                records = self._records.__getitems__(indices)
            for i, record in zip(indices, records, strict=True):
                labels[i] = self._label(i, read_features(record))
        return labels

    def _item(self, index: int, record: bytes) -> Item:
        features = read_features(record)
        label = self._label(index, features)
        data = features[self._image_key].bytes_list.value[0]
        try:
            image = decode_image(data, self.channels, name=f"{self.name}[{index}]")
        except ImageError as error:
            raise ImageError(f"{error} (Class {self.classes[label]!r}.)") from error
        return {"image": image, "label": label}

    def _label(self, index: int, features: Any) -> int:
        label = features[self._label_key].int64_list.value[0]
        if not 0 <= label < len(self.classes):
            raise ValueError(
                f"{self.name}[{index}]: the label must be in [0, {len(self.classes)}), got {label} "
                "(TFDS writes -1 for none). Use another split."
            )
        return label


def open_tfds(
    name: str, data_dir: str | Path | None = None, channels: int | None = None
) -> dict[str, TfdsSource]:
    """Opens a prepared TFDS image-classification data set; never downloads, never waits.

    Args:
        name: as in `tfds.builder`: "mnist", "imagenet_v2/matched-frequency", "cifar10:3.0.2".
        data_dir: where prepared data sets lie; by default TFDS's own place, ~/tensorflow_datasets.
        channels: 1 for grey, 3 for RGB; by default 1 if the data set says so, else 3.

    Returns:
        The splits named "train", "validation" and "test", as many as there are. Others (such as
        "unlabelled" or "extra") are left out.

    Raises:
        ValueError: if TFDS knows no such data set and none is prepared; if it has not one image
            and one class label an example; none of those splits; or `channels` is not 1 or 3.
        FileNotFoundError: if it is not prepared, or not in array_record files; says how to do it.
    """
    import tensorflow_datasets as tfds  # 0.3 s

    if channels is not None:
        check_channels(channels)
    if data_dir is not None:
        data_dir = Path(data_dir).expanduser()
    with quietly():
        builder = find_prepared(tfds, name, data_dir)
        image_key, label_key = _image_and_label(tfds, name, builder.info)
        if channels is None:
            channels = 1 if builder.info.features[image_key].shape[-1] == 1 else 3
        return {
            split: TfdsSource(
                f"{name}/{split}",
                records_of(tfds, builder, split),
                image_key,
                label_key,
                tuple(builder.info.features[label_key].names),
                channels,
            )
            for split in known_splits(name, builder.info)
        }


def _image_and_label(tfds: Any, name: str, info: Any) -> tuple[str, str]:
    """The keys of image and label: the pair that the data set itself names, or the only ones."""
    features = info.features if isinstance(info.features, tfds.features.FeaturesDict) else {}
    images, labels = (
        [key for key, feature in features.items() if type(feature) is kind]
        for kind in (tfds.features.Image, tfds.features.ClassLabel)
    )
    paired = info.supervised_keys or ()
    if len(paired) == 2 and paired[0] in images and paired[1] in labels:
        images, labels = [paired[0]], [paired[1]]  # CIFAR-100 has a coarse label, too
    if len(images) != 1 or len(labels) != 1:
        found = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in features.items())
        raise ValueError(
            f"`{name}` must have one Image and one ClassLabel an example; it has {found or 'none'}"
            ". Choose an image-classification data set."
        )
    shape, dtype = features[images[0]].shape, np.dtype(features[images[0]].np_dtype)
    if len(shape) != 3 or dtype.kind != "u":
        raise ValueError(
            f"`{name}` must have images [h, w, c] of unsigned integers; {images[0]!r} is {dtype} "
            f"{list(shape)}. Choose another data set."
        )
    return images[0], labels[0]
