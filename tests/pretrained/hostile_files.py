"""Hostile safetensors, .npz and model.json, and the words by which each is refused.

What they lead to is in "outside", a folder beside theirs.
"""

import json
import struct
import zipfile

import numpy as np


def safetensors_with(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


W = b'"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
SAFETENSORS = {
    "header_beyond_any": (
        struct.pack("<Q", 2**62),
        "claims a header of 4,611,686,018,427,387,904 bytes",
    ),
    "header_beyond_the_file": (struct.pack("<Q", 100) + b"{}", "is damaged"),
    "header_of_100_MB": (
        struct.pack("<Q", 100_000_000) + b"{}".ljust(100_000_000),
        "claims a header of 100,000,000 bytes, and 4,194,304 are enough",
    ),
    "brackets": (safetensors_with(b"[" * 100_000), "is damaged"),
    "shape_beyond_the_file": (safetensors_with({"w": entry([2**40], 0, 2**42)}), "is damaged"),
    "shape_that_overflows": (safetensors_with({"w": entry([2**62, 4], 0, 0)}), "is damaged"),
    "shape_beyond_its_offsets": (safetensors_with({"w": entry([2], 0, 4)}, bytes(4)), "is damaged"),
    "negative_shape": (safetensors_with({"w": entry([-1], 0, 4)}, bytes(4)), "is damaged"),
    "negative_offset": (safetensors_with({"w": entry([1], -4, 0)}, bytes(4)), "is damaged"),
    "offsets_in_disorder": (safetensors_with({"w": entry([1], 4, 0)}, bytes(4)), "is damaged"),
    "offsets_beyond_the_file": (safetensors_with({"w": entry([1], 0, 4)}), "is damaged"),
    "a_hole_before": (safetensors_with({"w": entry([1], 4, 8)}, bytes(8)), "is damaged"),
    "a_hole_behind": (safetensors_with({"w": entry([1], 0, 4)}, bytes(8)), "is damaged"),
    "a_hole_between": (
        safetensors_with({"v": entry([1], 0, 4), "w": entry([1], 8, 12)}, bytes(12)),
        "is damaged",
    ),
    "overlap": (
        safetensors_with({"v": entry([1], 0, 4), "w": entry([1], 0, 4)}, bytes(4)),
        "is damaged",
    ),
    "the_same_key_twice": (
        safetensors_with(b"{" + W + b"," + W.replace(b"[0,4]", b"[4,8]") + b"}", bytes(8)),
        "is damaged",
    ),
    "no_UTF-8": (safetensors_with(b"{" + W.replace(b"w", b"\xff") + b"}", bytes(4)), "is damaged"),
    "metadata_of_no_text": (
        safetensors_with(b'{"__metadata__":{"a":[1]},' + W + b"}", bytes(4)),
        "is damaged",
    ),
    "unknown_dtype": (safetensors_with({"w": entry([1], 0, 4, "F33")}, bytes(4)), "is damaged"),
    "unread_dtype": (
        safetensors_with({"w": entry([4], 0, 4, "F8_E4M3")}, bytes(4)),
        "'w' is F8_E4M3, and this reads .* Convert",
    ),
    "name_of_a_megabyte": (
        safetensors_with({"w" * 2**20: entry([4], 0, 4, "F8_E4M3")}, bytes(4)),
        r"'w{300,} \.\.\. .* Convert it to F32",
    ),
    "200,000_tensors": (
        safetensors_with({str(i): EMPTY for i in range(200_000)}),
        "claims a header of",
    ),
    "60,000_tensors": (
        safetensors_with({str(i): EMPTY for i in range(60_000)}),
        "has more than 10,000 tensors",
    ),
}


def npy(header, data=b""):
    """An .npy file with this header, whether or not it fits the data."""
    text = (header if isinstance(header, bytes) else repr(header).encode()).ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def header(shape, dtype="<f4", *, fortran=False):
    return {"descr": dtype, "fortran_order": fortran, "shape": shape}


EXITS = b"\x80\x04cbuiltins\nexit\n)R."
CODE = b"__import__('os').system('touch ../outside/mark')"
NPZ = {
    "shape_beyond_the_file": (
        [("w.npy", npy(header((2**40,))))],
        r"'w' has 128 bytes, which is not float32\[10995",
    ),
    "shape_that_overflows": ([("w.npy", npy(header((2**62, 4))))], r"'w' has 128 bytes, which is"),
    "fortran_that_overflows": (
        [("w.npy", npy(header((2**33, 2**33), fortran=True)))],
        r"'w' has 128 bytes, which is not",
    ),
    "negative_shape": ([("w.npy", npy(header((-1,)), bytes(4)))], r"'w' has 132 bytes, which is"),
    "too_many_bytes": ([("w.npy", npy(header((1,)), bytes(8)))], r"'w' has 136 bytes, which is"),
    "objects": ([("w.npy", npy(header((1,), "|O"), EXITS))], "'w' has the dtype object"),
    "text": ([("w.npy", npy(header((1,), "<U1"), bytes(4)))], "'w' has the dtype <U1"),
    "records": ([("w.npy", npy(header((1,), [("a", "<f4")]), bytes(4)))], "'w' has the dtype"),
    "records_of_objects": (
        [("w.npy", npy(header((1,), [("a", "|O")]), EXITS))],
        "'w' has the dtype",
    ),
    "code_for_a_header": ([("w.npy", npy(CODE))], "is damaged"),
    "code_for_a_shape": (
        [("w.npy", npy(b"{'descr':'<f4','fortran_order':False,'shape':(" + CODE + b",)}"))],
        "is damaged",
    ),
    "brackets_for_a_header": ([("w.npy", npy(b"(" * 9000))], "is damaged"),
    "a_pickle": ([("w.npy", EXITS)], "is damaged"),
    "the_same_name_twice": (
        [("w.npy", npy(header((1,)), bytes(4)))] * 2,
        "two arrays have the same name",
    ),
    "25,000_arrays": ([(f"{i}.npy", b"") for i in range(25_000)], "more than 10,000 tensors"),
    "128_MB_of_zeros": (
        [("w.npy", npy(header((2**25,)), bytes(2**27)))],
        "claims 134,217,856 bytes of tensors",
    ),
}


def write_npz(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


def manifest(weights, *paths):
    return {"weightsManifest": [{"paths": paths, "weights": weights}]}


def weight(name, shape):
    return {"name": name, "shape": shape, "dtype": "float32"}


FOUR = [weight("w", [4])]
SECRET = np.full(4, 42, np.float32).tobytes()  # outside/secret.bin


def manifests(folder):
    """By name; `folder` is theirs, and gets the links that they name."""
    outside = folder.parent / "outside"
    (folder / "link.bin").symlink_to(outside / "secret.bin")
    (folder / "link").symlink_to(outside)
    (folder / "a.bin").write_bytes(bytes(2**16))
    return {
        "shard_outside": manifest(FOUR, "../outside/secret.bin"),
        "shard_outside_and_in_again": manifest(FOUR, "../outside/../files/a.bin"),
        "absolute_shard": manifest(FOUR, str(outside / "secret.bin")),
        "linked_shard": manifest(FOUR, "link.bin"),
        "shard_in_a_linked_folder": manifest(FOUR, "link/secret.bin"),
        "shard_of_a_file_URL": manifest(FOUR, (outside / "secret.bin").as_uri()),
        "shard_of_a_URL": manifest(FOUR, "http://127.0.0.1:9/secret.bin"),
        "a_device": manifest(FOUR, "/dev/zero"),
        "a_folder": manifest(FOUR, "."),
        "shape_beyond_the_file": manifest([weight("w", [2**40])], "a.bin"),
        "rank": manifest([weight("w", [2**62] * 300_000)], "a.bin"),
        "50,000_weights": manifest([weight(f"{i:05}", [0]) for i in range(50_000)], "a.bin"),
        "a_shard_again": manifest([weight("w", [2**30])], *["a.bin"] * 100_000),
    }
