"""Saves a checkpoint again and again, and has another file operation fail each time.

    LD_PRELOAD=failing_io.so python -m tests.faults.failing FOLDER FIRST STRIDE ALL

Goes through the operations FIRST, FIRST + STRIDE, ... until there are no more. With ALL = 1 each
fails by every error, else by one, in turn. Prints what was found, as JSON.
"""

import ctypes
import errno
import json
import shutil
import sys
from pathlib import Path

from jaxvision.checkpoint.checkpoint import CheckpointError, restore_checkpoint, save_checkpoint
from jaxvision.checkpoint.trust import newest_whole
from tests.faults.nursery import is_right, progress_at

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
C = ctypes.CDLL(None)


def arm(folder: Path, k: int, error: int) -> None:
    C.fail_at(str(folder).encode(), k, error)


def disarm() -> None:
    C.fail_at(b"", 0, 0)


def attempt(folder: Path, k: int, error: int) -> str | None:
    """Saves a third checkpoint to `folder` while operation `k` fails; says what is not as it ought
    to be, or "" if all is well, or None if there is no operation `k`."""
    arm(folder, k, error)
    raised = None
    try:
        save_checkpoint(folder, progress_at(3))
    except CheckpointError as caught:
        raised = caught
    except BaseException as caught:
        return f"raised {type(caught).__name__}: {caught}"
    finally:
        made = C.operations()
        disarm()
    if made < k:
        return None
    if raised is None:
        # Tried again, and done? Then it must be whole.
        return "" if is_whole(folder) else "not raised, and not saved"
    if str(folder / "00000003") not in str(raised):
        return f"the message does not name the checkpoint: {raised}"
    names = sorted(path.name for path in folder.iterdir())
    if any(name.startswith(".") for name in names):
        return f"left {names}"
    if "is saved, but" in str(raised):
        return "" if is_whole(folder) else "said to be saved, and is not"
    if names[:2] != ["00000001", "00000002"]:
        return f"lost a checkpoint: {names}"
    path, refused = newest_whole(folder)
    return "" if path is not None and not refused else f"refused {refused}"


def is_whole(folder: Path) -> bool:
    restored, refused = restore_checkpoint(folder, progress_at(0))
    return not refused and int(restored.state.step) == 3 and is_right(restored)


def main(folder: Path, first: int, stride: int, every_error: bool) -> dict:
    for step in (1, 2):
        save_checkpoint(folder / "model", progress_at(step))
    found = {"operations": 0, "problems": []}
    for k in range(first, 10_000, stride):
        for error in ERRORS if every_error else ERRORS[(k // stride) % 3 :][:1]:
            copy = folder / "copy"
            shutil.copytree(folder / "model", copy)
            problem = attempt(copy, k, error)
            shutil.rmtree(copy)
            if problem is None:
                return found
            found["operations"] += 1
            if problem:
                found["problems"].append(f"operation {k}, {errno.errorcode[error]}: {problem}")
    return found


if __name__ == "__main__":
    place, *numbers = sys.argv[1:]
    print(json.dumps(main(Path(place), *map(int, numbers))))
