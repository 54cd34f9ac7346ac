"""Where TensorFlow Datasets keeps a prepared data set, and its records: for all kinds of them."""

import difflib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SPLITS = ("train", "validation", "test")


def find_prepared(tfds: Any, name: str, data_dir: str | Path | None) -> Any:
    """TFDS's builder of a data set that is prepared, in files that can be read here.

    Raises:
        FileNotFoundError, ValueError: as `open_tfds`.
    """
    builder = _find(tfds, name, data_dir)
    if tfds.core.FileFormat.ARRAY_RECORD not in builder.info.available_file_formats():
        raise FileNotFoundError(
            f"`{name}` in {builder.data_path} is prepared as {builder.info.file_format.value}, "
            "which only TensorFlow can read. Prepare it as array_record in a `data_dir` of its "
            f"own: {_how_to_prepare(name, 'ANOTHER_FOLDER')}"
        )
    return builder


def known_splits(name: str, info: Any) -> list[str]:
    """Those of `SPLITS` that a data set has.

    Raises:
        ValueError: if it has none.
    """
    splits = [split for split in SPLITS if split in info.splits]
    if not splits:
        raise ValueError(
            f"`{name}` must have a split named {', '.join(SPLITS)}; it has "
            f"{', '.join(info.splits)}. Choose another data set."
        )
    return splits


def records_of(tfds: Any, builder: Any, split: str) -> Any:
    """Random access to the serialised examples of a split."""
    return builder.as_data_source(
        split=split,
        deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES,
        file_format=tfds.core.FileFormat.ARRAY_RECORD,
    )


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


def read_features(record: bytes) -> Any:
    """The features of one record, as the protocol buffer that TFDS writes."""
    from tensorflow_datasets.proto import tf_example_pb2

    return tf_example_pb2.Example.FromString(record).features.feature


@contextmanager
def quietly() -> Iterator[None]:
    """Without absl's warning that an unprepared folder is not prepared: our error says so."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raises OSError, with what to do, where the files of a split called `name` cannot be read."""
    try:
        yield
    except RuntimeError as error:  # all that array_record raises, in several lines
        raise OSError(
            f"{name}: its files are missing or damaged ({' '.join(str(error).split())}). "
            "Remove its folder and prepare it again."
        ) from error
