"""Signals that ask a run to end: it saves first, and says which signal it was.

    with Interruption() as interruption:
        ... until interruption.requested() ...; interruption.unsaved = True after each step made
        and False when all of it is saved

The first of SIGINT (Ctrl-C), SIGTERM (a cluster's scheduler) and SIGUSR1 (its warning) is noted,
for the loop to stop and save at the next step. While nothing is unsaved -- the data are being read,
the programs compiled -- the process ends at once. So it does at the second signal: what was saved
before is whole, whenever that happens.
"""

import os
import signal
import socket
import sys
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class InterruptedRunError(RuntimeError):
    """A signal ended the run; what it had made is saved."""

    def __init__(self, signal_number: int, hint: str):
        self.exit_code = exit_code(signal_number)
        super().__init__(f"interrupted by {signal.Signals(signal_number).name}; {hint}")


def exit_code(signal_number: int) -> int:
    """What a shell shows for a process that a signal ended: 130 for SIGINT, 143 for SIGTERM.

    SIGUSR1, a scheduler's "soon", counts as SIGTERM.
    """
    return 128 + (signal.SIGINT if signal_number == signal.SIGINT else signal.SIGTERM)


class Interruption:
    """Catches the signals while it is entered; only the main thread may enter it.

    Python runs a signal's handler when the main thread is back from whatever it is in, be it ten
    seconds of compilation. So the signals are written to a socket, and a thread reads them there.

    Attributes:
        signal: the first that came; None if none has.
        unsaved: whether there is anything to lose.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.unsaved = False

    def requested(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> "Interruption":
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._before = {s: signal.signal(s, _left_to_the_thread) for s in SIGNALS}
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._write.close()  # which ends the thread

    def _watch(self) -> None:
        with self._read:
            while received := self._read.recv(1):
                if received[0] not in SIGNALS:
                    continue
                if self.signal is not None or not self.unsaved:
                    _end_at_once(received[0])
                self.signal = received[0]


def _left_to_the_thread(signal_number: int, frame: FrameType | None) -> None:
    del signal_number, frame


def _end_at_once(signal_number: int) -> None:
    """Without Python's shutdown, which would wait for the main thread and the compiler's."""
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            stream.write("\x1b[?25h\n")  # the cursor, which a progress bar hides
    name = signal.Signals(signal_number).name
    print(f"jaxvision: interrupted by {name}; what was saved is kept", file=sys.stderr, flush=True)
    os._exit(exit_code(signal_number))
