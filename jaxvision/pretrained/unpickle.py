"""Pickled dicts of NumPy arrays, read without pickle.

A pickle is a program for a stack machine, and the whole machine can import and call anything. This
one knows some thirty instructions: they make dicts, lists, tuples, text and numbers, and recognise
the calls in which NumPy pickles an array. It imports nothing and calls nothing of the file's, and
what it does not know ends it.

    _reconstruct(ndarray, (0,), b"b")        an array, whose state (1, shape, dtype, fortran, data)
                                             follows by BUILD: protocols 3 and 4
    _frombuffer(data, dtype, shape, order)   an array, with its axes if order is "K": protocol 5
    scalar(dtype, data)                      a NumPy number
    dtype("f4", False, True)                 a dtype, whose state (3, "<", None, ...) follows

The instructions, and the parser for them: https://docs.python.org/3/library/pickletools.html.
"""

import pickletools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxvision.pretrained.claims import WeightsError
from jaxvision.pretrained.nested import flatten

MAX_INSTRUCTIONS = 500_000  # an array takes about 30
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
FUNCTIONS = {  # "module name", as in the file: what it means
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "numpy.core.multiarray _reconstruct": "_reconstruct",
    "numpy._core.multiarray _reconstruct": "_reconstruct",
    "numpy.core.multiarray scalar": "scalar",
    "numpy._core.multiarray scalar": "scalar",
    "numpy.core.numeric _frombuffer": "_frombuffer",
    "numpy._core.numeric _frombuffer": "_frombuffer",
}
DTYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class _UnsafeError(Exception):
    """The pickle asks for what is not done; the message says for what."""


@dataclass(frozen=True)
class _Function:
    """A function or class of NumPy's; it is compared, and never called."""

    name: str


@dataclass(eq=False)
class _Dtype:
    code: str
    byteorder: str = "|"


@dataclass(eq=False)
class _Array:
    value: np.ndarray | None = None  # None until its state has come


def read_pickled_arrays(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Reads a pickle, of protocol 3 or above, of arrays and numbers in nested dicts and lists.

    `limit` needs no look: the arrays are no larger than the file.

    Raises:
        WeightsError: as `read_tensors`.
    """
    del limit
    try:
        with warnings.catch_warnings():
            # The parser's, about text of the oldest protocol, which is refused in any case.
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = _run(path.read_bytes())
        leaves = flatten(path, tree)
        return {name: _number(name, leaf) for name, leaf in leaves.items()}
    except _UnsafeError as unsafe:
        raise WeightsError(
            f"{path}: {unsafe}, and only NumPy arrays of numbers in dicts and lists are read. "
            "None of it was run. If you trust who made it, convert it there with `np.savez`; if "
            "not, unpickle it nowhere."
        ) from None
    except WeightsError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise WeightsError(
            f"{path}: is damaged or no pickle ({type(error).__name__}: {error}). Fetch it again."
        ) from None


def _run(content: bytes) -> Any:
    """What the program leaves on the stack, with an `_Array` for each array."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop(number: int) -> list[Any]:
        start = len(stack) - number
        if start < 0:
            raise ValueError("the stack is empty")
        items = stack[start:]
        del stack[start:]
        return items

    def pop_to_mark() -> list[Any]:
        return pop(len(stack) - marks.pop())

    for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        if count == MAX_INSTRUCTIONS:
            raise _UnsafeError(f"it has more than {MAX_INSTRUCTIONS:,} instructions")
        match instruction.name:
            case "PROTO" | "FRAME":
                pass
            case name if name in LITERALS:
                stack.append(argument)
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case "MARK":
                marks.append(len(stack))
            case name if name in TUPLES:
                stack.append(tuple(pop(TUPLES[name])))
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "APPEND":
                _extend(pop(1), stack[-1])
            case "APPENDS":
                _extend(pop_to_mark(), stack[-1])
            case "SETITEM":
                _update(pop(2), stack[-1])
            case "SETITEMS":
                _update(pop_to_mark(), stack[-1])
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_find(argument))
            case "STACK_GLOBAL":
                stack.append(_find(" ".join(pop(2))))
            case "REDUCE":
                stack.append(_call(*pop(2)))
            case "BUILD":
                _build(pop(1)[0], stack[-1])
            case "STOP":
                return stack.pop()
            case name:
                raise _UnsafeError(f"it has the instruction {name}")
    raise ValueError("it has no end")


def _extend(items: list[Any], target: Any) -> None:
    if not isinstance(target, list):
        raise _UnsafeError(f"it appends to a {type(target).__name__}")
    target.extend(items)


def _update(items: list[Any], target: Any) -> None:
    keys, values = items[::2], items[1::2]
    if not isinstance(target, dict) or not all(isinstance(key, str) for key in keys):
        raise _UnsafeError("it has names that are no text, or not in a dict")
    target.update(zip(keys, values, strict=True))


def _find(name: str) -> _Function:
    if name not in FUNCTIONS:
        raise _UnsafeError(f"it names {name.replace(' ', '.')!r}")
    return _Function(FUNCTIONS[name])


def _call(function: Any, arguments: Any) -> _Dtype | _Array:
    match function, arguments:
        case _Function("dtype"), (str(code), bool(), bool()) if code in DTYPES:
            return _Dtype(code)
        case _Function("_reconstruct"), (_Function("ndarray"), (0,), b"b"):
            return _Array()
        case _Function("_frombuffer"), (data, _Dtype() as dtype, shape, "C" | "F" as order):
            return _Array(_array(data, dtype, shape, order == "F"))
        case _Function("_frombuffer"), (data, _Dtype() as dtype, shape, "K", tuple(axes)):
            return _Array(_array(data, dtype, shape, False).transpose(axes))
        case _Function("scalar"), (_Dtype() as dtype, data):
            return _Array(_array(data, dtype, (), False))
        case _Function(name), _:
            raise _UnsafeError(f"it calls {name} with arguments that NumPy does not write")
    raise _UnsafeError(f"it calls a {type(function).__name__}")


def _build(state: Any, target: Any) -> None:
    match target, state:
        case _Dtype(), (3, "<" | ">" | "|" | "=" as byteorder, None, None, None, -1, -1, 0):
            target.byteorder = byteorder
        case _Array(), (1, shape, _Dtype() as dtype, bool(fortran), data):
            target.value = _array(data, dtype, shape, fortran)
        case _:
            raise _UnsafeError(
                f"it gives a {type(target).__name__} a state that NumPy does not write"
            )


def _array(data: Any, dtype: _Dtype, shape: Any, fortran: bool) -> np.ndarray:
    stored = np.dtype(dtype.code).newbyteorder(dtype.byteorder)
    if not isinstance(data, bytes | bytearray):
        raise _UnsafeError(f"it makes an array of a {type(data).__name__}")
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("an array has no sound shape")
    array = np.frombuffer(data, stored) if data else np.zeros(0, stored)
    native = array.astype(stored.newbyteorder("="), copy=False)
    return native.reshape(shape, order="F" if fortran else "C")


def _number(name: str, leaf: Any) -> np.ndarray:
    if isinstance(leaf, _Array):
        leaf = leaf.value
    if not isinstance(leaf, np.ndarray | bool | float | int):
        raise _UnsafeError(f"{name!r} is a {type(leaf).__name__}")
    return np.asarray(leaf, np.int64 if type(leaf) is int else None)
