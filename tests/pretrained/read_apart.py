"""Reads files of weights in a process of its own: what that costs, and what the process does.

    python -m tests.pretrained.read_apart SOUND_FILE... -- FILE...

The sound files come first, so that what the libraries load once is not counted.
"""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

# What no reader has a reason for. Python itself tells, whoever asks for it.
FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "subprocess.Popen")
FORBIDDEN += ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "ctypes.dlopen")
FORBIDDEN += ("os.remove", "os.rename", "os.mkdir", "os.symlink", "shutil.rmtree")


class Reading(NamedTuple):
    name: str
    seconds: float  # of the processor
    megabytes: float  # by which the most that the process ever had has grown
    done: list[str]  # which of FORBIDDEN
    answer: str  # "refused", or else


def read_apart(sound: list[Path], paths: list[Path]) -> list[Reading]:
    """One for each of `paths`, in order."""
    command = [sys.executable, "-m", "tests.pretrained.read_apart", *map(str, sound), "--"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [*command, *map(str, paths)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    readings = []
    for line in done.stdout.splitlines():
        name, seconds, megabytes, events, answer = line.split("|", 4)
        readings.append(Reading(name, float(seconds), float(megabytes), events.split(), answer))
    return readings


def _megabytes() -> float:
    """The most so far; getrusage would begin with what the parent had."""
    status = Path("/proc/self/status")
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1e3 if status.exists() else 0


def _answer(path: Path) -> str:
    from jaxvision.pretrained.read import read_tensors

    try:
        return f"read {len(read_tensors(path))}"
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        is_clear = message.startswith(f"{path}: ") and message.isprintable() and len(message) < 1000
        return "refused" if is_clear else f"refused with {message!r}"
    except BaseException as error:
        return f"ended by {type(error).__name__}: {' '.join(str(error).split())}"


def _main(arguments: list[str]) -> None:
    between = arguments.index("--")
    for path in arguments[:between]:
        assert _answer(Path(path)).startswith("read "), path
    events: list[str] = []
    sys.addaudithook(lambda event, _: events.append(event) if event in FORBIDDEN else None)
    for path in map(Path, arguments[between + 1 :]):
        before, start = _megabytes(), time.process_time()
        events.clear()
        answer = _answer(path)
        seconds, megabytes = time.process_time() - start, _megabytes() - before
        print(path.name, seconds, megabytes, " ".join(events), answer, sep="|")


if __name__ == "__main__":
    _main(sys.argv[1:])
