"""The directory of a run: what was asked, what happened, what came out, in plain files.

config.json         the configuration, the data, the versions and the device
metrics.jsonl       a line an epoch
checkpoints/        for going on after an interruption
model.safetensors   the best parameters by validation so far
result.json         the figures of the finished run
*.png               the pictures
tensorboard/        event files, if asked for
profile/            a trace of some steps, if asked for
"""

import json
import os
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from jaxvision.train.lock import LOCK

CONFIG, METRICS, RESULT = "config.json", "metrics.jsonl", "result.json"
MODEL, CHECKPOINTS = "model.safetensors", "checkpoints"
TENSORBOARD, PROFILE = "tensorboard", "profile"


def check_free(path: Path) -> None:
    """Makes sure that a run can be written to `path`, without writing anything.

    Raises:
        FileExistsError: if `path` is a file, or a directory that holds anything.
        ValueError: if nothing can be written there.
    """
    parent = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if parent.is_dir() and not os.access(parent, os.W_OK | os.X_OK):
        raise ValueError(
            f"{path} cannot be written, because {parent} may not be changed: choose another "
            "directory with --out"
        )
    if path.is_dir() and all(file.name == LOCK for file in path.iterdir()):
        return
    if (path / CONFIG).exists():
        raise FileExistsError(
            f"{path} already holds a run: choose another directory with --out, or go on with it by "
            f"--resume {path}"
        )
    if path.exists():
        raise FileExistsError(f"{path} is not empty: choose another directory with --out")


def make_numbered(parent: Path, name: str) -> Path:
    """Makes the first of parent/name, parent/name-2, parent/name-3, ... that does not exist.

    Of several processes that ask at once each gets a directory of its own.

    Raises:
        ValueError: if none can be made.
    """
    for i in count(1):
        path = parent / (name if i == 1 else f"{name}-{i}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise _cannot_be_made(path, "its parent is a file") from None
        except OSError as error:
            raise _cannot_be_made(path, error.strerror) from error
        else:
            return path


def create_run(path: Path, config: dict[str, Any]) -> None:
    """Makes the directory and writes `config.json`, which makes it a run.

    Raises:
        FileExistsError, ValueError: as `check_free`.
    """
    check_free(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_be_made(path, error.strerror) from error
    write_json(path / CONFIG, config)


def read_config(path: Path) -> dict[str, Any]:
    """The `config.json` of the run at `path`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if the file is damaged.
    """
    file = path / CONFIG
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} is not a run: it has no {CONFIG}. Give the directory that `jaxvision train` "
            "named when it ended."
        )
    try:
        return json.loads(file.read_text())
    except ValueError:
        raise ValueError(f"{file} is damaged: it is not JSON. Train anew.") from None


def write_json(path: Path, content: Any) -> None:
    """Writes the file whole or not at all."""
    write_whole(path, json.dumps(content, indent=1).encode() + b"\n")


def write_metrics(path: Path, history: tuple[dict, ...]) -> None:
    """Writes the history, a JSON object a line an epoch: the file always equals the run's state."""
    write_whole(path, "".join(json.dumps(record) + "\n" for record in history).encode())


def write_whole(path: Path, content: bytes, then: str = "go on with --resume") -> None:
    """Writes beside `path` and renames: who dies in between leaves the old file as it was.

    Args:
        path: the file.
        content: of it.
        then: what to do when there is room again.

    Raises:
        OSError: if it cannot be written, and says what to do; nothing is left of the attempt.
    """
    partial = path.with_name(f".writing-{path.name}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free / 1e6 if path.parent.exists() else 0
        raise OSError(
            f"{path} cannot be written ({error.strerror}): {len(content) / 1e6:,.1f} MB are needed "
            f"and {free:,.0f} MB free. Make room and {then}; what was there before is as it was"
        ) from error


def _cannot_be_made(path: Path, reason: str | None) -> ValueError:
    return ValueError(f"{path} cannot be made ({reason}): choose another directory with --out")
