"""Which checkpoint to go on from: the newest whose every file is what SHA256SUMS says.

What is wrong with another is said by file, and by the tensors that are damaged thereby.
"""

import json
from pathlib import Path
from typing import Any

from jaxvision.checkpoint.folder import list_checkpoints, name_of
from jaxvision.checkpoint.manifest import (
    MANIFEST,
    VERSION,
    CheckpointError,
    files_in,
    other_version,
)
from jaxvision.checkpoint.sums import SUMS, differing
from jaxvision.checkpoint.tensors import FOLDER
from jaxvision.train.processes import agree, is_first

NONE_THERE, ALL_DAMAGED, FAILED = -1, -2, -3  # in place of a step


def newest_whole(folder: Path) -> tuple[Path | None, dict[Path, str]]:
    """The newest checkpoint that is whole, None if there is none at all, and what is wrong with
    each newer one. The first process looks; the others get its choice, and not the reasons.

    Raises:
        CheckpointError: if there are checkpoints and each of them is damaged.
        ValueError: if the newest is of the first version, which had no SHA256SUMS.
    """
    refused: dict[Path, str] = {}
    step, error = NONE_THERE, None
    if is_first():
        try:
            step = _step_of_newest_whole(folder, refused)
        except Exception as caught:
            step, error = FAILED, caught
    step = agree(step)
    if error is not None:
        raise error
    if step == FAILED:
        raise CheckpointError(f"the first process cannot read {folder}; its message says why")
    if step == ALL_DAMAGED:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in refused.items())
        raise CheckpointError(f"no checkpoint can be used; start a new run. {reasons}")
    return (None if step == NONE_THERE else folder / name_of(step)), refused


def _step_of_newest_whole(folder: Path, refused: dict[Path, str]) -> int:
    for path in list_checkpoints(folder):
        try:
            reason = what_is_wrong(path)
        except OSError as error:
            reason = str(error)
        if not reason:
            return int(path.name)
        refused[path] = reason
    return ALL_DAMAGED if refused else NONE_THERE


def what_is_wrong(path: Path) -> str:
    """The damage to the checkpoint `path`, "" if there is none."""
    if not (path / SUMS).exists():
        if (version := _version_without_sums(path)) != VERSION:
            raise other_version(path, version)
        return f"{SUMS} is missing"
    wrong = differing(path)
    if not wrong:
        return ""
    names = _damaged_tensors(path, wrong)
    said = f" (tensors {', '.join(names[:3])}{_more(names[3:])})" if names else ""
    return f"{'; '.join(wrong[:3])}{_more(wrong[3:])}{said}"


def _version_without_sums(path: Path) -> Any:
    """Version 1 had no SHA256SUMS; where nothing says otherwise, it got lost."""
    try:
        return json.loads((path / MANIFEST).read_text())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return VERSION


def _damaged_tensors(path: Path, wrong: list[str]) -> list[str]:
    """The names of the tensors whose files are meant, as far as the manifest can be read."""
    if (path / MANIFEST).is_symlink():
        return []
    try:
        files = files_in(json.loads((path / MANIFEST).read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    meant = {fault.partition(" is ")[0].removeprefix(f"{FOLDER}/") for fault in wrong}
    return [name for name in files if meant & files[name].keys()]


def _more(rest: list[str]) -> str:
    return f" and {len(rest)} more" if rest else ""
