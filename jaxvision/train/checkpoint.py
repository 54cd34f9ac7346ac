"""Checkpoints that are whole or not there: Orbax writes the tensors, a manifest vouches for them.

    checkpoints/
      00000540/           named by the steps made
        tensors/          Orbax: the state and the best variables so far
        MANIFEST.json     history, and size and SHA-256 of every file

A checkpoint is written under another name, flushed to the disk, and renamed when it is complete; an
old one is renamed away before it is deleted. So whenever the process dies, what has a checkpoint's
name is complete, and it is believed only if every file has the size and the hash that the manifest
says. One that is not believed is set aside as `.damaged-00000540` once an older one has served.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

import jax

from jaxvision.train.fit import Progress

VERSION = 1
KEEP = 2  # the newest, and one to fall back on
MANIFEST = "MANIFEST.json"


class CheckpointError(RuntimeError):
    """A checkpoint is damaged; or there are checkpoints, and all of them are."""


def save_checkpoint(folder: Path, progress: Progress) -> Path:
    """Writes `progress` to `folder/<step>/`, then deletes all but the newest `KEEP` checkpoints.

    A step that is there already was saved from the same state and stays.

    Raises:
        CheckpointError: if it cannot be written; the earlier checkpoints are as they were.
    """
    step = int(jax.device_get(progress.state.step))
    final = folder.resolve() / f"{step:08d}"
    if final.exists():
        return final
    partial = folder.resolve() / f".writing-{step:08d}"
    _discard_leftovers(folder)
    try:
        _write(partial, progress)
        partial.rename(final)
        _flush(folder)
    except (OSError, ValueError) as error:  # Orbax reports a full disk as a ValueError
        shutil.rmtree(partial, ignore_errors=True)
        free = shutil.disk_usage(folder).free / 1e6 if folder.exists() else 0
        raise CheckpointError(
            f"the checkpoint {final} cannot be written: {' '.join(str(error).split())[-200:]}. "
            f"{free:,.0f} MB are free. Make room and go on with --resume; what was saved before is "
            "as it was"
        ) from error
    for old in list_checkpoints(folder)[KEEP:]:
        trash = old.with_name(f".deleting-{old.name}")
        old.rename(trash)
        shutil.rmtree(trash)
    return final


def _write(path: Path, progress: Progress) -> None:
    from orbax.checkpoint import v1 as ocp

    path.mkdir(parents=True)
    tensors = _tensors(progress)
    log = logging.getLogger("absl")
    level = log.level
    # Orbax logs the traceback of what it raises, and its other threads theirs, even afterwards:
    # the log is given back only if there was nothing to say.
    log.setLevel(logging.CRITICAL)
    ocp.save(path / "tensors", tensors)
    log.setLevel(level)
    manifest = {
        "version": VERSION,
        "step": int(jax.device_get(progress.state.step)),
        "best_epoch": progress.best_epoch,
        "history": progress.history,
        "tensors": _describe(tensors),
        "files": {
            str(file.relative_to(path)): {"bytes": file.stat().st_size, "sha256": _hash(file)}
            for file in sorted(path.rglob("*"))
            if file.is_file()
        },
    }
    (path / MANIFEST).write_text(json.dumps(manifest, indent=1))
    for written in [*path.rglob("*"), path]:
        _flush(written)


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, newest first; anything else that lies there is passed over."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def restore_checkpoint(folder: Path, like: Progress) -> tuple[Progress | None, list[str]]:
    """The newest checkpoint in `folder` that can be trusted, and why each newer one cannot.

    With no checkpoint at all the answer is (None, []). Nothing is deleted; if one can be trusted,
    the newer ones are renamed, so that the run can save these steps anew.

    Args:
        like: what a new run would start with: it gives structure, shapes, dtypes and devices.

    Raises:
        CheckpointError: if there are checkpoints and each of them is damaged.
        ValueError: if the newest sound one is of another version, network or optimizer.
    """
    damaged = {}
    for path in list_checkpoints(folder):
        try:
            manifest = _verified_manifest(path)
        except (CheckpointError, OSError) as error:
            damaged[path] = str(error)
            continue
        progress = _load(path, manifest, like)
        for refused in damaged:
            refused.rename(refused.with_name(f".damaged-{refused.name}"))
        return progress, [f"{refused}: {reason}" for refused, reason in damaged.items()]
    if damaged:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in damaged.items())
        raise CheckpointError(f"no checkpoint can be used; start a new run. {reasons}")
    return None, []


def _tensors(progress: Progress) -> dict[str, jax.Array]:
    """All arrays by name, "state.params.c1.kernel": plain names outlive the classes they are of."""
    tree = {"best": progress.best, "state": progress.state}
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _describe(tensors: dict[str, jax.Array]) -> dict[str, str]:
    return {name: f"{x.dtype}{list(x.shape)}" for name, x in tensors.items()}


def _load(path: Path, manifest: dict, like: Progress) -> Progress:
    from orbax.checkpoint import v1 as ocp

    wanted = _tensors(like)
    expected, got = _describe(wanted), manifest["tensors"]
    if expected != got:
        differing = sorted(n for n in expected | got if expected.get(n) != got.get(n))
        n = differing[0]
        raise ValueError(
            f"{path} is not of this network and optimizer: {len(differing)} tensors differ, as "
            f"{n} is {got.get(n, 'missing')}, not {expected.get(n, 'there')}"
        )

    def abstract(x: jax.Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)

    tensors = ocp.load(path.resolve() / "tensors", jax.tree.map(abstract, wanted))
    structure = jax.tree.structure((like.best, like.state))  # in the order of _tensors
    best, state = jax.tree.unflatten(structure, [tensors[name] for name in wanted])
    return Progress(
        state=state,
        best=best,
        best_epoch=manifest["best_epoch"],
        history=tuple(manifest["history"]),
    )


def _verified_manifest(path: Path) -> dict:
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        version, files = manifest["version"], manifest["files"].items()
    except FileNotFoundError:
        raise CheckpointError(f"{MANIFEST} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{MANIFEST} is damaged") from None
    if version != VERSION:
        raise ValueError(
            f"{path} has the format of version {version}, and this program reads {VERSION}: use "
            "the version of jaxvision that config.json names."
        )
    for name, expected in files:
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{name} is missing")
        if file.stat().st_size != expected["bytes"] or _hash(file) != expected["sha256"]:
            raise CheckpointError(f"{name} is damaged")
    return manifest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard_leftovers(folder: Path) -> None:
    """Removes what a process that died left half written or half deleted."""
    for pattern in (".writing-*", ".deleting-*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path)
