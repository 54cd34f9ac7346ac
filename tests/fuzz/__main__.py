"""Feeds damaged files to a parser: it must read them or refuse them, at once, and nothing else.

    python -m tests.fuzz image --mutations 2000000 --seed 0
    python -m tests.fuzz image --file FILE                    # once more what it failed at

Prints how many there were and how fast. Each parser has a module beside this one: `corpus()`, whole
files to damage, and `check`, which raises if the parser does not do as it ought to.
"""

import argparse
import faulthandler
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.fuzz.mutate import mutated

PARSERS = ("image", "weights", "config", "annotations")
SECONDS = 1.0  # of the processor, that a file may take: the clock would count what others do

# Where a file is overwritten a hundred times faster than on a disk; None: wherever others are.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Parser(NamedTuple):
    corpus: list[tuple[str, bytes]]  # suffix and content
    check: Callable[[str, bytes, Path], None]  # of suffix, content and a folder to write to


class Hang(BaseException):
    """A file took too long. No `Exception`, because a parser may catch every one of them."""


class FuzzError(Exception):
    """A parser does not do as it ought to; says at which file."""


def parser_of(name: str) -> Parser:
    """The parser of this name, with suffixes also where its files have none."""
    module = import_module(f"tests.fuzz.{name}")
    if name == "image":
        return Parser(
            [("", data) for data in module.corpus()], lambda suffix, data, _: module.check(data)
        )
    return Parser(module.corpus(), module.check)


def fuzz(name: str, mutations: int, seed: int, folder: Path) -> None:
    """Damages files of the parser's corpus and has each checked.

    Each is in `folder/last` before it is checked, so that it is there also if the process dies.

    Raises:
        FuzzError: at the first that the parser fails at.
    """
    corpus, check = parser_of(name)
    generator = np.random.default_rng(seed)
    last = folder / "last"
    with _time_limit(), last.open("wb", buffering=0) as file:
        for number in range(mutations):
            suffix, data = corpus[generator.integers(len(corpus))]
            data = mutated(data, generator, corpus[generator.integers(len(corpus))][1])
            file.seek(0)
            file.write(data)
            file.truncate()
            try:
                _check_once(check, suffix, data, folder)
            except (Exception, Hang) as error:
                kept = last.rename(folder / f"{name}-{seed}-{number}{suffix}")
                raise FuzzError(
                    f"{name}: {type(error).__name__}: {error}\nmutation {number} of seed {seed}; "
                    f"once more: python -m tests.fuzz {name} --file {kept}"
                ) from error
    last.unlink()


def _check_once(check: Callable, suffix: str, data: bytes, folder: Path) -> None:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        check(suffix, data, folder)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def _time_limit():
    def stop(*_):
        raise Hang(f"took more than {SECONDS:g} s of the processor")

    before = signal.signal(signal.SIGPROF, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, before)


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz")
    options.add_argument("parser", choices=PARSERS)
    options.add_argument("--mutations", type=int, default=2_000_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--file", type=Path, help="check this file, once")
    asked = options.parse_args()
    faulthandler.enable()
    folder = Path(tempfile.mkdtemp(prefix="jaxvision-fuzz-", dir=IN_MEMORY))
    if asked.file is not None:
        with _time_limit():
            check = parser_of(asked.parser).check
            _check_once(check, asked.file.suffix, asked.file.read_bytes(), folder)
        print(f"{asked.parser}: {asked.file} is read or refused as it ought to be")
        return 0
    print(f"{asked.parser}: the file in work is {folder / 'last'}", flush=True)
    start = time.perf_counter()
    try:
        fuzz(asked.parser, asked.mutations, asked.seed, folder)
    except FuzzError as failure:
        print(failure, file=sys.stderr)
        return 1
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{asked.parser}: {asked.mutations} mutations of seed {asked.seed}, none failed; "
        f"{asked.mutations / seconds:.0f} a second, {peak:.0f} MB of memory at most"
    )
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
