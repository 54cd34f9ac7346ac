"""Keras' HDF5 files, and HDF5 files that Keras would not write: refused before they are read."""

import sys

import numpy as np
import pytest

from jaxvision.pretrained import claims
from jaxvision.pretrained.read import read_tensors

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
SECRET = np.full(4, 42, np.float32)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["w"] = SECRET
    (tmp_path / "secret.bin").write_bytes(SECRET.tobytes())
    return tmp_path / "model.weights.h5"


@pytest.mark.parametrize(
    "names",
    [
        ("layers/conv2d/vars/0", "layers/conv2d/vars/1"),  # Keras 3
        ("model_weights/conv1/conv1/kernel:0", "model_weights/conv1/conv1/bias:0"),  # Keras 2
        ("conv1/conv1_W_1:0", "conv1/conv1_b_1:0"),  # Keras 1, weights alone
    ],
)
def test_names_are_the_paths(path, names):
    with h5py.File(path, "w") as file:
        file[names[0]], file[names[1]] = KERNEL, np.float64(0.5)
        file.attrs["layer_names"] = ["conv1"]
        file.create_group("layers/dropout/vars")
    tensors = read_tensors(path)
    assert list(tensors) == sorted(names)
    np.testing.assert_array_equal(tensors[names[0]], KERNEL, strict=True)
    np.testing.assert_array_equal(tensors[names[1]], np.array(0.5), strict=True)


def test_compressed_in_pieces_and_big_endian(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("z", data=KERNEL, compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("b", data=KERNEL.astype(">f4"), chunks=(1, 2, 3))
        file.create_dataset("e", data=np.zeros((0, 3), np.float32))
    tensors = read_tensors(path)
    for name in "bz":
        np.testing.assert_array_equal(tensors[name], KERNEL, strict=True)
    assert tensors["e"].shape == (0, 3)


def external_storage(file):
    file.create_dataset("g/w", (4,), "f4", external=[("secret.bin", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "w", (4,))
    file.create_virtual_dataset("g/w", layout)


def virtual_in_the_same_file(file):
    file["v"] = SECRET
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(file["v"])
    file.create_virtual_dataset("g/w", layout)


def circle(file):
    group = file.create_group("g/deeper")
    group["w"] = file["g"]


def to_the_root(file):
    file.create_group("g")["w"] = file["/"]


def shape_bomb(file):
    file.create_dataset("g/w", (2**40,), "f4")


def chunked_bomb(file):
    file.create_dataset("g/w", (2**40,), "f4", chunks=(2**20,))


def deflated_bomb(file):
    file.create_dataset("g/w", (2**25,), "f4", chunks=(2**20,), compression="gzip")


def fill_value(file):
    file.create_dataset("g/w", (1000,), "f4", chunks=(10,), fillvalue=1.0)


def many(file):
    group = file.create_group("g")
    for i in range(100):
        group.create_group(str(i))


def deep(file):
    file["/".join("g" * 40)] = SECRET


ATTACKS = {
    external_storage: "'g/w' is stored in another file",
    virtual: "'g/w' is a virtual dataset",
    virtual_in_the_same_file: "'g/w' is a virtual dataset",
    lambda file: file.update({"g/w": h5py.ExternalLink("secret.h5", "/w")}): "'g/w' is a link",
    lambda file: file.update({"g/w": h5py.SoftLink("/h")}): "'g/w' is a link to elsewhere",
    lambda file: file.update({"g": h5py.ExternalLink("secret.h5", "/")}): "'g' is a link",
    circle: "'g/deeper/w' is a second name",
    to_the_root: "'g/w' is a second name",
    lambda file: (
        file.update({"g/v": SECRET}) or file.update({"g/w": file["g/v"]})
    ): "'g/w' is a sec",
    lambda file: file.update({"g/w": np.dtype("f4")}): "'g/w' is neither group nor dataset",
    lambda file: file.update({"g/w": "text"}): "'g/w' is of the dtype object",
    lambda file: file.update({"g/w": np.array([b"text"])}): r"'g/w' is of the dtype \|S4",
    lambda file: file.update({"g/w": file.ref}): "'g/w' is of the dtype object",
    lambda file: file.update({"g/w": h5py.Empty("f4")}): "'g/w' is of the dtype float32",
    lambda file: file.update({"g/w": np.complex64(1)}): "'g/w' is of the dtype complex64",
    shape_bomb: "'g/w' is claimed to have 4,398,046,511,104 bytes, and 0 are stored",
    chunked_bomb: "'g/w' is claimed to have 4,398,046,511,104 bytes, and 0 are stored",
    deflated_bomb: "claims 134,217,824 bytes of tensors, 134,217,728 of them in 'g/w'",
    fill_value: "'g/w' is claimed to have 4,000 bytes, and 0 are stored",
    lambda file: file.create_dataset("g/w", data=SECRET, compression="lzf"): r"filters \[32000\]",
    lambda file: file.create_dataset("g/w", data=[1, 2], scaleoffset=True): r"filters \[6\]",
    many: "has more than 100 tensors",
    deep: "is neither group nor dataset, or too deep",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_what_keras_does_not_write_is_refused_before_reading(path, attack, monkeypatch):
    with h5py.File(path, "w") as file:
        file["a"] = KERNEL  # first in order: not even this is read
        attack(file)

    def read(*arguments):
        raise AssertionError("a tensor was read")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", read)
    monkeypatch.setattr(claims, "MAX_TENSORS", 100)
    with pytest.raises(ValueError, match=rf"model\.weights\.h5: .*{ATTACKS[attack]}"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89HDF\r\n\x1a\n", bytes(1000)])
def test_what_is_no_hdf5_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.weights\.h5: is damaged or no HDF5 file"):
        read_tensors(path)


def test_a_file_cut_anywhere_is_refused(path):
    with h5py.File(path, "w") as file:
        file["g/w"] = KERNEL
    content = path.read_bytes()
    for size in range(0, len(content), 50):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="Fetch it again"):
            read_tensors(path)


def test_without_h5py_the_remedy_is_named(path, monkeypatch):
    path.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"needs h5py, which is not installed.*pip install h5py"):
        read_tensors(path)


@pytest.mark.parity
@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5"])
@pytest.mark.filterwarnings("ignore")
def test_what_keras_saves(tmp_path, monkeypatch, name):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    layers = [
        keras.layers.Conv2D(4, 3, name="conv1"),
        keras.layers.BatchNormalization(name="bn1"),
        keras.layers.Dense(2, name="head"),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers], name="net")
    if name == "model.h5":
        model.save(tmp_path / name)
    else:
        model.save_weights(tmp_path / name)
    tensors = read_tensors(tmp_path / name)
    for layer, folder in zip(layers, ("conv2d", "batch_normalization", "dense"), strict=True):
        for i, variable in enumerate(layer.weights):
            if name == "model.h5":
                path = f"model_weights/{layer.name}/net/{layer.name}/{variable.name}"
            else:
                path = f"layers/{folder}/vars/{i}"
            np.testing.assert_array_equal(tensors[path], np.asarray(variable.value), strict=True)
    assert len(tensors) == 8
