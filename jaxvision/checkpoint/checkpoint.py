"""Checkpoints that are whole or not there: plain files, and SHA256SUMS vouches for them.

    checkpoints/
      00000540/           named by the steps made
        tensors/          the arrays: `checkpoint/tensors.py`
        MANIFEST.json     all else, and what arrays there are: `checkpoint/manifest.py`
        SHA256SUMS        of every file: `checkpoint/sums.py`
      .quarantine/        checkpoints that were damaged

A checkpoint is written under another name, flushed to the disk, and renamed when it is complete; an
old one is renamed away before it is deleted. So whenever the process dies, what has a checkpoint's
name is complete; and it is believed only if its files are what SHA256SUMS says.

`CheckpointWriter` (`checkpoint/writer.py`) does the same beside the training.
"""

from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

from jaxvision.checkpoint import tensors as arrays
from jaxvision.checkpoint.finite import NonFiniteStateError
from jaxvision.checkpoint.folder import list_checkpoints, quarantine
from jaxvision.checkpoint.manifest import (
    CheckpointError,
    assemble,
    check_same_tensors,
    files_in,
    read_manifest,
    tree_of,
)
from jaxvision.checkpoint.snapshot import take_snapshot, write_snapshot
from jaxvision.checkpoint.tensors import FOLDER
from jaxvision.checkpoint.trust import newest_whole
from jaxvision.train.fit import Progress
from jaxvision.train.processes import gather

KEEP = 2  # the newest, and one to fall back on
# What arrays raise that somebody else has made: the last two, because Python parses their headers.
NOT_OURS = (ValueError, KeyError, IndexError, TypeError, AttributeError, SyntaxError, TokenError)

__all__ = [
    "KEEP",
    "CheckpointError",
    "NonFiniteStateError",
    "list_checkpoints",
    "restore_checkpoint",
    "save_checkpoint",
]


def save_checkpoint(
    folder: Path,
    progress: Progress,
    *,
    keep: int = KEEP,
    identity: dict[str, Any] | None = None,
) -> Path:
    """Writes `progress` to `folder/<step>/`, then deletes all but the newest `keep` checkpoints.

    A step that is there already was saved from the same state and stays. When this returns, the
    checkpoint is on the disk. Of several processes all must call it together.

    Args:
        keep: so many checkpoints there are in the end.
        identity: what the run depends on beside its state, such as the hash of its configuration:
            anything that JSON can hold, for `restore_checkpoint` to give back.

    Raises:
        NonFiniteStateError: if a NaN or an infinity is in it; nothing is written.
        CheckpointError: if it cannot be written; the earlier checkpoints are as they were.
        ValueError: if something in it is of a kind that cannot be saved.
    """
    return write_snapshot(folder, take_snapshot(progress, identity, copy=False), keep)


def restore_checkpoint(
    folder: Path,
    like: Progress,
    *,
    check: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[Progress | None, list[str]]:
    """The newest checkpoint in `folder` that can be trusted, and why each newer one cannot.

    With no checkpoint at all the answer is (None, []). Nothing is deleted; if one can be trusted,
    the newer ones are moved to `.quarantine`, so that the run can save these steps anew. Of several
    processes all must call it together; the first one chooses, and knows the reasons.

    Args:
        like: what a new run would start with: it gives structure, shapes, dtypes and devices. The
            checkpoint may have been written from other devices, of another number.
        check: is given the checkpoint's `identity` before anything else is compared, to raise
            what the caller finds wrong with it.

    Raises:
        CheckpointError: if there are checkpoints and each of them is damaged; if the newest sound
            one has files that jaxvision does not write, or that are not in it.
        ValueError: if the newest sound one is of another version, network or optimizer.
    """
    path, refused = newest_whole(folder.resolve())
    if path is None:
        return None, []
    manifest = read_manifest(path)
    if check is not None:
        check(manifest["identity"])
    check_same_tensors(path, manifest, like)
    try:
        tensors = arrays.read(path / FOLDER, arrays.flatten(tree_of(like)), files_in(manifest))
    except (*NOT_OURS, OSError) as error:
        raise CheckpointError(
            f"{path} agrees with its SHA256SUMS, and yet jaxvision has not written it "
            f"({' '.join(str(error).split())}). Nothing of it was used: take a checkpoint of your "
            "own, or start a new run"
        ) from error
    progress = assemble(manifest, tensors, like)
    reasons = [f"{damaged}: {_put_away(damaged, why)}" for damaged, why in refused.items()]
    gather(0)  # or another process might save one of these steps before it is out of the way
    return progress, reasons


def _put_away(path: Path, reason: str) -> str:
    try:
        quarantine(path)
    except OSError as error:  # a folder that may only be read can still be restored from
        return f"{reason}; it stays where it is ({error.strerror})"
    return reason
