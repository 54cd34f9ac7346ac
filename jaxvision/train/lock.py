"""One run a directory: a lock that the kernel lets go of when its process dies, however it dies.

flock(2) on `<run>/.lock`, which also says who holds it. The file is removed with the lock; what a
killed run leaves behind is a file that nobody holds, and in nobody's way.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"
UNSUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_held: set[int] = set()


class LockedError(RuntimeError):
    """Another run is writing to the directory."""


@contextlib.contextmanager
def lock_run(path: Path) -> Iterator[None]:
    """Holds the directory `path`, which is made if need be, for one run.

    A second run is refused at once, in another process, in a thread of this one, and on another
    machine as far as the file system passes locks on. Of several processes of one computation the
    first alone should ask.

    Raises:
        LockedError: if it is taken; names the process that has it, and its machine.
        ValueError: if nothing can be written there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = _open_locked(path)
    except LockedError:
        raise
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror}): choose another directory."
        ) from error
    try:
        yield
    finally:
        # Removed while it is still held: whoever has opened it by then sees that it is gone.
        with contextlib.suppress(OSError):
            (path / LOCK).unlink()
        _held.discard(descriptor)
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, path)
            if _is_current(descriptor, path / LOCK):
                _sign(descriptor)
                _held.add(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the run that held it has just ended, and taken the file away


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(
            f"another run, {_holder(descriptor)}, is writing to {path}: wait until it ends, or "
            "choose another directory."
        ) from None
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warnings.warn(
            f"the file system of {path} has no locks ({error.strerror}): make sure yourself that "
            "no second run writes there.",
            RuntimeWarning,
            stacklevel=5,
        )


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _sign(descriptor: int) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode() + b"\n", 0)


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        pid, host, started = holder["pid"], holder["host"], holder["started"]
    except (ValueError, KeyError, TypeError):
        return "which has only just begun"
    this = " (this very process)" if (pid, host) == (os.getpid(), socket.gethostname()) else ""
    return f"process {pid}{this} on host {host} since {started}"


def _let_go() -> None:
    # A forked child, such as a data worker, shares the lock, and would hold it past its parent.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
