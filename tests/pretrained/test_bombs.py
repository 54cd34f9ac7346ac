"""Small files that claim, or unfold to, a great deal: refused within 2 s and 200 MB.

A process of its own reads them all, so that its memory can be measured, and its time without the
type checks of the tests.
"""

import json
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

READ = r"""
import re, sys, time
from pathlib import Path
from jaxvision.pretrained.read import read_tensors

def megabytes():  # the most so far; getrusage would begin with what the parent had
    status = Path("/proc/self/status")
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1e3 if status.exists() else 0

for path in map(Path, sys.argv[1:]):
    before, start = megabytes(), time.process_time()
    try:
        answer = f"read {len(read_tensors(path))}"
    except ValueError as error:
        is_clear = str(error).startswith(f"{path}: ") and len(str(error)) < 1000
        answer = "refused" if is_clear else f"refused with {error}"
    print(path.name, time.process_time() - start, megabytes() - before, answer, sep="|")
"""


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
PICKLES = {
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


def manifest(weights, paths=("a.bin",)):
    return {"weightsManifest": [{"paths": list(paths), "weights": weights}]}


def weight(name, shape):
    return {"name": name, "shape": shape, "dtype": "float32"}


MANIFESTS = {
    "shape": manifest([weight("w", [2**40])]),
    "rank": manifest([weight("w", [2**62] * 300_000)]),
    "many": manifest([weight(f"{i:05}", [0]) for i in range(50_000)]),
    "again": manifest([weight("w", [2**30])], ["a.bin"] * 100_000),
}


@pytest.fixture
def bombs(tmp_path):
    paths = []

    def path(name):
        paths.append(tmp_path / name)
        return paths[-1]

    for name, program in PICKLES.items():
        path(f"{name}.pkl").write_bytes(b"\x80\x04" + program + b".")
    for name, content in MANIFESTS.items():
        path(f"{name}.json").write_text(json.dumps(content))
    path("brackets.json").write_text('{"weightsManifest":' + "[" * 1_000_000)
    (tmp_path / "a.bin").write_bytes(bytes(2**16))

    np.savez_compressed(path("zeros.npz"), w=np.zeros(2**25, np.float32))  # 128 MB in 130 kB
    with zipfile.ZipFile(path("many.npz"), "w") as archive:
        for i in range(25_000):
            archive.writestr(f"{i}.npy", b"")
    entries = {
        str(i): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(200_000)
    }
    for name, content in (("many", entries), ("some", dict(list(entries.items())[:100_000]))):
        header = json.dumps(content).encode()
        path(f"{name}.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return paths


def test_bombs_are_refused_within_2_seconds_and_200_megabytes(bombs):
    command = [sys.executable, "-c", READ, *map(str, bombs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    results = [line.split("|") for line in done.stdout.splitlines()]
    assert [name for name, *_ in results] == [path.name for path in bombs]
    assert {name: answer for name, *_, answer in results if answer != "refused"} == {}
    # The goal is 2 s, and the slowest takes 0.5 s; a slow or busy machine may take longer.
    assert {name: seconds for name, seconds, *_ in results if float(seconds) > 5} == {}
    assert {name: growth for name, _, growth, _ in results if float(growth) > 200} == {}
