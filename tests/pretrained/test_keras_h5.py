"""Keras' HDF5 files, and HDF5 files that Keras would not write: refused before they are read."""

import sys

import numpy as np
import pytest

from jaxvision.pretrained.read import read_tensors
from tests.pretrained.hostile_h5 import ATTACKS, KERNEL, SECRET, write

h5py = pytest.importorskip("h5py", reason="h5py is not installed")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "files").mkdir()
    return tmp_path / "files" / "model.weights.h5"


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


@pytest.mark.parametrize(("attack", "message"), ATTACKS.values(), ids=ATTACKS)
def test_what_keras_does_not_write_is_refused_before_reading(path, attack, message, monkeypatch):
    (path.parents[1] / "outside").mkdir()
    with h5py.File(path.parents[1] / "outside" / "secret.h5", "w") as file:
        file["w"] = SECRET
    write(path, attack)

    def read(*arguments):
        raise AssertionError("a tensor was read")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", read)
    with pytest.raises(ValueError, match=rf"model\.weights\.h5: .*{message}"):
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
