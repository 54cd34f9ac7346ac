"""TensorFlow Datasets with boxes, as coco/2017 and voc/2007: without TensorFlow, or a network.

What `jaxvision.data.tfds` says of preparing and reading holds here, too. An example has

    image      one PNG or JPEG file
    objects    a sequence, each of them with
        bbox            (ymin, xmin, ymax, xmax) as fractions of the image's height and width
        label           its class
        is_difficult    (VOC) and
        is_crowd        (COCO), where the data set has them

Fractions count on the image as it is read: upright, by its EXIF tag. Where an image's size is
needed and its pixels are not, its head is read.
"""

import io
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from jaxvision.data.annotations import Annotation, Reading, class_index, image_size, read_objects
from jaxvision.data.images import check_channels, decode_image
from jaxvision.data.objects import AnnotatedItem, Objects
from jaxvision.data.tfds import RECORDS_AT_A_TIME
from jaxvision.data.tfds_files import (
    find_prepared,
    known_splits,
    quietly,
    read_features,
    reading,
    records_of,
)


class TfdsObjects:
    """One split of a prepared data set with boxes; `open_tfds_objects` makes it.

    Args:
        name: what error messages call it, as "voc/train".
        records: random access to serialised `tf.train.Example` messages, one or many at a time.
        classes: the name of each class.
        channels: 1 for grey, 3 for RGB.
    """

    def __init__(self, name: str, records: Any, classes: tuple[str, ...], channels: int):
        self.name, self.classes, self.channels = name, classes, channels
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def objects(self, index: SupportsIndex) -> Objects:
        """Reads the objects of one image, and of the image its size.

        Raises:
            ImageError: if the image is damaged at its head.
            ValueError: if a box or a label is wrong.
            OSError: if a file of the data set is missing or damaged.
        """
        return self._readings([index])[0].objects

    def __getitem__(self, index: SupportsIndex) -> AnnotatedItem:
        """Reads and decodes one image; raises what `objects` does."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Iterable[SupportsIndex]) -> list[AnnotatedItem]:
        """The items at `indices`, fetched in one call; raises what `objects` does."""
        items = []
        for i, example in self._examples(indices):
            image = decode_image(_image_file(example), self.channels, name=self._named(i))
            read = self._reading(i, example, *image.shape[:2])
            items.append({"image": image, "objects": read.objects})
        return items

    def describe(self, index: SupportsIndex) -> str:
        return f"{self.name} {index}"

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """A line for each box that is cut or left out. The first access reads every record once."""
        remarks = []
        for start in range(0, len(self), RECORDS_AT_A_TIME):
            indices = range(len(self))[start : start + RECORDS_AT_A_TIME]
            remarks += [line for read in self._readings(indices) for line in read.remarks]
        return tuple(remarks)

    def _examples(self, indices: Iterable[SupportsIndex]) -> list[tuple[int, Any]]:
        indices = [range(len(self))[index] for index in indices]
        with reading(self.name):
            records = self._records.__getitems__(indices)
        return [(i, read_features(record)) for i, record in zip(indices, records, strict=True)]

    def _readings(self, indices: Iterable[SupportsIndex]) -> list[Reading]:
        readings = []
        for i, example in self._examples(indices):
            size = image_size(io.BytesIO(_image_file(example)), self._named(i))
            readings.append(self._reading(i, example, *size))
        return readings

    def _reading(self, index: int, example: Any, height: int, width: int) -> Reading:
        fractions = example["objects/bbox"].float_list.value
        labels = example["objects/label"].int64_list.value
        flags = {
            name: example[f"objects/is_{name}"].int64_list.value or [0] * len(labels)
            for name in ("difficult", "crowd")
        }
        if not len(fractions) == 4 * len(labels) == 4 * len(flags["difficult"]):
            raise ValueError(
                f"{self._named(index)}: must have a box and a label for each object, got "
                f"{len(fractions)} numbers and {len(labels)} labels. Prepare the data set again."
            )
        known = {label: label for label in range(len(self.classes))}
        annotations = []
        for place, label in enumerate(labels):
            ymin, xmin, ymax, xmax = fractions[4 * place : 4 * place + 4]
            annotations.append(
                Annotation(
                    f"object {place + 1}",
                    f"bbox ({ymin:g}, {xmin:g}, {ymax:g}, {xmax:g})",
                    (xmin * width, ymin * height, xmax * width, ymax * height),
                    class_index(f"{self._named(index)}: object {place + 1}", label, known),
                    bool(flags["difficult"][place]),
                    bool(flags["crowd"][place]),
                )
            )
        return read_objects(self._named(index), height, width, annotations)

    def _named(self, index: int) -> str:
        return f"{self.name}[{index}]"


def open_tfds_objects(
    name: str, data_dir: str | Path | None = None, channels: int | None = None
) -> dict[str, TfdsObjects]:
    """Opens a prepared TFDS detection data set; never downloads, never waits.

    Args:
        name: as in `tfds.builder`: "coco/2017", "voc/2007", "voc/2012:4.0.0".
        data_dir: where prepared data sets lie; by default TFDS's own place, ~/tensorflow_datasets.
        channels: 1 for grey, 3 for RGB; by default 1 if the data set says so, else 3.

    Returns:
        Of "train", "validation" and "test", as many as there are. Others are left out.

    Raises:
        ValueError: if TFDS knows no such data set and none is prepared; if its examples are not as
            the module says; it has none of those splits; or `channels` is not 1 or 3.
        FileNotFoundError: if it is not prepared, or not in array_record files; says how to do it.
    """
    import tensorflow_datasets as tfds  # 0.3 s

    if channels is not None:
        check_channels(channels)
    if data_dir is not None:
        data_dir = Path(data_dir).expanduser()
    with quietly():
        builder = find_prepared(tfds, name, data_dir)
        image, classes = _image_and_classes(tfds, name, builder.info)
        channels = channels or (1 if image.shape[-1] == 1 else 3)
        return {
            split: TfdsObjects(
                f"{name}/{split}", records_of(tfds, builder, split), classes, channels
            )
            for split in known_splits(name, builder.info)
        }


def _image_and_classes(tfds: Any, name: str, info: Any) -> tuple[Any, tuple[str, ...]]:
    """The image's feature and the names of the classes of a data set with boxes."""
    kinds = tfds.features
    features = dict(info.features) if isinstance(info.features, kinds.FeaturesDict) else {}
    image, objects = features.get("image"), features.get("objects")
    inner = objects.feature if isinstance(objects, kinds.Sequence) else None
    inner = dict(inner) if isinstance(inner, kinds.FeaturesDict) else {}
    bbox, label = inner.get("bbox"), inner.get("label")
    fits = (
        (type(image) is kinds.Image and np.dtype(image.np_dtype) == np.uint8)
        and isinstance(bbox, kinds.BBoxFeature)
        and getattr(bbox.bbox_format, "value", None) in (None, "REL_YXYX")  # None: of older TFDS
        and isinstance(label, kinds.ClassLabel)
    )
    if not fits:
        found = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in features.items())
        raise ValueError(
            f"`{name}` must have an `image` of uint8 (Image) and `objects` (Sequence) with `bbox` "
            "(BBoxFeature, of fractions from ymin) and `label` (ClassLabel); it has "
            f"{found or 'none'}. Choose a data set for detection; "
            "one of labelled images is for `open_tfds`."
        )
    return image, tuple(label.names)


def _image_file(example: Any) -> bytes:
    return example["image"].bytes_list.value[0]
