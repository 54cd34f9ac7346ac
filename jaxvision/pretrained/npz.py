"""NumPy's .npz: a zip archive of .npy files, each a header and the bytes of one array.

Archive and headers are read first, and have to agree on the size of each array.
"""

import struct
import tokenize
import zipfile
import zlib
from io import BufferedIOBase
from math import prod
from pathlib import Path

import numpy as np

from jaxvision.pretrained.claims import WeightsError, check_claims, check_number

NUMPYS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DAMAGED = (  # RuntimeError: it is encrypted, or of another version
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, ValueError, OSError, RuntimeError),
    *(tokenize.TokenError, SyntaxError, MemoryError),  # NumPy has Python parse a header
)


def read_npz(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Reads an .npz file of numbers, never a pickled object.

    Raises:
        WeightsError: as `read_tensors`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_number(path, len(members))
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) < len(names):
                raise ValueError("two arrays have the same name")
            if not {member.compress_type for member in members} <= NUMPYS:
                raise ValueError("it is compressed as NumPy does not")
            claimed = {n: m.file_size for n, m in zip(names, members, strict=True)}
            check_claims(path, claimed, limit)
            tensors = {}
            for name, member in zip(names, members, strict=True):
                with archive.open(member) as file:
                    _check_header(path, name, file, member.file_size)
                with archive.open(member) as file:
                    tensors[name] = np.lib.format.read_array(file, allow_pickle=False)
            return tensors
    except WeightsError:
        raise
    except DAMAGED as error:
        raise WeightsError(
            f"{path}: is damaged or no .npz file ({error}). Fetch it again, or write it anew with "
            "`np.savez`."
        ) from None


def _check_header(path: Path, name: str, file: BufferedIOBase, size: int) -> None:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(f"{name!r} has the .npy format {version}, which is not for numbers")
    shape, _, dtype = readers[version](file)
    if dtype.kind not in "fiub":
        raise WeightsError(
            f"{path}: {name!r} has the dtype {dtype}, which is not of numbers and was not loaded. "
            "Write float32 with `np.savez`."
        )
    if min(shape, default=0) < 0 or file.tell() + prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{name!r} has {size:,} bytes, which is not {dtype}{list(shape)}")
