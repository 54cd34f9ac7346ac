"""A script that ends while its last checkpoint is being written: never exit code 0 with loss."""

import signal
import subprocess
import sys
import time

import pytest

from jaxvision.checkpoint.checkpoint import list_checkpoints, restore_checkpoint
from tests.checkpoint.made_up import made_up_progress
from tests.faults.nursery import progress_at


def start(folder, way):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.leaving", folder, way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_saved(folder):
    """Whether step 7 is there, and whole."""
    expected = progress_at(7)
    like = made_up_progress()
    like = like.replace(
        best=expected.best,
        state=like.state.replace(params=expected.state.params, batch_stats={}, opt_state=()),
    )
    if not list_checkpoints(folder):
        return False
    with pytest.raises(ValueError, match="not of this network"):  # found to be whole, before that
        restore_checkpoint(folder, like)
    return True


@pytest.mark.parametrize(("way", "code"), [("exit", 0), ("raise", 1)])
def test_what_was_being_saved_is_saved(tmp_path, way, code):
    process = start(tmp_path, way)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == code, errors
    assert is_saved(tmp_path)


def test_what_could_not_be_saved_is_an_error_of_exit_0(tmp_path):
    (tmp_path / "file").write_text("mine")
    process = start(tmp_path / "file", "exit")
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "CheckpointError: the checkpoint" in errors and "00000007 cannot be written" in errors


@pytest.mark.parametrize("interrupts", [1, 2])
def test_ctrl_c_once_waits_and_twice_does_no_harm(tmp_path, interrupts):
    process = start(tmp_path, "wait")
    assert process.stdout.readline() == "saving\n"
    for _ in range(interrupts):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in errors
    # After the second the step may be lost, and nothing else; Python waits for the thread itself.
    assert is_saved(tmp_path) or interrupts == 2


def test_a_kill_while_it_is_written_leaves_no_checkpoint(tmp_path):
    process = start(tmp_path, "wait")
    assert process.stdout.readline() == "saving\n"
    process.kill()
    process.communicate()
    assert list_checkpoints(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [".writing-00000007"]
