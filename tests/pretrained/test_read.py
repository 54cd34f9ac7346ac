"""Every kind of file through one door: the right values, or an error with name and remedy."""

import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxvision.pretrained.read import read_tensors
from tests.pretrained.hostile_files import NPZ, SAFETENSORS, header, npy, write_npz

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
TENSORS = {
    "block1/conv/kernel": KERNEL,
    "bias": np.array([0.5, -2.0]),
    "half": np.array([[1.5]], np.float16),
    "count": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
    "flags": np.array([True, False]),
}
WRITERS = {".safetensors": save_file, ".npz": lambda tensors, path: np.savez(path, **tensors)}


def assert_equal(actual, expected):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name, strict=True)


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_was_written_comes_back(tmp_path, suffix):
    path = tmp_path / f"weights{suffix.upper()}"
    WRITERS[suffix](TENSORS, tmp_path / f"weights{suffix}")
    (tmp_path / f"weights{suffix}").rename(path)
    assert_equal(read_tensors(str(path)), TENSORS)


def test_compressed_arrays_in_fortran_order_and_big_endian(tmp_path):
    arrays = {"f": np.asfortranarray(KERNEL), "big": KERNEL.astype(">f4")}
    np.savez_compressed(tmp_path / "w.npz", **arrays)
    for value in read_tensors(tmp_path / "w.npz").values():
        np.testing.assert_array_equal(value, KERNEL)


def test_bfloat16_becomes_float32_exactly(tmp_path):
    values = jnp.array([[1.0, -2.5, 3e38], [2.0**-130, jnp.inf, 0.1]], jnp.bfloat16)
    save_file({"w": np.asarray(values), "e": np.zeros(0, jnp.bfloat16)}, tmp_path / "w.safetensors")
    assert_equal(
        read_tensors(tmp_path / "w.safetensors"),
        {"w": np.asarray(values, np.float32), "e": np.zeros(0, np.float32)},
    )


def test_real_weights(shared):
    tensors = read_tensors(shared / "weights" / "cifar_resnet20.safetensors")
    assert tensors["conv1.weight"].shape == (16, 3, 3, 3)
    weights = [x for name, x in tensors.items() if name.endswith(("weight", "bias"))]
    assert sum(x.size for x in weights) == 269_722  # with option A, and not in the paper's count


# --- what is no file of weights


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"w\.npz: no such file of weights\. Check"):
        read_tensors(tmp_path / "w.npz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "weights.onnx",
            r"weights\.onnx: has the suffix '\.onnx', and .* \.safetensors \.npz .*Give",
        ),
        ("weights", r"weights: has the suffix '', and"),
        ("folder.npz", r"folder\.npz: is no file, and"),
    ],
)
def test_another_kind_is_named_with_the_kinds_there_are(tmp_path, name, message):
    (tmp_path / "folder.npz").mkdir()
    if name.startswith("weights"):
        (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(ValueError, match=message):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".json", ".ckpt", ".pkl", ".pickle"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"<html>404: not found</html>", bytes(1000)])
def test_what_is_not_of_its_kind_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"w{suffix}: .*\. Fetch it again"):
        read_tensors(path)


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_limit_is_of_bytes(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    WRITERS[suffix]({"w": np.ones(1000, np.float32)}, path)
    size = path.stat().st_size
    read_tensors(path, limit=size)
    with pytest.raises(ValueError, match=rf"has {size:,} bytes, and `limit` allows {size - 1:,}"):
        read_tensors(path, limit=size - 1)
    with pytest.raises(ValueError, match="`limit` must be at least 1, got 0"):
        read_tensors(path, limit=0)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_cut_anywhere_is_refused(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    WRITERS[suffix](TENSORS, path)
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="Fetch it again"):
            read_tensors(path)


def test_a_flipped_bit_of_an_npz_changes_no_array(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, **TENSORS)
    content = path.read_bytes()
    refused, originals = [], {x.tobytes() for x in TENSORS.values()}
    for i in range(0, len(content), 11):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        try:  # another name, or one array fewer: not what a model would take
            assert {x.tobytes() for x in read_tensors(path).values()} <= originals
        except ValueError:
            refused.append(i)
    assert len(refused) > 0.5 * len(content) / 11


# --- hostile files


@pytest.mark.parametrize(("content", "message"), SAFETENSORS.values(), ids=SAFETENSORS)
def test_hostile_safetensors(tmp_path, content, message):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=rf"w\.safetensors: {message}"):
        read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize(("members", "message"), NPZ.values(), ids=NPZ)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_hostile_npz(tmp_path, members, message):
    write_npz(tmp_path / "w.npz", members)
    with pytest.raises(ValueError, match=rf"w\.npz: .*{message}"):
        read_tensors(tmp_path / "w.npz")


def test_an_npz_compressed_by_another_method_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("w.npy", npy(header((1,)), bytes(4)))
    with pytest.raises(ValueError, match=r"w\.npz: is damaged .*compressed as NumPy does not"):
        read_tensors(tmp_path / "w.npz")
