"""TFDS data sets with boxes are read without TensorFlow, in pixels."""

import io
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxvision.data import AnnotatedSource, ImageError, open_tfds_objects

CLASSES = ["ant", "bee", "cicada"]
PICTURES = np.random.default_rng(0).integers(0, 256, (4, 20, 30, 3), dtype=np.uint8)


def raises(kind, *words):
    """Expects an error of one line that says all of `words`."""
    return pytest.raises(
        kind, check=lambda e: "\n" not in str(e) and all(str(w) in str(e) for w in words)
    )


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def prepare(data_dir, name, features, splits):
    """Writes a data set as `download_and_prepare` does: `splits` maps a name to its examples."""
    import tensorflow_datasets as tfds

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = Path(data_dir)  # TFDS looks there for citations; there are none

        def _info(self):
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in splits}

        def _generate_examples(self, split):
            yield from enumerate(splits[split])

    Builder.name = name
    Builder(data_dir=data_dir, file_format="array_record").download_and_prepare()


def features(image_shape=(None, None, 3), flags=("is_crowd", "is_difficult"), **changes):
    import tensorflow_datasets as tfds

    one = {
        "bbox": tfds.features.BBoxFeature(),
        "label": tfds.features.ClassLabel(names=CLASSES),
        **dict.fromkeys(flags, np.bool_),
    }
    return {
        "image": tfds.features.Image(shape=image_shape),
        "objects": tfds.features.Sequence(one | changes),
    }


def box(ymin, xmin, ymax, xmax):
    import tensorflow_datasets as tfds

    return tfds.features.BBox(ymin=ymin, xmin=xmin, ymax=ymax, xmax=xmax)


def thing(edges, label, crowd=False, difficult=False):
    return {"bbox": box(*edges), "label": label, "is_crowd": crowd, "is_difficult": difficult}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    def example(i, *objects):
        return {"image": png(PICTURES[i]), "objects": list(objects)}

    splits = {
        "train": [
            example(0, thing((0.1, 0.2, 0.5, 1.0), 2), thing((0.0, 0.0, 1.0, 0.5), 0, crowd=True)),
            example(1),
            example(2, thing((0.25, 0.5, 0.75, 0.9), 1, difficult=True)),
        ],
        "validation": [
            example(3, thing((0.2, 0.2, 0.2, 0.5), 2), thing((0.0, 0.0, 1.0, 1.0), 1)),
        ],
        "test": [{"image": png(PICTURES[1])[:20], "objects": []}],
        "extra": [example(0)],
    }
    data_dir = tmp_path_factory.mktemp("tfds")
    prepare(data_dir, "tiny", features(), splits)
    return data_dir


def test_boxes_are_in_pixels(tiny):
    sources = open_tfds_objects("tiny", tiny)
    assert list(sources) == ["train", "validation", "test"]  # and not "extra"
    source = sources["train"]
    assert isinstance(source, AnnotatedSource)
    assert len(source) == 3 and source.classes == tuple(CLASSES) and source.remarks == ()
    rows = {picture.tobytes(): i for i, picture in enumerate(PICTURES)}
    expected = {
        0: ([[6, 2, 30, 10], [0, 0, 15, 20]], [2, 0], [False, False], [False, True]),
        1: (np.zeros((0, 4)), [], [], []),
        2: ([[15, 5, 27, 15]], [1], [True], [False]),
    }
    seen = set()
    for i in range(3):
        item = source[i]
        row = rows[item["image"].tobytes()]  # TFDS shuffles
        seen.add(row)
        boxes, labels, difficult, crowd = expected[row]
        for objects in (item["objects"], source.objects(i)):
            np.testing.assert_allclose(objects.boxes, boxes, atol=1e-5)
            assert objects.labels.tolist() == labels
            assert objects.difficult.tolist() == difficult and objects.crowd.tolist() == crowd
            assert (objects.height, objects.width) == (20, 30)
            assert objects.boxes.dtype == np.float32
    assert seen == {0, 1, 2}
    assert source.describe(1) == "tiny/train 1"


def test_indices_are_those_of_a_sequence(tiny):
    source = open_tfds_objects("tiny", tiny)["train"]
    np.testing.assert_array_equal(source[-1]["image"], source[np.int64(2)]["image"])
    np.testing.assert_array_equal(source.objects(-1).boxes, source.objects(2).boxes)
    for index in (3, -4):
        for read in (source.__getitem__, source.objects):
            with pytest.raises(IndexError):
                read(index)
    items = source.__getitems__([2, 0])
    np.testing.assert_array_equal(items[1]["image"], source[0]["image"])
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[1]["image"], source[1]["image"])


def test_objects_are_read_without_decoding(tiny, monkeypatch):
    def decode(*args, **kwargs):
        raise AssertionError("decoded an image")

    monkeypatch.setattr("jaxvision.data.images._to_uint8", decode)
    assert open_tfds_objects("tiny", tiny)["train"].objects(0).width == 30


def test_what_is_left_out_is_said(tiny):
    source = open_tfds_objects("tiny", tiny)["validation"]
    assert source.objects(0).labels.tolist() == [1]
    (remark,) = source.remarks
    assert "tiny/validation[0]: object 1: left out" in remark and "(0.2, 0.2, 0.2, 0.5)" in remark


def test_flags_may_be_missing_and_images_grey(tmp_path):
    example = {"image": png(PICTURES[0][:, :, 0]), "objects": [{"bbox": box(0.0, 0.0, 1.0, 1.0)}]}
    example["objects"][0]["label"] = 1
    prepare(tmp_path, "grey", features((20, 30, 1), ()), {"train": [example]})
    item = open_tfds_objects("grey", tmp_path)["train"][0]
    np.testing.assert_array_equal(item["image"], PICTURES[0][:, :, :1])
    assert not item["objects"].difficult.any() and not item["objects"].crowd.any()
    assert open_tfds_objects("grey", tmp_path, 3)["train"][0]["image"].shape == (20, 30, 3)
    with raises(ValueError, "`channels` must be 1 (grey) or 3 (RGB), got 2"):
        open_tfds_objects("grey", tmp_path, 2)


def test_a_damaged_image_and_a_missing_label_are_named(tiny, tmp_path):
    source = open_tfds_objects("tiny", tiny)["test"]
    for read in (source.__getitem__, source.objects):
        with raises(ImageError, "tiny/test[0]: is damaged", "remove it"):
            read(0)
    example = {"image": png(PICTURES[0]), "objects": [thing((0.0, 0.0, 1.0, 1.0), -1)]}
    prepare(tmp_path, "blind", features(), {"train": [example]})
    source = open_tfds_objects("blind", tmp_path)["train"]
    with raises(ValueError, "blind/train[0]: object 1", "one of 0, 1, 2, got -1"):
        source.objects(0)


def test_missing_files_are_named(tiny, tmp_path):
    copy = shutil.copytree(tiny / "tiny", tmp_path / "tiny") / "1.0.0"
    next(copy.glob("*train*")).unlink()
    with raises(OSError, "tiny/train: its files are missing or damaged", "prepare it again"):
        open_tfds_objects("tiny", tmp_path)["train"].objects(0)


def test_a_data_set_must_have_images_and_boxes(tmp_path):
    import tensorflow_datasets as tfds

    example = {"image": png(PICTURES[0]), "objects": [thing((0.0, 0.0, 1.0, 1.0), 1)]}
    labelled = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "label": tfds.features.ClassLabel(names=CLASSES),
    }
    cases = {
        "plain": (labelled, {"image": png(PICTURES[0]), "label": 1}),
        "named": (features(label=tfds.features.Text()), None),
        "points": (features(bbox=tfds.features.Tensor(shape=(4,), dtype=np.float32)), None),
        "pixels": (features(bbox=tfds.features.BBoxFeature(bbox_format="XYXY")), None),
    }
    texts = {"named": {"label": "bee"}, "points": {"bbox": np.zeros(4, np.float32)}}
    for name, (kinds, given) in cases.items():
        changed = {**example, "objects": [example["objects"][0] | texts.get(name, {})]}
        prepare(tmp_path, name, kinds, {"train": [given or changed]})
        with raises(ValueError, f"`{name}` must have an `image`", "image (Image)", "Choose"):
            open_tfds_objects(name, tmp_path)


def test_a_data_set_without_a_known_split_is_refused(tmp_path):
    example = {"image": png(PICTURES[0]), "objects": []}
    prepare(tmp_path, "odd", features(), {"dev": [example]})
    with raises(ValueError, "`odd`", "named train, validation, test", "has dev", "Choose"):
        open_tfds_objects("odd", tmp_path)


def test_files_that_only_tensorflow_reads_are_refused(tiny, tmp_path):
    folder = tmp_path / "tiny" / "1.0.0"
    folder.mkdir(parents=True)
    for path in (tiny / "tiny" / "1.0.0").iterdir():
        content = path.read_bytes()
        if path.suffix == ".json":
            content = content.replace(b"array_record", b"tfrecord")
        (folder / path.name).write_bytes(content)
    with raises(FileNotFoundError, "`tiny`", folder, "as tfrecord", "data_dir='ANOTHER_FOLDER'"):
        open_tfds_objects("tiny", tmp_path)


def test_what_is_not_there_is_said_as_for_images_with_labels(tmp_path):
    with raises(ValueError, "unknown to TFDS", "'cocoo/2017'"):
        open_tfds_objects("cocoo/2017", tmp_path)
    with raises(FileNotFoundError, "`voc/2007` is not prepared", tmp_path, "download_and_prepare"):
        open_tfds_objects("voc/2007", tmp_path)
