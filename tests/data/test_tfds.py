"""TFDS data sets are read without TensorFlow, and what is not there is said at once."""

import io
import pickle
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxvision.data import ImageError, Source, TfdsSource, open_data, open_tfds

PICTURES = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 3), dtype=np.uint8)
KINDS = [2, 0, 1, 1, 0, 2, 1]
CLASSES = ["ant", "bee", "cicada"]


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def prepare(data_dir, name, features, splits, supervised_keys=None):
    """Writes a data set as `download_and_prepare` does: `splits` maps a name to its examples."""
    import tensorflow_datasets as tfds

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = Path(data_dir)  # TFDS looks there for citations; there are none

        def _info(self):
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(features), supervised_keys=supervised_keys
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in splits}

        def _generate_examples(self, split):
            yield from enumerate(splits[split])

    Builder.name = name
    Builder(data_dir=data_dir, file_format="array_record").download_and_prepare()


def features(**changes):
    import tensorflow_datasets as tfds

    return {
        "picture": tfds.features.Image(shape=(None, None, 3)),
        "kind": tfds.features.ClassLabel(names=CLASSES),
        **changes,
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A prepared data set with all that a real one may have: see the tests."""
    import tensorflow_datasets as tfds

    def example(i, data, kind):
        return {"id": f"n{i}", "picture": data, "kind": kind, "coarse": 0}

    whole = [
        example(i, png(picture), kind)
        for i, (picture, kind) in enumerate(zip(PICTURES, KINDS, strict=True))
    ]
    splits = {
        "train": whole,
        "test": [whole[0], example(1, png(PICTURES[1])[:60], 1)],
        "validation": [example(0, png(PICTURES[0]), -1)],
        "extra": whole[:1],
    }
    more = {"coarse": tfds.features.ClassLabel(names=["insect"]), "id": tfds.features.Text()}
    data_dir = tmp_path_factory.mktemp("tfds")
    prepare(data_dir, "tiny", features(**more), splits, supervised_keys=("picture", "kind"))
    return data_dir


def raises(kind, *words):
    """Expects an error of one line that says all of `words`."""
    return pytest.raises(
        kind, check=lambda e: "\n" not in str(e) and all(str(w) in str(e) for w in words)
    )


def test_a_prepared_data_set_is_read(tiny):
    sources = open_tfds("tiny", tiny)
    assert list(sources) == ["train", "validation", "test"]  # and not "extra"
    source = sources["train"]
    assert isinstance(source, Source)
    assert source.classes == tuple(CLASSES)
    assert source.labels.dtype == np.int32
    rows = {picture.tobytes(): i for i, picture in enumerate(PICTURES)}
    order = [rows[source[i]["image"].tobytes()] for i in range(len(source))]  # TFDS shuffles
    assert sorted(order) == list(range(7))
    assert source.labels.tolist() == [KINDS[row] for row in order]
    for i, item in enumerate(source):
        np.testing.assert_array_equal(item["image"], PICTURES[order[i]])
        assert item["label"] == KINDS[order[i]] and type(item["label"]) is int


def test_indices_are_those_of_a_sequence(tiny):
    source = open_tfds("tiny", tiny)["train"]
    assert len(source) == 7
    np.testing.assert_array_equal(source[-1]["image"], source[np.int64(6)]["image"])
    for index in (7, -8):
        with pytest.raises(IndexError):
            source[index]
    for indices in ([3, 0, -1], np.array([5, 5]), []):
        items = source.__getitems__(indices)
        assert len(items) == len(indices)
        for index, item in zip(indices, items, strict=True):
            np.testing.assert_array_equal(item["image"], source[index]["image"])
            assert item["label"] == source[index]["label"]


def test_labels_are_read_without_decoding(tiny, monkeypatch):
    def decode(*args, **kwargs):
        raise AssertionError("decoded an image")

    monkeypatch.setattr("jaxvision.data.tfds.decode_image", decode)
    monkeypatch.setattr("jaxvision.data.tfds.RECORDS_AT_A_TIME", 3)  # 7 in three parts
    assert sorted(open_tfds("tiny", tiny)["train"].labels.tolist()) == sorted(KINDS)


def test_channels_are_those_asked_for(tiny):
    assert open_tfds("tiny", tiny)["train"][0]["image"].shape == (6, 5, 3)
    assert open_data("tfds:tiny", data_dir=tiny, channels=1)["train"][0]["image"].shape == (6, 5, 1)
    with raises(ValueError, "`channels` must be 1 (grey) or 3 (RGB), got 2"):
        open_tfds("tiny", tiny, channels=2)


def test_a_grey_data_set_stays_grey(tmp_path):
    import tensorflow_datasets as tfds

    grey = features(picture=tfds.features.Image(shape=(6, 5, 1)))
    prepare(tmp_path, "grey", grey, {"train": [{"picture": png(PICTURES[0, ..., 0]), "kind": 1}]})
    np.testing.assert_array_equal(
        open_tfds("grey", tmp_path)["train"][0]["image"], PICTURES[0, ..., :1]
    )


def test_a_damaged_image_is_named_with_its_index_and_class(tiny):
    source = open_tfds("tiny", tiny)["test"]
    bad = source.labels.tolist().index(1)
    with raises(ImageError, f"tiny/test[{bad}]: is damaged", "remove it", "Class 'bee'"):
        source[bad]
    assert source[1 - bad]["label"] == 2


def test_missing_and_damaged_files_are_named(tiny, tmp_path):
    copy = shutil.copytree(tiny / "tiny", tmp_path / "tiny") / "1.0.0"
    next(copy.glob("*train*")).unlink()
    test = next(copy.glob("*test*"))
    test.write_bytes(test.read_bytes()[:-100])
    sources = open_tfds("tiny", tmp_path)
    for split in ("train", "test"):
        for read in (lambda s: s[0], lambda s: s.__getitems__([0]), lambda s: s.labels):
            with raises(OSError, f"tiny/{split}: its files are missing or", "prepare it again"):
                read(sources[split])


def test_a_missing_label_is_an_error(tiny):
    source = open_tfds("tiny", tiny)["validation"]
    for read in (lambda: source[0], lambda: source.labels):
        with raises(ValueError, "tiny/validation[0]", "in [0, 3), got -1", "Use another split"):
            read()


def test_a_source_can_be_shared_with_threads_and_processes(tiny):
    source = open_tfds("tiny", tiny)["train"]
    copy = pickle.loads(pickle.dumps(source))
    with ThreadPoolExecutor(4) as threads:
        for i, item in enumerate(threads.map(copy.__getitem__, range(7))):
            np.testing.assert_array_equal(item["image"], source[i]["image"])


def test_a_data_set_must_have_an_image_and_a_class(tmp_path):
    import tensorflow_datasets as tfds

    examples = {"train": [{"picture": png(PICTURES[0]), "kind": 1}]}
    for name, changes, words in (
        ("text", {"picture": tfds.features.Text()}, ("picture (Text)", "kind (ClassLabel)")),
        ("number", {"kind": tfds.features.Scalar(np.int64)}, ("kind (Scalar)",)),
        (
            "gif",
            {"picture": tfds.features.Image(shape=(None, None, None, 3))},
            ("images [h, w, c]", "'picture' is uint8 [None, None, None, 3]"),
        ),
    ):
        prepare(tmp_path, name, features(**changes), examples)
        with raises(ValueError, f"`{name}` must have", *words, "Choose a"):
            open_tfds(name, tmp_path)


def test_a_data_set_without_a_known_split_is_refused(tmp_path):
    examples = [{"picture": png(PICTURES[0]), "kind": 1}]
    prepare(tmp_path, "odd", features(), {"dev": examples, "unseen": examples})
    with raises(ValueError, "`odd`", "named train, validation, test", "has dev, unseen", "Choose"):
        open_tfds("odd", tmp_path)


def test_files_that_only_tensorflow_reads_are_refused(tiny, tmp_path):
    folder = tmp_path / "tiny" / "1.0.0"
    folder.mkdir(parents=True)
    for path in (tiny / "tiny" / "1.0.0").iterdir():
        content = path.read_bytes()
        if path.suffix == ".json":
            content = content.replace(b"array_record", b"tfrecord")
        (folder / path.name).write_bytes(content)
    words = ("`tiny`", folder, "as tfrecord", "data_dir='ANOTHER_FOLDER'", "file_format='array_")
    with raises(FileNotFoundError, *words):
        open_tfds("tiny", tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mnistt", ("unknown to TFDS", "'mnistt'", "mean `mnist`?", "tfds.list_builders()")),
        ("tinny", ("unknown to TFDS", "tfds.list_builders()")),
        ("mnist:9.9.9", ("'mnist:9.9.9'", "mean `mnist:3.0.1`?")),
        ("imagenet_v2/matched", ("mean `imagenet_v2/matched-frequency`?",)),
        ("kaggle:mnist", ("must be NAME, NAME/CONFIG or NAME:VERSION", "'kaggle:mnist'", "Try")),
        ("../mnist", ("must be NAME", "'../mnist'", "Try 'cifar10'")),
    ],
)
def test_an_unknown_name_is_refused_at_once(name, words, tmp_path):
    start = time.monotonic()
    with raises(ValueError, *words):
        open_tfds(name, tmp_path)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("name", ["cifar100", "imagenet_v2/matched-frequency", "i_naturalist2021"])
def test_an_unprepared_data_set_says_how_to_prepare_it_at_once(name, tmp_path, caplog):
    command = (
        "pip install 'jaxvision[tfds]' && python -c \"import tensorflow_datasets as tfds; "
        f"tfds.builder('{name}', file_format='array_record', data_dir='{tmp_path}')"
        '.download_and_prepare()"'
    )
    start = time.monotonic()
    with raises(FileNotFoundError, f"`{name}` is not prepared in {tmp_path}", command):
        open_tfds(name, tmp_path)
    assert time.monotonic() - start < 3
    assert not caplog.records


def test_it_is_silent_and_needs_no_tensorflow(tiny):
    program = (
        "import sys; from jaxvision.data import open_data; assert 'tensorflow_datasets' not in "
        f"sys.modules; s = open_data('tfds:tiny', data_dir={str(tiny)!r})['train']; s[0], s.labels;"
        "assert not {'tensorflow', 'sklearn'} & set(sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.real_data
def test_mnist():
    try:
        sources = open_tfds("mnist")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert {split: len(source) for split, source in sources.items()} == {
        "train": 60_000,
        "test": 10_000,
    }
    train = sources["train"]
    assert isinstance(train, TfdsSource) and train.classes == tuple("0123456789")
    # The counts that the data set is published with.
    expected = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_array_equal(np.bincount(train.labels), expected)
    items = train.__getitems__(range(0, 60_000, 60))
    assert {item["image"].shape for item in items} == {(28, 28, 1)}
    assert [item["label"] for item in items] == train.labels[::60].tolist()
    assert np.mean([item["image"].mean() for item in items]) == pytest.approx(33.3, abs=1.5)
