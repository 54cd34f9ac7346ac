"""Reading ahead: by threads or processes, of any number, always the same; and nothing is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxvision.data.batches import ResidentFeed, load_resident
from jaxvision.data.sources import ArraySource
from jaxvision.data.streaming import StreamingFeed

N, BATCH = 23, 5


def made_up():
    images = np.arange(N * 12, dtype=np.uint8).reshape(N, 2, 2, 3)
    return ArraySource(images, np.arange(N) % 3)


def rows(feed, epochs):
    """The rows that a feed brings in these epochs, as they are read."""
    found = []
    for epoch in epochs:
        for handles, *_ in feed.pieces(epoch):
            np.testing.assert_array_equal(
                handles["image"][0, :, 0, 0, 0], handles["row"][0] * 12 % 256
            )
            found.append(np.asarray(handles["row"][0]))
    return np.concatenate(found)


@pytest.fixture(scope="module")
def expected():
    feed = ResidentFeed(load_resident(made_up()), BATCH, seed=3)
    return np.concatenate(
        [np.asarray(h["row"]).ravel() for epoch in range(3) for h, *_ in feed.pieces(epoch)]
    )


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_the_order_is_the_same_for_any_number_of_threads(expected, threads):
    feed = StreamingFeed(made_up(), BATCH, seed=3, threads=threads)
    np.testing.assert_array_equal(rows(feed, range(3)), expected)
    feed.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_the_order_is_the_same_for_any_number_of_workers(expected, workers):
    feed = StreamingFeed(made_up(), BATCH, seed=3, threads=1, workers=workers)
    np.testing.assert_array_equal(rows(feed, range(3)), expected)
    feed.close()


def test_it_reads_on_over_the_end_of_an_epoch():
    read = []

    class Noting(ArraySource):
        def __getitem__(self, i):
            read.append(int(i))
            return super().__getitem__(i)

    source = made_up()
    feed = StreamingFeed(Noting(source.images, source.labels), BATCH, seed=3, threads=1)
    pieces = feed.pieces(0)
    for _ in range(feed.steps):
        next(pieces)
    until = time.monotonic() + 10
    while len(read) < 1 + N + BATCH and time.monotonic() < until:
        time.sleep(0.01)
    assert len(read) >= 1 + N + BATCH  # the first of all, the epoch, and some of the next
    feed.close()


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"workers": -1}])
def test_numbers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="`threads` must be at least 1 and `workers` at least 0"):
        StreamingFeed(made_up(), BATCH, seed=3, **wrong)


PROGRAM = """
import sys, time
import numpy as np
from jaxvision.data.sources import ArraySource
from jaxvision.data.streaming import StreamingFeed

if __name__ == "__main__":
    images = np.zeros((64, 2, 2, 3), np.uint8)
    feed = StreamingFeed(ArraySource(images, np.arange(64) % 2), 4, seed=0, workers=2)
    for epoch in range(10**6):
        for i, _ in enumerate(feed.pieces(epoch)):
            time.sleep(0.01)
            print(epoch, flush=True)
"""


def children(pid):
    """The processes that `pid` started, and those that they started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found += [int(status.parent.name), *children(int(status.parent.name))]
    return found


@pytest.fixture
def trainer(tmp_path):
    """A process that reads with two workers and has read something."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("looks at processes in /proc")
    script = tmp_path / "trainer.py"
    script.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "0\n"
    yield process
    process.kill()
    process.communicate()


def workers_of(process):
    return [
        pid
        for pid in children(process.pid)
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]


def alive(pids):
    return [
        pid
        for pid in pids
        if Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    ]


def test_workers_do_not_outlive_a_killed_trainer(trainer):
    workers = children(trainer.pid)
    assert len(workers_of(trainer)) >= 2
    trainer.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while alive(workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(workers) == []


def test_a_killed_worker_is_an_error_and_no_silence(trainer):
    os.kill(workers_of(trainer)[0], signal.SIGKILL)
    _, errors = trainer.communicate(timeout=60)
    assert trainer.returncode != 0
    assert "worker" in errors.lower() and "-9" in errors


CHILD = """
import os, time
from jaxvision.data.streaming import _Worker
_Worker(os.getppid())(0, 1)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_what_a_worker_does_first_ends_it_with_its_parent():
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 10
    while alive([child]) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive([child]) == []
