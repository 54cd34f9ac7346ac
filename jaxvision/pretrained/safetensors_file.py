"""safetensors: eight bytes of length, a JSON header, the tensors.

https://github.com/huggingface/safetensors#format. The library itself makes sure that the header is
sound and the tensors lie in the file, side by side.
"""

from math import prod
from pathlib import Path

import numpy as np

from jaxvision.pretrained.claims import WeightsError, check_number

MAX_HEADER = 4 * 2**20  # bytes, of which 10,000 tensors need 1.5e6; the library takes 100e6
DTYPES = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "?", "I8": "i1", "U8": "u1"},
    **{"I16": "<i2", "I32": "<i4", "I64": "<i8", "U16": "<u2", "U32": "<u4", "U64": "<u8"},
}


def read_safetensors(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Reads a safetensors file; `limit` needs no look, as its tensors are no larger than the file.

    Raises:
        WeightsError: as `read_tensors`.
    """
    from safetensors import SafetensorError, deserialize

    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        if header > MAX_HEADER:
            raise WeightsError(
                f"{path}: claims a header of {header:,} bytes, and {MAX_HEADER:,} are enough for "
                "any network, so it is damaged or no safetensors file. Fetch it again."
            )
        file.seek(0)
        content = file.read()
    try:
        tensors = deserialize(content)
    except SafetensorError as error:
        raise WeightsError(f"{path}: is damaged ({error}). Fetch it again.") from None
    check_number(path, len(tensors))
    return {
        name: _array(path, name, tensor["dtype"], tensor["shape"], tensor["data"])
        for name, tensor in sorted(tensors, key=lambda item: item[0])
    }


def _array(
    path: Path, name: str, dtype: str, shape: list[int], data: bytes | bytearray
) -> np.ndarray:
    if dtype not in (*DTYPES, "BF16"):
        raise WeightsError(
            f"{path}: {name!r} is {dtype}, and this reads {', '.join(DTYPES)} and BF16. Convert it "
            "to F32."
        )
    if not prod(shape):
        return np.zeros(shape, DTYPES.get(dtype, "<f4"))
    if dtype == "BF16":  # the upper half of a float32
        upper = np.frombuffer(data, "<u2").astype("<u4")
        return (upper << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)
