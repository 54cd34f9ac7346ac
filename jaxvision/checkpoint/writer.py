"""Saving beside the training: a step waits for the copy off the device, and not for the disk.

The copy is taken at once, because the next step overwrites the buffers; one thread writes it. What
that thread cannot do is an error of the next save, or of the end of the `with` block, never lost.
"""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from jaxvision.checkpoint.checkpoint import KEEP
from jaxvision.checkpoint.snapshot import Snapshot, take_snapshot, write_snapshot
from jaxvision.train.fit import Progress
from jaxvision.train.processes import several


class CheckpointWriter:
    """Writes checkpoints in a thread; when its `with` block ends, they are on the disk.

        with CheckpointWriter(path / "checkpoints") as writer:
            for progress in fit_epochs(...):
                writer.save(progress)

    However the block ends, by an exception, by Ctrl-C or by `sys.exit`, the save under way is
    completed; if it fails, `sys.exit(0)` becomes an error. A second Ctrl-C ends the waiting at
    once: the step under way is then lost, and the one before it is not. Of several processes each
    must save the same steps, and waits for the disk.

    Attributes:
        last_saved: the step of the newest checkpoint that is complete; None if there is none yet.
        seconds_waited: what the training has waited for earlier saves to end, in all.
    """

    def __init__(self, folder: Path, *, keep: int = KEEP, identity: dict[str, Any] | None = None):
        self.last_saved: int | None = None
        self.seconds_waited = 0.0
        self._folder = folder.resolve()  # the working directory may be another by then
        self._keep, self._identity = keep, identity
        self._entered = False
        self._error: Exception | None = None
        self._idle = threading.Event()
        self._idle.set()

    def __enter__(self) -> "CheckpointWriter":
        self._entered = True
        return self

    def save(self, progress: Progress) -> None:
        """Copies `progress` and has it written; waits first for the save before it.

        Raises:
            CheckpointError: if the save *before* it failed.
            RuntimeError: outside of the `with` block, whose end is what makes sure of the last one.
        """
        if not self._entered:
            raise RuntimeError("a CheckpointWriter saves within its block: `with ... as writer:`.")
        begun = time.monotonic()
        self._idle.wait()
        self.seconds_waited += time.monotonic() - begun
        self._raise_error()
        snapshot = take_snapshot(progress, self._identity, copy=True)
        if several():
            self._write(snapshot)
            self._raise_error()
            return
        self._idle.clear()
        # Not a daemon: Python itself waits for it if the waiting below was broken off.
        threading.Thread(target=self._write, args=(snapshot,), name="checkpoint").start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered = False
        try:
            self._idle.wait()
        except KeyboardInterrupt:
            if isinstance(error, KeyboardInterrupt):
                raise  # the second: at once
            self._idle.wait()
            raise
        if error is None or isinstance(error, SystemExit):
            self._raise_error()
        elif self._error is not None:
            error.add_note(f"And the last checkpoint was not saved: {self._error}")

    def _write(self, snapshot: Snapshot) -> None:
        try:
            write_snapshot(self._folder, snapshot, self._keep)
            self.last_saved = snapshot.step
        except Exception as error:
            self._error = error
        finally:
            self._idle.set()

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
