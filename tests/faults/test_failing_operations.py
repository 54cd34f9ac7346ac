"""Every write, fsync, rename, mkdir and unlink fails once: an error, and nothing worse."""

import errno
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jaxvision.checkpoint import checkpoint, snapshot
from jaxvision.checkpoint.checkpoint import (
    CheckpointError,
    list_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from tests.checkpoint.made_up import bits, made_up_progress
from tests.faults.scale import RELEASE

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The library that makes operations fail."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "failing_io.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-w", HERE / "failing_io.c", "-o", library]
    subprocess.run([*command, "-ldl"], check=True)
    return library


@pytest.mark.timeout(3000 if RELEASE else 300)
@pytest.mark.parametrize("first", [1, 2])
def test_whichever_operation_fails(shim, tmp_path, first):
    """In any library: the odd operations in one process, the even in another."""
    command = [
        sys.executable,
        "-m",
        "tests.faults.failing",
        tmp_path,
        str(first),
        "2",
        str(+RELEASE),
    ]
    environment = os.environ | {"LD_PRELOAD": str(shim)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["operations"] > 40  # half of them


OWN = ["fsync", "rename", "mkdir", "unlink", "rmdir"]


@pytest.mark.parametrize("operation", OWN)
def test_whichever_of_our_own_operations_fails(tmp_path, monkeypatch, operation):
    """Without a compiler: those of Python."""
    model = tmp_path / "model"
    for step in (1, 2):
        save_checkpoint(model, made_up_progress(step))
    real, k = getattr(os, operation), 0
    while True:
        k += 1 if operation != "unlink" else 9  # there are many, and all of one kind
        calls, fired = itertools.count(1), []

        def failing(path, *arguments, k=k, calls=calls, fired=fired, **options):
            if next(calls) == k:  # one step, for several threads flush
                fired.append(path)
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(path, *arguments, **options)

        folder = tmp_path / f"{k}"
        shutil.copytree(model, folder)
        with monkeypatch.context() as patched:
            patched.setattr(os, operation, failing)
            try:
                save_checkpoint(folder, made_up_progress(3))
            except CheckpointError as error:
                assert "00000003" in str(error) and "No space left" in str(error)
            else:
                assert not fired, "an error was swallowed"
        assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
        assert int(restore_checkpoint(folder, made_up_progress())[0].state.step) in (2, 3)
        if not fired:
            break
    assert k > 1


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path):
    """The kernel's own: what needs more than a file may hold is not saved, and said."""
    save_checkpoint(tmp_path, made_up_progress(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(CheckpointError) as caught:
            save_checkpoint(tmp_path, made_up_progress(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    message = str(caught.value)
    assert f"{tmp_path / '00000002'} cannot be written: " in message
    assert "It needs 0.0 MB, and " in message and " MB are free. Raise the limit" in message
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]
    assert bits(restore_checkpoint(tmp_path, made_up_progress())[0]) == bits(made_up_progress(1))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "Make room"), (errno.EROFS, "Make the directory writable")],
)
def test_what_is_needed_and_what_helps_is_said(tmp_path, monkeypatch, number, remedy):
    def failing(folder):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(snapshot, "write_sums", failing)
    said = (
        rf"00000002 cannot be written: {os.strerror(number)}\. It needs 6\.2 MB, and [\d,]+ MB are"
    )
    with pytest.raises(CheckpointError, match=rf"{said} free\. {remedy} and go on with --resume"):
        save_checkpoint(tmp_path, made_up_progress(2, width=1000))


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "checkpoints").write_text("mine")
    with pytest.raises(CheckpointError, match=r"checkpoints/00000002 cannot be written: File exis"):
        save_checkpoint(tmp_path / "checkpoints", made_up_progress(2))
    assert (tmp_path / "checkpoints").read_text() == "mine"


def test_a_folder_that_vanishes_is_made_anew(tmp_path):
    save_checkpoint(tmp_path / "run" / "checkpoints", made_up_progress(1))
    shutil.rmtree(tmp_path / "run")
    save_checkpoint(tmp_path / "run" / "checkpoints", made_up_progress(2))
    assert len(list_checkpoints(tmp_path / "run" / "checkpoints")) == 1


def test_a_folder_that_vanishes_while_it_is_written_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "write_sums", lambda partial: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(CheckpointError, match=r"00000001 cannot be written: No such file"):
        save_checkpoint(tmp_path / "run" / "checkpoints", made_up_progress(1))


def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    if os.getuid() == 0:
        pytest.skip("to the superuser no directory is read-only")
    save_checkpoint(tmp_path, made_up_progress(1))
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(
            CheckpointError, match=r"Permission denied.*Make the directory writable"
        ):
            save_checkpoint(tmp_path, made_up_progress(2))
        restored, _ = restore_checkpoint(tmp_path, made_up_progress())
    finally:
        tmp_path.chmod(0o700)
    assert bits(restored) == bits(made_up_progress(1))


def test_a_damaged_checkpoint_that_cannot_be_moved_is_said_and_passed_over(tmp_path, monkeypatch):
    for step in (1, 2):
        save_checkpoint(tmp_path, made_up_progress(step))
    (tmp_path / "00000002" / "MANIFEST.json").unlink()

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(checkpoint, "quarantine", denied)
    restored, (reason,) = restore_checkpoint(tmp_path, made_up_progress())
    assert int(restored.state.step) == 1
    assert reason.endswith("MANIFEST.json is missing; it stays where it is (Permission denied)")
