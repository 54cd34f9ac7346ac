"""TensorFlow Datasets as sources, without TensorFlow and without a network.

    pip install 'jaxvision[tfds]'      # only to download and prepare a data set, once
    python -c "import tensorflow_datasets as tfds; \\
        tfds.builder('cifar10', file_format='array_record').download_and_prepare()"

A prepared data set is read by `tfds.data_source`'s own reader (array_record files), record by
record. The image in a record is a whole PNG or JPEG file, so it enters by the same door as any
other: `images.decode_image`. A label is read from its record with the image left as it is.
"""

import difflib
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int32

from jaxvision.data.images import ImageError, check_channels, decode_image
from jaxvision.data.sources import Item

SPLITS = ("train", "validation", "test")
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
        with self._files():
            record = self._records[index]
        return self._item(index, record)

    def __getitems__(self, indices: Iterable[SupportsIndex]) -> list[Item]:
        """The items at `indices`, fetched in one call; raises what `source[i]` raises."""
        indices = [range(len(self))[index] for index in indices]
        with self._files():
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
            with self._files():
                records = self._records.__getitems__(indices)
            for i, record in zip(indices, records, strict=True):
                labels[i] = self._label(i, _features(record))
        return labels

    @contextmanager
    def _files(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # all that array_record raises, in several lines
            raise OSError(
                f"{self.name}: its files are missing or damaged ({' '.join(str(error).split())}). "
                "Remove its folder and prepare it again."
            ) from error

    def _item(self, index: int, record: bytes) -> Item:
        features = _features(record)
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
    with _quiet():
        builder = _find(tfds, name, data_dir)
        array_record = tfds.core.FileFormat.ARRAY_RECORD
        if array_record not in builder.info.available_file_formats():
            raise FileNotFoundError(
                f"`{name}` in {builder.data_path} is prepared as {builder.info.file_format.value}, "
                "which only TensorFlow can read. Prepare it as array_record in a `data_dir` of its "
                f"own: {_how_to_prepare(name, 'ANOTHER_FOLDER')}"
            )
        image_key, label_key = _image_and_label(tfds, name, builder.info)
        splits = [split for split in SPLITS if split in builder.info.splits]
        if not splits:
            raise ValueError(
                f"`{name}` must have a split named {', '.join(SPLITS)}; it has "
                f"{', '.join(builder.info.splits)}. Choose another data set."
            )
        if channels is None:
            channels = 1 if builder.info.features[image_key].shape[-1] == 1 else 3
        return {
            split: TfdsSource(
                f"{name}/{split}",
                builder.as_data_source(
                    split=split,
                    deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES,
                    file_format=array_record,
                ),
                image_key,
                label_key,
                tuple(builder.info.features[label_key].names),
                channels,
            )
            for split in splits
        }


def _find(tfds: Any, name: str, data_dir: str | Path | None) -> Any:
    """TFDS's builder of a data set that is prepared."""
    from tensorflow_datasets.core.constants import DATA_DIR
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    # Not every string that TFDS takes: `namespace:name` would ask the network.
    match = re.fullmatch(r"(?P<base>\w+)(/(?P<config>[^:=]+))?(:(?P<version>[\d.]+))?", name)
    if not match:
        raise ValueError(
            f"`name` must be NAME, NAME/CONFIG or NAME:VERSION, got {name!r}. Try 'cifar10'."
        )
    chosen = {key: value for key, value in match.groupdict().items() if key != "base" and value}
    # First by the files alone: any version will do, and some definitions import TensorFlow.
    with suppress(tfds.core.DatasetNotFoundError):
        return builder_from_files(match["base"], data_dir=data_dir, **chosen)
    place = data_dir or DATA_DIR
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if builder.is_prepared():
            return builder
        place = builder.data_path
    except (ValueError, AssertionError) as error:  # AssertionError: no such version
        known = tfds.list_builders(with_community_datasets=False)
        if match["base"] in known:
            definition = tfds.builder_cls(match["base"])
            known = [f"{match['base']}/{config}" for config in definition.builder_configs]
            known += [f"{match['base']}:{definition.VERSION}"]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise ValueError(
            f"`name` is unknown to TFDS {tfds.__version__}: {name!r}.{hint} `tfds.list_builders()` "
            f"lists its data sets; of your own, there is none of that name in {place}."
        ) from error
    except (ImportError, OSError):
        pass  # known, but its definition needs TensorFlow or files that are not in the package
    raise FileNotFoundError(
        f"`{name}` is not prepared in {place}. Where there is a network: "
        f"{_how_to_prepare(name, data_dir)}"
    )


def _how_to_prepare(name: str, data_dir: str | Path | None) -> str:
    place = "" if data_dir is None else f", data_dir='{data_dir}'"
    return (
        "pip install 'jaxvision[tfds]' && python -c \"import tensorflow_datasets as tfds; "
        f"tfds.builder('{name}', file_format='array_record'{place}).download_and_prepare()\""
    )


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


def _features(record: bytes) -> Any:
    from tensorflow_datasets.proto import tf_example_pb2

    return tf_example_pb2.Example.FromString(record).features.feature


@contextmanager
def _quiet() -> Iterator[None]:
    """Without absl's warning that an unprepared folder is not prepared: our error says so."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
