"""From a progress to a complete folder on the disk."""

import errno
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jaxvision.checkpoint import tensors as arrays
from jaxvision.checkpoint.finite import check_finite
from jaxvision.checkpoint.folder import (
    delete_all_but,
    discard_leftovers,
    name_of,
    quarantine,
    unfinished,
)
from jaxvision.checkpoint.manifest import (
    MANIFEST,
    CheckpointError,
    check_json,
    manifest_of,
    statics_of,
    tree_of,
)
from jaxvision.checkpoint.sums import SUMS, differing, flush, write_sums
from jaxvision.checkpoint.tensors import FOLDER, Files, Tensor
from jaxvision.train.fit import Progress
from jaxvision.train.processes import agree, gather, is_first, several

REMEDIES = {
    errno.ENOSPC: "Make room",
    errno.EDQUOT: "Make room",
    errno.EFBIG: "Raise the limit on the size of files",
    errno.EACCES: "Make the directory writable",
    errno.EROFS: "Make the directory writable",
}


@dataclass(frozen=True)
class Snapshot:
    """A progress on its way to the disk."""

    step: int
    tensors: dict[str, Tensor]  # PRNG keys as the integers that they are made of
    types: dict[str, str]  # what the tensors stand for
    statics: dict[str, Any]
    identity: dict[str, Any]


def take_snapshot(progress: Progress, identity: dict[str, Any] | None, *, copy: bool) -> Snapshot:
    """What there is to write; with `copy` the buffers of `progress` may be given away thereafter.

    Raises:
        ValueError: if something in it cannot be saved; names it.
    """
    identity = identity or {}
    check_json(identity)
    named = arrays.flatten(tree_of(progress))
    tensors = arrays.raw(named)
    if not several():  # else a part of an array may be all that there is here
        tensors = arrays.to_host(tensors, copy=copy)
    return Snapshot(
        step=int(jax.device_get(progress.state.step)),
        tensors=tensors,
        types=arrays.describe(named),
        statics=statics_of(progress),
        identity=identity,
    )


def write_snapshot(folder: Path, snapshot: Snapshot, keep: int) -> Path:
    """As `save_checkpoint`, of which this is the part that needs no device.

    Args:
        folder: where checkpoints lie.
        snapshot: what `take_snapshot` has taken.
        keep: how many of the newest stay, at least 1.

    Raises:
        CheckpointError: if it cannot be written, or those before it cannot be deleted.
        ValueError: if `keep` is less than 1.
    """
    if keep < 1:
        raise ValueError(f"`keep` must be at least 1, got {keep}.")
    final = folder.resolve() / name_of(snapshot.step)
    partial = unfinished(final)
    check_finite(snapshot.step, snapshot.tensors)
    if agree(is_first() and _is_whole(final)):
        return final
    try:
        _first_alone(lambda: _prepare(final, partial))
        files = arrays.files_of(snapshot.tensors)
        _all_together(lambda: _write_own(partial, snapshot, files))
        _first_alone(lambda: _complete(partial, final, snapshot, files))
    except BaseException as error:
        if is_first():
            shutil.rmtree(partial, ignore_errors=True)
        if not isinstance(error, Exception):
            raise
        raise _cannot_write(final, snapshot, error) from error
    try:
        _first_alone(lambda: delete_all_but(keep, final))
    except OSError as error:
        raise CheckpointError(
            f"{final} is saved, but those before it cannot be deleted ({_reason(error)}): delete "
            "them, or the disk will fill"
        ) from error
    return final


def _is_whole(final: Path) -> bool:
    return (final / SUMS).is_file() and not differing(final)


def _first_alone(action: Callable[[], None]) -> None:
    """Has the first process do it; none goes on before it is done, and all raise if it fails."""
    _all_together(action if is_first() else lambda: None)


def _all_together(action: Callable[[], None]) -> None:
    """None goes on before all are done, and all raise if one fails."""
    error = None
    try:
        action()
    except Exception as caught:
        error = caught
    failed = gather(error is not None)
    if error is not None:
        raise error
    if any(failed):
        raise OSError(errno.EIO, f"process {failed.index(1)} failed; its message says why")


def _prepare(final: Path, partial: Path) -> None:
    folder = final.parent
    if not folder.is_dir():
        folder.mkdir(parents=True)
        flush([folder.parent])
    discard_leftovers(folder)
    if final.is_dir() and any(final.iterdir()):
        quarantine(final)  # or it would have been found to be whole
    (partial / FOLDER).mkdir(parents=True)


def _write_own(partial: Path, snapshot: Snapshot, files: dict[str, Files]) -> None:
    arrays.write(partial / FOLDER, snapshot.tensors, files, first=is_first())
    if several():  # the first can only flush what is on its own machine
        flush((partial / FOLDER).iterdir())


def _complete(partial: Path, final: Path, snapshot: Snapshot, files: dict[str, Files]) -> None:
    text = manifest_of(snapshot.step, snapshot.statics, snapshot.identity, snapshot.types, files)
    (partial / MANIFEST).write_text(text)
    with ThreadPoolExecutor(1) as pool:  # the disk works while the processor reads
        flushed = pool.submit(flush, (partial / FOLDER).iterdir())
        write_sums(partial)
        flushed.result()
    flush([partial / MANIFEST, partial / SUMS, partial / FOLDER, partial])
    partial.rename(final)
    flush([final.parent])


def _cannot_write(final: Path, snapshot: Snapshot, error: Exception) -> CheckpointError:
    there = next(folder for folder in final.parents if folder.is_dir())
    free = shutil.disk_usage(there).free / 1e6
    needed = sum(x.nbytes for x in snapshot.tensors.values()) / 1e6
    remedy = REMEDIES.get(getattr(error, "errno", None), "Remove the cause")
    return CheckpointError(
        f"the checkpoint {final} cannot be written: {_reason(error)}. It needs {needed:,.1f} MB, "
        f"and {free:,.0f} MB are free. {remedy} and go on with --resume; what was saved before is "
        "as it was"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())
