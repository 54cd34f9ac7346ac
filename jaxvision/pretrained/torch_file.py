"""PyTorch's state dicts: `torch.load` with `weights_only`, where PyTorch is installed.

Of a training checkpoint that nests them, as {"state_dict": {...}, "epoch": 3}, all is read, under
"state_dict/..." and "epoch".
"""

import tarfile
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from jaxvision.pretrained.claims import WeightsError, check_claims
from jaxvision.pretrained.nested import flatten
from jaxvision.pretrained.npz import DAMAGED

MAX_PROGRAM = 2 * 2**20  # bytes; ResNet-152's takes 0.1e6
SAFE_SINCE = (2, 10)  # before, `weights_only` could be made to run code: CVE-2026-24747


def read_torch(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Reads the tensors and numbers of a file that `torch.save` wrote.

    Raises:
        WeightsError: as `read_tensors`.
    """
    try:
        import torch
    except ImportError:
        raise WeightsError(
            f"{path}: needs PyTorch, which is not installed. Install it (pip install torch), or "
            "convert the file where it is: "
            "safetensors.torch.save_file(torch.load(path, weights_only=True), new_path)"
        ) from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < SAFE_SINCE:
        raise WeightsError(
            f"{path}: was not read, because a file can run code in PyTorch {torch.__version__} "
            "(CVE-2026-24747). Upgrade it: pip install -U torch"
        )
    _check_archive(path)
    try:
        tree = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of any kind, when the content is hostile
        raise WeightsError(
            f"{path}: was refused by PyTorch ({_reason(error)}), as damaged or no state dict. "
            "Fetch it again, or where it was made, save only weights: torch.save("
            "model.state_dict(), path). If you do not trust who made it, load it in no other way."
        ) from None
    leaves = flatten(path, tree)
    check_claims(path, {name: _claim(path, name, leaf) for name, leaf in leaves.items()}, limit)
    return {name: _array(leaf) for name, leaf in leaves.items()}


def _reason(error: Exception) -> str:
    """What PyTorch says, without its advice of how to load the file all the same."""
    if isinstance(error.__context__, UnpicklingError):
        error = error.__context__  # which PyTorch has wrapped in advice
    message = str(error) or type(error).__name__
    return message.splitlines()[0].split(". ")[0]


def _check_archive(path: Path) -> None:
    """`torch.save` stores tensors uncompressed, beside a short program that puts them together."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":  # by which PyTorch tells, too
            _check_no_tar(path)
            return  # the format before PyTorch 1.6, or damaged, which PyTorch will see
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except DAMAGED as error:
        raise WeightsError(f"{path}: is damaged ({error}). Fetch it again.") from None
    if any(member.filename.endswith("constants.pkl") for member in members):
        raise WeightsError(
            f"{path}: is a TorchScript archive, a program with its weights, and was not read. "
            "Where it was made, save only weights: torch.save(model.state_dict(), path)"
        )
    stored = sum(member.file_size for member in members)
    program = sum(member.file_size for member in members if member.filename.endswith(".pkl"))
    if stored > path.stat().st_size or program > MAX_PROGRAM:
        raise WeightsError(
            f"{path}: has {path.stat().st_size:,} bytes, and claims {stored:,}, {program:,} of "
            "them a program, which is not how PyTorch stores weights. It was not read: use a file "
            "that `torch.save` wrote."
        )


def _check_no_tar(path: Path) -> None:
    """The format of PyTorch 0.1 is a tar file, which PyTorch would unpack before it looks at it."""
    try:
        with tarfile.open(path, "r:") as archive:
            is_tar = archive.next() is not None
    except (tarfile.TarError, *DAMAGED):
        is_tar = False
    if is_tar:
        raise WeightsError(
            f"{path}: is a tar file, the format of PyTorch before 2017, and nothing is unpacked "
            "here. Where it was made, save the weights anew: torch.save(model.state_dict(), path)"
        )


def _claim(path: Path, name: str, leaf: Any) -> int:
    """The bytes of a leaf, which must be a number or a tensor that lies whole in its storage."""
    import torch

    if isinstance(leaf, bool | int | float):
        return 8
    if not isinstance(leaf, torch.Tensor):
        kind = f"a {type(leaf).__name__}, not a tensor"
    elif leaf.layout != torch.strided or leaf.is_quantized or leaf.device.type != "cpu":
        kind = "a tensor that is sparse, quantized or without values"
    elif leaf.is_complex() or (leaf.dtype.itemsize == 1 and leaf.is_floating_point()):
        kind = f"of the dtype {leaf.dtype}, which is not read"
    elif leaf.nbytes > leaf.untyped_storage().nbytes():
        kind = f"claimed to have {leaf.nbytes:,} bytes, which are not stored"
    else:
        return leaf.nbytes
    raise WeightsError(
        f"{path}: {name!r} is {kind}. Where it was made, save only weights, as float32: "
        "torch.save(model.state_dict(), path)"
    )


def _array(leaf: Any) -> np.ndarray:
    import torch

    if not isinstance(leaf, torch.Tensor):
        return np.asarray(leaf)
    return (leaf.float() if leaf.dtype == torch.bfloat16 else leaf).detach().numpy()
