"""Pickles that ask for more than arrays: objects, programs by hand, and bombs."""

import collections
import functools
import os
import struct
from pathlib import Path

import numpy as np


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


GLOBAL = b"c%b\n%b\n"
ARRAY = GLOBAL % (b"numpy.core.multiarray", b"_reconstruct")
EMPTY_ARRAY = ARRAY + GLOBAL % (b"numpy", b"ndarray") + b"K\0\x85C\x01b\x87R"
DTYPE = GLOBAL % (b"numpy", b"dtype") + short("f4") + b"\x89\x88\x87R"


def pickled_array(shape, data, dtype=DTYPE):
    """An array with this program for its shape, and these data."""
    return EMPTY_ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


PROGRAMS = [
    (
        pickled_array(b"J\xff\xff\xff\x7f\x85", b"C\x04abcd"),
        "size 1 into shape",
    ),
    (pickled_array(b"J\xff\xff\xff\xff\x85", b"C\x04abcd"), "no sound shape"),
    (pickled_array(b"\x88\x85", b"C\x04abcd"), "no sound shape"),
    (pickled_array(b"K\x01", b"C\x04abcd"), "no sound shape"),
    (pickled_array(b"(" + b"\x8a\xff" + b"\x7f" * 255 + b"t", b"C\x00"), "is damaged"),
    (pickled_array(b"(" + (b"\x8a\xff" + b"\x7f" * 255) * 9_000 + b"t", b"C\x00"), "is damaged"),
    (pickled_array(b"K\x01\x85", short("abcd")), "makes an array of a str"),
    (pickled_array(b"K\x01\x85", b"](K\x01e"), "makes an array of a list"),
    (pickled_array(b"K\x01\x85", b"C\x04abcd", b"N"), "a state that NumPy does not write"),
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
    (pickled_array(b"K\x01\x85", b"C\x05abcde"), "is damaged"),
    (pickled_array(b"K\x01\x85", b"C\x08abcdefgh"), "is damaged"),
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
]


def nested_in_itself(levels):
    """A list that holds twice a list that holds twice ...: 2^levels lists in nine bytes each."""
    program = b"]q\0"
    for level in range(levels):
        program += b"](h" + bytes([level]) + b"h" + bytes([level]) + b"eq" + bytes([level + 1])
    return program


def text(length, content):
    return b"X" + struct.pack("<I", length) + content


def length(instruction, number):
    return instruction + struct.pack("<Q", number) + b"abcd"


MANY = b"(" + b"".join(text(5, b"%05d" % i) + b"K\1" for i in range(50_000)) + b"u"
BOMBS = {
    "memo": b"}" + text(1, b"w") + b"r\xff\xff\xff\x7fs",  # 32 GB in pickle
    "bytes": b"}" + text(1, b"w") + length(b"\x8e", 2**40) + b"s",
    "bytearray": b"}" + text(1, b"w") + length(b"\x96", 2**62) + b"s",
    "string": b"}" + text(1, b"w") + b"T\xff\xff\xff\x7fabcds",
    "long": b"}" + text(1, b"w") + b"\x8b\xff\xff\xff\x7fs",
    "digits": b"}" + text(1, b"w") + b"I" + b"9" * 10_000 + b"\ns",
    "instructions": b"K\1" * 5_000_000,
    "marks": b"(" * 5_000_000,
    "many": b"}" + MANY,
    "deep_lists": b"]" * 240_000 + b"a" * 239_999,
    "deep_tuples": b"}" + text(1, b"w") + b")" + b"\x85" * 400_000 + b"s",
    "in_itself": b"]q\0h\0a",
    "unfolding": nested_in_itself(40),
    "unfolding_key": b"}" + nested_in_itself(40) + b"K\1s",
    "unfolding_tuple": b"}" + text(1, b"w") + b")q\0" + b"h\0h\0\x86q\0" * 60 + b"s",
    "long_name": b"}" + text(2**23, b"a" * 2**23) + b"K\1s",
    "long_names": b"]q\0" + b"}" + text(2**20, b"a" * 2**20) + b"q\1h\0sq\0" + b"}h\1h\0sq\0" * 25,
}
