"""MANIFEST.json: what a checkpoint holds beside the arrays, and what arrays it holds.

    {"version": 2, "step": 540,
     "fields": {"best_epoch": 3, "history": [...], "totals": {...}},
     "identity": {...},                                       the caller's, verbatim
     "tensors": {"state.params.c1.kernel":
                 {"type": "float32[5, 5, 1, 6]",
                  "files": {"0004.state.params.c1.kernel.npy": "0:5,0:5,0:1,0:6"}}}}

Which is which, the class says: of a `flax.struct.dataclass` the pytree fields are arrays, and the
others go into "fields"; so a new field of `Progress` is saved without a word here.
"""

import dataclasses
import json
from pathlib import Path, PureWindowsPath
from typing import Any

import jax

from jaxvision.checkpoint import tensors as arrays
from jaxvision.checkpoint.tensors import Files, Tensor
from jaxvision.train.fit import Progress

VERSION = 2
MANIFEST = "MANIFEST.json"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written; or there are checkpoints, and all of them are damaged."""


def tree_of(progress: Progress) -> dict[str, Any]:
    """The pytree fields, by name."""
    return {field.name: getattr(progress, field.name) for field in _fields(progress, tree=True)}


def statics_of(progress: Progress) -> dict[str, Any]:
    """The other fields, by name, as JSON has them.

    Raises:
        ValueError: if JSON would not give one of them back as it is.
    """
    statics = {}
    for field in _fields(progress, tree=False):
        value = getattr(progress, field.name)
        statics[field.name] = list(value) if _is_tuple(field) else value
    check_json(statics)
    return statics


def check_json(values: dict[str, Any]) -> None:
    """Makes sure that each of `values` comes back from JSON as it was, floats to the bit.

    Raises:
        ValueError: names the first that does not, such as one with numbers as keys.
    """
    for name, value in values.items():
        try:
            kept = _same(json.loads(json.dumps(value)), value)
        except (TypeError, ValueError):
            kept = False
        if not kept:
            raise ValueError(
                f"`{name}` is {value!r}, which JSON does not give back as it is: use numbers, "
                "strings, lists, and dicts with strings as keys."
            )


def manifest_of(
    step: int,
    statics: dict[str, Any],
    identity: dict[str, Any],
    types: dict[str, str],
    files: dict[str, Files],
) -> str:
    """The text of `MANIFEST.json`."""
    manifest = {
        "version": VERSION,
        "step": step,
        "fields": statics,
        "identity": identity,
        "tensors": {name: {"type": types[name], "files": files[name]} for name in types},
    }
    return json.dumps(manifest, indent=1) + "\n"


def files_in(manifest: dict[str, Any]) -> dict[str, Files]:
    """The files of each array.

    Raises:
        ValueError: if a file's name leads out of the folder of the arrays.
    """
    files = {name: of["files"] for name, of in manifest["tensors"].items()}
    for name, of in files.items():
        for file in of:
            if PureWindowsPath(file).name != file or file == "..":  # it knows / and \\ both
                raise ValueError(f"the manifest names {file!r} for {name}, which leads out")
    return files


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the checkpoint `path`, whose files have been found to be whole.

    Raises:
        ValueError: if another version of this program wrote it.
    """
    manifest = json.loads((path / MANIFEST).read_text())
    if manifest["version"] != VERSION:
        raise other_version(path, manifest["version"])
    return manifest


def other_version(path: Path, version: Any) -> ValueError:
    """The error for a checkpoint in the format of another version."""
    return ValueError(
        f"{path} has the format of version {version}, and this program reads {VERSION}: use the "
        "version of jaxvision that config.json names."
    )


def check_same_tensors(path: Path, manifest: dict[str, Any], like: Progress) -> None:
    """Makes sure that the checkpoint is of this network and optimizer.

    Raises:
        ValueError: names the first tensor that is not, and counts them.
    """
    expected = arrays.describe(arrays.flatten(tree_of(like)))
    got = {name: of["type"] for name, of in manifest["tensors"].items()}
    differing = sorted(n for n in expected | got if expected.get(n) != got.get(n))
    if differing:
        n = differing[0]
        raise ValueError(
            f"{path} is not of this network and optimizer: {len(differing)} tensors differ, as "
            f"{n} is {got.get(n, 'missing')}, not {expected.get(n, 'there')}. Use the model and "
            "the optimizer that it was saved with."
        )


def assemble(manifest: dict[str, Any], tensors: dict[str, Tensor], like: Progress) -> Progress:
    """The progress of these tensors and of the manifest's fields.

    Raises:
        ValueError: if the manifest lacks a field.
    """
    tree = tree_of(like)
    leaves = [tensors[name] for name in arrays.flatten(tree)]
    fields = jax.tree.unflatten(jax.tree.structure(tree), leaves)
    for field in _fields(like, tree=False):
        if field.name not in manifest["fields"]:
            raise ValueError(
                f"the checkpoint of step {manifest['step']} has no `{field.name}`: it was written "
                "by another version of jaxvision, which config.json names; use that."
            )
        value = manifest["fields"][field.name]
        fields[field.name] = tuple(value) if _is_tuple(field) else value
    return like.replace(**fields)


def _fields(progress: Progress, *, tree: bool) -> list[dataclasses.Field]:
    fields = dataclasses.fields(progress)
    return [field for field in fields if field.metadata.get("pytree_node", True) == tree]


def _is_tuple(field: dataclasses.Field) -> bool:
    made = field.default_factory is not dataclasses.MISSING
    return isinstance(field.default_factory() if made else field.default, tuple)


def _same(revived: Any, value: Any) -> bool:
    if isinstance(revived, dict):
        return revived.keys() == value.keys() and all(_same(revived[k], value[k]) for k in value)
    if isinstance(revived, list):
        return isinstance(value, list) and all(map(_same, revived, value))
    return revived == value or (revived != revived and value != value)  # NaN equals nothing
