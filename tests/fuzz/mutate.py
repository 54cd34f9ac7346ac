"""Bytes that are almost right: what a damaged disk, a bad tool or an attacker makes of a file.

One to four edits after each other: a flipped bit, a byte of all zeros or ones, a span cut out, said
twice, exchanged for another or made anew, an end cut off, a number put where a length may be, or
the head of one file before the tail of another.
"""

import struct

import numpy as np

# About the ends of the integers that formats keep lengths, offsets and counts in.
NUMBERS = tuple(
    sorted(
        {0, 1, -1}
        | {
            sign * 2**bits + d
            for bits in (7, 8, 15, 16, 31, 32, 63)
            for sign in (1, -1)
            for d in (-1, 0, 1)
        }
    )
)
LONGEST = 64  # bytes that an edit adds anew


def mutated(data: bytes, generator: np.random.Generator, other: bytes = b"") -> bytes:
    """One to four random edits of `data`.

    Args:
        data: what is edited; it may be empty.
        generator: decides the edits.
        other: another file, whose tail may be put behind the head of `data`; by default itself.
    """
    for _ in range(generator.integers(1, 5)):
        edit = EDITS[generator.integers(len(EDITS))]
        if edit is _splice:
            data = _splice(data, generator, other)
        elif data:
            data = edit(data, generator)
        else:
            data = _insert(data, generator)
    return data


def _span(data: bytes, generator: np.random.Generator) -> tuple[int, int]:
    """Where a part of it begins and ends: short ones as often as long ones."""
    longest = int(generator.choice((4, 32, len(data))))
    start = int(generator.integers(len(data)))
    return start, min(len(data), start + int(generator.integers(1, longest + 1)))


def _flip_bits(data: bytes, generator: np.random.Generator) -> bytes:
    edited = bytearray(data)
    for _ in range(generator.integers(1, 9)):
        edited[generator.integers(len(data))] ^= 1 << int(generator.integers(8))
    return bytes(edited)


def _set_byte(data: bytes, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(len(data)))
    return data[:place] + (b"\x00", b"\xff")[generator.integers(2)] + data[place + 1 :]


def _truncate(data: bytes, generator: np.random.Generator) -> bytes:
    return data[: generator.integers(len(data))]


def _delete(data: bytes, generator: np.random.Generator) -> bytes:
    start, end = _span(data, generator)
    return data[:start] + data[end:]


def _duplicate(data: bytes, generator: np.random.Generator) -> bytes:
    start, end = _span(data, generator)
    return data[:end] + data[start:]


def _swap(data: bytes, generator: np.random.Generator) -> bytes:
    (a, b), (c, d) = sorted((_span(data, generator), _span(data, generator)))
    b, d = min(b, c), max(d, c)  # the first ends where the second begins, at the latest
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _insert(data: bytes, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(len(data) + 1))
    return data[:place] + generator.bytes(int(generator.integers(1, LONGEST))) + data[place:]


def _put_number(data: bytes, generator: np.random.Generator) -> bytes:
    """An interesting integer, of 1, 2, 4 or 8 bytes, in either order, over what is there."""
    width = "BHIQ"[generator.integers(4)]
    size = struct.calcsize("<" + width)
    number = NUMBERS[generator.integers(len(NUMBERS))] % 256**size
    written = struct.pack("<>"[generator.integers(2)] + width, number)
    place = int(generator.integers(len(data)))
    return data[:place] + written + data[place + size :]


def _splice(data: bytes, generator: np.random.Generator, other: bytes) -> bytes:
    other = other or data
    head = data[: generator.integers(len(data) + 1)]
    return head + other[generator.integers(len(other) + 1) :]


EDITS = (
    _flip_bits,
    _set_byte,
    _truncate,
    _delete,
    _duplicate,
    _swap,
    _insert,
    _put_number,
    _splice,
)
