"""The run lock, within one process; `tests/faults/test_lock.py` has several."""

import errno
import json
import os
import re
import socket

import pytest

from jaxvision.train import lock as module
from jaxvision.train.lock import LockedError, lock_run


def test_the_file_says_who_holds_it_and_goes_with_the_lock(tmp_path):
    run = tmp_path / "runs" / "a"  # made if need be
    with lock_run(run):
        holder = json.loads((run / ".lock").read_text())
        assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", holder["started"])
    assert list(run.iterdir()) == []


def test_a_second_one_is_refused_at_once_and_the_first_is_unharmed(tmp_path):
    with lock_run(tmp_path):
        said = (
            rf"another run, process {os.getpid()} \(this very process\) on host "
            rf"{re.escape(socket.gethostname())} since 2\d{{3}}-.* is writing to "
            rf"{re.escape(str(tmp_path))}: wait"
        )
        for _ in range(2):
            with pytest.raises(LockedError, match=said), lock_run(tmp_path):
                pass
        with lock_run(tmp_path / "another"):
            pass
        assert (tmp_path / ".lock").exists()
    with lock_run(tmp_path):  # as a cell of a notebook that is run again
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_is_let_go_of_however_the_block_ends(tmp_path, error):
    with pytest.raises(error), lock_run(tmp_path):
        raise error
    with lock_run(tmp_path):
        pass


@pytest.mark.parametrize("left", ["", "{", "[]", '{"pid": 3}', "x" * 9999])
def test_what_a_killed_run_left_behind_is_no_hindrance(tmp_path, left):
    (tmp_path / ".lock").write_text(left)
    with lock_run(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("left", ["", "{", "[]", "{}"])
def test_a_holder_that_has_not_yet_signed_is_refused_without_a_name(tmp_path, left):
    with lock_run(tmp_path):
        (tmp_path / ".lock").write_text(left)
        with pytest.raises(LockedError, match="which has only just begun"), lock_run(tmp_path):
            pass


def test_nothing_stays_open(tmp_path):
    with lock_run(tmp_path):
        (descriptor,) = module._held
        os.fstat(descriptor)
        with pytest.raises(LockedError), lock_run(tmp_path):
            pass
        assert module._held == {descriptor}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert not module._held


def test_a_file_that_was_removed_between_opening_and_locking_is_not_the_lock(tmp_path, monkeypatch):
    """Else two runs could each hold the lock of a file that has the name, or had."""
    lock, removed = module._lock, []

    def late(descriptor, path):
        if not removed:
            removed.append((path / ".lock").unlink())
        lock(descriptor, path)

    monkeypatch.setattr(module, "_lock", late)
    with lock_run(tmp_path), pytest.raises(LockedError), lock_run(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"file cannot be written .*another directory"):
        lock_run(tmp_path / "file").__enter__()
    if os.getuid() == 0:
        pytest.skip("to the superuser no directory is read-only")
    (tmp_path / "run").mkdir(mode=0o500)
    with pytest.raises(ValueError, match=r"run cannot be written \(Permission denied\)"):
        lock_run(tmp_path / "run").__enter__()


def test_permission_denied_is_named(tmp_path, monkeypatch):
    def denied(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module.os, "open", denied)
    with pytest.raises(ValueError, match=r"cannot be written \(Permission denied\): choose"):
        lock_run(tmp_path).__enter__()


def test_a_file_system_without_locks_is_said_and_not_refused(tmp_path, monkeypatch):
    def unsupported(*arguments):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", unsupported)
    said = pytest.warns(RuntimeWarning, match=r"has no locks \(Operation not supported\): make")
    with said, lock_run(tmp_path):
        assert (tmp_path / ".lock").exists()


def test_another_failure_to_lock_is_an_error(tmp_path, monkeypatch):
    def failing(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module.fcntl, "flock", failing)
    with pytest.raises(ValueError, match=r"cannot be written \(Input/output error\)"):
        lock_run(tmp_path).__enter__()
    assert not module._held
