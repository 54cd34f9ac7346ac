"""Ways out of a script while its last checkpoint is still being written.

    python -m tests.faults.leaving FOLDER WAY

Prints "saving" once the thread is at it, which takes it a second.
"""

import sys
import time
from pathlib import Path

from jaxvision.checkpoint import snapshot
from jaxvision.checkpoint.writer import CheckpointWriter
from tests.faults.nursery import progress_at


def slowly(folder: Path) -> None:
    print("saving", flush=True)
    time.sleep(1)
    write_sums(folder)


def leave(way: str) -> None:
    match way:
        case "exit":
            sys.exit(0)
        case "raise":
            raise ZeroDivisionError
        case "wait":
            # In short sleeps: a signal that another thread was given ends none of them.
            for _ in range(600):
                time.sleep(0.1)
        case "end":
            pass


if __name__ == "__main__":
    write_sums, snapshot.write_sums = snapshot.write_sums, slowly
    with CheckpointWriter(Path(sys.argv[1])) as writer:
        writer.save(progress_at(7))
        leave(sys.argv[2])
