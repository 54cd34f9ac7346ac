"""HDF5 files that Keras would not write, and the words by which each is refused.

What they lead to is in "outside", a folder beside theirs.
"""

import base64
import json
import marshal
import zlib
from pathlib import Path

import numpy as np

try:
    import h5py
except ImportError:  # then none of them can be made
    h5py = None

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
SECRET = np.full(4, 42, np.float32)


def outside(file, name):
    return str(Path(file.filename).resolve().parents[1] / "outside" / name)


def external_storage(file):
    file.create_dataset("g/w", (4,), "f4", external=[(outside(file, "secret.bin"), 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(outside(file, "secret.h5"), "w", (4,))
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


def deflated_zeros(file):
    """128 MB in 130 kB, each chunk the same bytes."""
    zeros = zlib.compress(bytes(2**22))
    dataset = file.create_dataset("g/w", (2**25,), "f4", chunks=(2**20,), compression="gzip")
    for chunk in range(32):
        dataset.id.write_direct_chunk((chunk * 2**20,), zeros)


def filter_of_a_plugin(file):
    """HDF5 would look for a library by this number, and load it."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((4,))
    settings.set_filter(32_123, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((4,))
    dataset = h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F32LE, space, settings)
    dataset.write_direct_chunk((0,), SECRET.tobytes())


def many(file):
    group = file.create_group("g")
    for i in range(10_001):
        group.create_group(str(i))


def deep(file):
    file["/".join("g" * 40)] = SECRET


def replace(name, make):
    """An attack that puts what `make` gives at `name`."""

    def attack(file):
        file[name] = make(file)

    return attack


LINKS = "is a link to elsewhere"
ATTACKS = {
    "external storage": (external_storage, "'g/w' is stored in another file"),
    "virtual": (virtual, "'g/w' is a virtual dataset"),
    "virtual, in the same file": (virtual_in_the_same_file, "'g/w' is a virtual dataset"),
    "external link": (
        replace("g/w", lambda file: h5py.ExternalLink("../outside/secret.h5", "/w")),
        f"'g/w' {LINKS}",
    ),
    "external link to a group": (
        replace("g", lambda file: h5py.ExternalLink("../outside/secret.h5", "/")),
        f"'g' {LINKS}",
    ),
    "soft link": (replace("g/w", lambda file: h5py.SoftLink("/h")), f"'g/w' {LINKS}"),
    "hard link": (replace("g/w", lambda file: file["a"]), "'g/w' is a second name"),
    "circle": (circle, "'g/deeper/w' is a second name"),
    "to the root": (to_the_root, "'g/w' is a second name"),
    "type": (replace("g/w", lambda file: np.dtype("f4")), "'g/w' is neither group nor dataset"),
    "text": (replace("g/w", lambda file: "text"), "'g/w' is of the dtype object"),
    "bytes": (replace("g/w", lambda file: np.array([b"text"])), r"'g/w' is of the dtype \|S4"),
    "reference": (replace("g/w", lambda file: file.ref), "'g/w' is of the dtype object"),
    "empty": (replace("g/w", lambda file: h5py.Empty("f4")), "'g/w' is of the dtype float32"),
    "complex": (replace("g/w", lambda file: np.complex64(1)), "'g/w' is of the dtype complex64"),
    "shape bomb": (
        shape_bomb,
        "'g/w' is claimed to have 4,398,046,511,104 bytes, and 0 are stored",
    ),
    "chunked bomb": (
        chunked_bomb,
        "'g/w' is claimed to have 4,398,046,511,104 bytes, and 0 are stored",
    ),
    "deflated bomb": (
        deflated_bomb,
        "claims 134,217,824 bytes of tensors, 134,217,728 of them in 'g/w'",
    ),
    "deflated zeros": (deflated_zeros, "claims 134,217,824 bytes of tensors"),
    "fill value": (fill_value, "'g/w' is claimed to have 4,000 bytes, and 0 are stored"),
    "lzf": (
        lambda file: file.create_dataset("g/w", data=SECRET, compression="lzf"),
        r"filters \[32000\]",
    ),
    "scale and offset": (
        lambda file: file.create_dataset("g/w", data=[1, 2], scaleoffset=True),
        r"filters \[6\]",
    ),
    "filter of a plugin": (filter_of_a_plugin, r"filters \[32123\]"),
    "many": (many, "has more than 10,000 tensors"),
    "deep": (deep, "is neither group nor dataset, or too deep"),
}


def write(path, attack):
    with h5py.File(path, "w") as file:
        file["a"] = KERNEL  # first in order: not even this is to be read
        attack(file)


def lambda_layer(file):
    """As Keras 2 stores a function: its code, which a loader of whole networks would run."""
    code = marshal.dumps(compile("open('../outside/mark', 'w')", "", "exec"))
    config = {"function": [base64.b64encode(code).decode(), None, None]}
    layers = [{"class_name": "Lambda", "config": config}]
    file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})


def write_all(folder):
    """Every attack as a file, and two whose attack is in what is not read: the attributes."""
    paths = {folder / f"{name}.h5": attack for name, (attack, _) in ATTACKS.items()}
    paths[folder / "lambda_layer.h5"] = lambda_layer
    for path, attack in paths.items():
        write(path, attack)
    huge = folder / "huge_attribute.h5"
    with h5py.File(huge, "w", libver="latest") as file:
        file["a"] = KERNEL
        file.attrs["huge"] = np.zeros(2**22)
    return [*paths, huge]
