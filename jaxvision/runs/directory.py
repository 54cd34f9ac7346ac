"""Which directory a run is in: a new one, held for it alone, or that of a run to go on with."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from jaxvision.names import lookup
from jaxvision.train import run as files
from jaxvision.train.lock import lock_run
from jaxvision.train.processes import agree, is_first, several


def find_run(path: Path | None, resume: str) -> bool:
    """Whether to go on with the run in `path`.

    Args:
        path: the directory; None if none was named.
        resume: "never", "auto" or "must", as --resume has it.

    Raises:
        ValueError: if no directory was named and one is needed to know which run is meant.
        FileNotFoundError: if there must be a run, and there is none.
        FileExistsError: if there is something, and it is not to be gone on with.
    """
    lookup("resume", resume, dict.fromkeys(("never", "auto", "must")))
    if path is None and several():
        raise ValueError("`out` must be given to a run of several processes: which is it?")
    if resume == "never":
        if path is not None and is_first():
            files.check_free(path)  # at once, and not when the data have been read
        return False
    if path is None:
        raise ValueError(f"`out` must be given with `resume` {resume!r}: which run is meant?")
    there = (path / files.CONFIG).is_file()
    if not there and resume == "must":
        files.read_config(path)  # says what is missing
    if not there and is_first():
        files.check_free(path)
    return bool(agree(int(there)))


def hold(path: Path | None, *, going_on: bool) -> AbstractContextManager[None]:
    """Holds a run's directory for this process alone, as long as it is entered.

    Of several processes the first holds it for all; a run without a name has no directory yet.
    """
    if path is None or not is_first():
        return nullcontext()
    return lock_run(path) if going_on else new_run(path)


@contextmanager
def new_run(path: Path) -> Iterator[None]:
    """Holds the directory; one that nothing came of is left as it was found."""
    existed = path.exists()
    with lock_run(path):
        try:
            files.check_free(path)  # it may have been taken in between
            yield
        finally:
            if not existed and not (path / files.CONFIG).exists():
                for leftover in path.iterdir():
                    leftover.unlink()
                path.rmdir()


def make_directory(data: str, model: str, stack: ExitStack) -> Path:
    """A new one below runs/, named after what is learned on; held until `stack` ends."""
    path = files.make_numbered(Path("runs"), _name(data, model))
    stack.enter_context(lock_run(path))
    return path


def _name(data: str, model: str) -> str:
    kind, _, rest = data.partition(":")
    name = rest or kind if kind == "tfds" or not rest else Path(rest).resolve().name
    return re.sub(r"[^\w.-]+", "-", f"{name}-{model}")
