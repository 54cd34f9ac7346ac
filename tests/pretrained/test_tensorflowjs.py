"""TensorFlow.js: weights cut from shards by hand, and what leads elsewhere refused."""

import json

import numpy as np
import pytest

from jaxvision.pretrained.read import read_tensors

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
COUNTS = np.array([3, -1], np.int32)
FLAG = np.array(True)
BIAS = np.array([0.5], np.float32)
WEIGHTS = [
    {"name": "conv/kernel", "shape": [2, 3], "dtype": "float32"},
    {"name": "counts", "shape": [2], "dtype": "int32"},
    {"name": "flag", "shape": [], "dtype": "bool"},
]
SECOND = {"paths": ["two/b.bin"], "weights": [{"name": "bias", "shape": [1], "dtype": "float32"}]}


@pytest.fixture
def model(tmp_path):
    """Two groups; the shards of the first are cut in the middle of a number."""
    content = KERNEL.tobytes() + COUNTS.tobytes() + FLAG.tobytes()
    (tmp_path / "model" / "two").mkdir(parents=True)
    (tmp_path / "model" / "a1.bin").write_bytes(content[:10])
    (tmp_path / "model" / "a2.bin").write_bytes(content[10:])
    (tmp_path / "model" / "two" / "b.bin").write_bytes(BIAS.tobytes())
    write(tmp_path, [{"paths": ["a1.bin", "a2.bin"], "weights": WEIGHTS}, SECOND])
    return tmp_path / "model" / "model.json"


def write(folder, groups):
    content = {"format": "layers-model", "modelTopology": {}, "weightsManifest": groups}
    (folder / "model" / "model.json").write_text(json.dumps(content))


def test_weights_by_hand(model):
    tensors = read_tensors(model)
    assert list(tensors) == ["conv/kernel", "counts", "flag", "bias"]
    for name, value in zip(tensors, (KERNEL, COUNTS, FLAG, BIAS), strict=True):
        np.testing.assert_array_equal(tensors[name], value, strict=True)


def test_the_order_of_the_shards_is_the_manifests(model, tmp_path):
    swapped = {"paths": ["a2.bin", "a1.bin"], "weights": WEIGHTS}
    write(tmp_path, [swapped])
    assert not np.array_equal(read_tensors(model)["conv/kernel"], KERNEL)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["../secret.bin"], r"the shard '\.\./secret\.bin', which is not in the folder"),
        (["two/../../secret.bin"], "which is not in the folder of model.json, and was not read"),
        (["/etc/hostname"], "which is not in the folder"),
        (["link.bin"], "which is not in the folder"),
        (["two/../a1.bin", "a2.bin"], "which is not in the folder"),
        (["a\0.bin"], r"the shard 'a\\x00\.bin', which is not in the folder"),
        (["a" * 5000], "the shard 'aaa[a]{97}', which is not in the folder"),
        (["a1.bin", "./a1.bin"], "names a shard or a weight twice"),
        (["a1.bin"], "claims 33 bytes of weights in 1 shards, which have 10"),
        ([], "claims 33 bytes of weights in 0 shards"),
        (
            ["a1.bin", "a2.bin", "two/b.bin"],
            "claims 33 bytes of weights in 3 shards, which have 37",
        ),
    ],
)
def test_shards_elsewhere_or_of_another_size(model, tmp_path, paths, message):
    (tmp_path / "secret.bin").write_bytes(bytes(33))
    (tmp_path / "model" / "link.bin").symlink_to(tmp_path / "secret.bin")
    write(tmp_path, [{"paths": paths, "weights": WEIGHTS}])
    with pytest.raises(ValueError, match=rf"model\.json: .*{message}"):
        read_tensors(model)


@pytest.mark.parametrize("name", ["a3.bin", "two", "https://example.org/a.bin"])
def test_a_shard_that_is_not_there(model, tmp_path, name):
    write(tmp_path, [{"paths": [name], "weights": WEIGHTS}])
    with pytest.raises(FileNotFoundError, match=rf"model\.json: the shard '{name}' .* Fetch all"):
        read_tensors(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantization": {"dtype": "uint8", "scale": 0.1, "min": -1}}, "'w' is quantized .*uint8"),
        ({"quantization": {"dtype": "float16"}}, "'w' is quantized .*float16.* Convert the model"),
        ({"dtype": "string"}, "'w' is string, and this reads float32"),
        ({"dtype": "complex64"}, "'w' is complex64, and"),
        ({"dtype": None}, "no sound"),
        ({"shape": [3]}, "claims 12 bytes of weights in 1 shards, which have 4"),
        ({"shape": [2**40]}, "claims 4,398,046,511,104 bytes"),
        ({"shape": [-1]}, "no sound"),
        ({"shape": [True]}, "no sound"),
        ({"shape": [1.0]}, "no sound"),
        ({"shape": None}, "no sound"),
        ({"shape": [1] * 33}, "no sound"),
        ({"name": None}, "no sound"),
    ],
)
def test_weights_that_are_not_what_they_claim(model, tmp_path, change, message):
    weight = {"name": "w", "shape": [1], "dtype": "float32"} | change
    write(tmp_path, [{"paths": ["two/b.bin"], "weights": [weight]}])
    with pytest.raises(ValueError, match=rf"model\.json: .*{message}"):
        read_tensors(model)


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "null", "{}", '"weightsManifest"', '{"weightsManifest": 3}'),
        *(
            '{"weightsManifest": [{}]}',
            '{"weightsManifest": ["a"]}',
            '{"weightsManifest": {"a": 1}}',
        ),
        '{"weightsManifest": [{"paths": [1], "weights": []}]}',
        '{"weightsManifest": [{"paths": [], "weights": {"name": "w"}}]}',
    ],
)
def test_another_json_is_refused(model, content):
    model.write_text(content)
    with pytest.raises(ValueError, match=r"model\.json: .*no sound \"weightsManifest\"\. Fetch"):
        read_tensors(model)


def test_two_weights_of_one_name(model, tmp_path):
    write(tmp_path, [SECOND | {"paths": ["two/b.bin"]}, SECOND | {"paths": []}])
    with pytest.raises(ValueError, match="names a shard or a weight twice"):
        read_tensors(model)


def test_the_limit_is_of_the_shards(model):
    size = model.stat().st_size
    for shard in (model.with_name("a1.bin"), model.with_name("a2.bin")):
        shard.write_bytes(bytes(size))
    with pytest.raises(ValueError, match=rf"its shards have {2 * size + 4:,} bytes, and `limit`"):
        read_tensors(model, limit=2 * size)
