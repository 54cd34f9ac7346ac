"""Files of weights, damaged: they are read as arrays of numbers, or refused by a message with the
file's name.

Among the files that are damaged are attacks: they call `exit`, so that what would run them ends.
"""

import io
import json
import pickle
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from jaxvision.pretrained.read import read_tensors

KERNEL = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
TENSORS = {"conv/kernel": KERNEL, "half": np.float16([1, 2]), "count": np.array(7)}
SHARD = KERNEL.tobytes()
MANIFEST = {
    "format": "layers-model",
    "weightsManifest": [
        {
            "paths": ["shard.bin"],
            "weights": [{"name": "conv/kernel", "shape": [2, 3, 2], "dtype": "float32"}],
        }
    ],
}
EXITS = b"cbuiltins\nexit\n(tR"  # a pickle that calls exit()


def corpus() -> list[tuple[str, bytes]]:
    files = [
        (".safetensors", save(TENSORS)),
        (".npz", _npz(np.savez)),
        (".npz", _npz(np.savez_compressed)),
        (".npz", _objects()),
        (".json", json.dumps(MANIFEST).encode()),
        *((".ckpt", pickle.dumps({"net": TENSORS, "list": [1, 0.5]}, n)) for n in (3, 4, 5)),
        (".pkl", b"\x80\x04}\x8c\x01w" + EXITS + b"s."),
    ]
    if find_spec("h5py"):
        files += [(".h5", _h5("earliest")), (".h5", _h5("latest"))]
    if find_spec("torch"):
        files += [(".pth", _torch(zipped=True)), (".pth", _torch(zipped=False))]
        files.append((".pth", _torch_that_exits()))
    return files


def check(suffix: str, data: bytes, folder: Path) -> None:
    """Raises if the file is neither read as numbers nor refused as it ought to be."""
    path, shard = folder / f"weights{suffix}", folder / "shard.bin"
    path.write_bytes(data)
    if not shard.exists():
        shard.write_bytes(SHARD)
    try:
        tensors = read_tensors(path)
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        assert message.startswith(f"{path}: "), f"the message does not name the file: {message}"
        assert message.isprintable() and len(message) < 2000, f"no line to print: {message!r}"
    except SystemExit:
        raise AssertionError("code of the file was run") from None
    else:
        assert all(isinstance(x, np.ndarray) and x.dtype.kind in "fiub" for x in tensors.values())
        assert sum(x.nbytes for x in tensors.values()) < 2**27


def _npz(write) -> bytes:
    file = io.BytesIO()
    write(file, **TENSORS)
    return file.getvalue()


def _objects() -> bytes:
    """An array of objects, whose pickle exits."""
    header = repr({"descr": "|O", "fortran_order": False, "shape": ()}).encode().ljust(117) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "w.npy", b"\x93NUMPY\x01\x00\x76\x00" + header + b"\x80\x04" + EXITS + b"."
        )
    return file.getvalue()


def _h5(version: str) -> bytes:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w", libver=version) as groups:
        groups["layers/conv2d/vars/0"] = KERNEL
        groups.create_dataset("z", data=KERNEL, compression="gzip", shuffle=True, fletcher32=True)
        groups.attrs["layer_names"] = ["conv2d"]
    return file.getvalue()


def _torch(*, zipped: bool) -> bytes:
    import torch

    file = io.BytesIO()
    tensors = {name: torch.tensor(value) for name, value in TENSORS.items()}
    torch.save({"state_dict": tensors}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _torch_that_exits() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}X\x01\x00\x00\x00w" + EXITS + b"s.")
        archive.writestr("archive/version", b"3\n")
    return file.getvalue()
