"""The folder of checkpoints: what counts as one, and how one leaves without ever being half there.

A checkpoint's name is its step in eight digits or more, and each change of a name is one rename:
`.writing-<step>` becomes one when it is complete, which becomes `.deleting-<step>` before any of
its files goes. All else in the folder is nobody's business here.
"""

import re
import shutil
from itertools import count
from pathlib import Path

from jaxvision.checkpoint.sums import flush

QUARANTINE = ".quarantine"


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, newest first; anything else that lies there is passed over."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if re.fullmatch(r"[0-9]{8,}", p.name) and p.is_dir()]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def name_of(step: int) -> str:
    """The checkpoint's folder, in which names are in the order of steps."""
    return f"{step:08d}"


def unfinished(final: Path) -> Path:
    """Where the checkpoint `final` is while it is written."""
    return final.with_name(f".writing-{final.name}")


def discard_leftovers(folder: Path) -> None:
    """Removes what a process that died left half written or half deleted."""
    for pattern in (".writing-*", ".deleting-*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path)


def delete_all_but(keep: int, newest: Path) -> None:
    """Deletes all checkpoints but `newest`, which has just been saved, and `keep - 1` others."""
    others = [path for path in list_checkpoints(newest.parent) if path != newest]
    for old in others[keep - 1 :]:
        trash = old.with_name(f".deleting-{old.name}")
        old.rename(trash)
        try:
            shutil.rmtree(trash)
        except OSError:
            shutil.rmtree(trash, ignore_errors=True)  # what is left of it
            raise


def quarantine(path: Path) -> None:
    """Moves a checkpoint that is damaged out of the way, to `.quarantine/<step>`, or `<step>-2`."""
    folder = path.parent / QUARANTINE
    folder.mkdir(exist_ok=True)
    names = (path.name if i == 1 else f"{path.name}-{i}" for i in count(1))
    path.rename(next(folder / name for name in names if not (folder / name).exists()))
    flush([folder, path.parent])
