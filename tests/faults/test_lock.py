"""Two runs in one directory: exactly one goes on, and a dead one is in nobody's way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import jaxvision.train.lock
from tests.faults.scale import times

PAIRS = times(3, 20)
# The file by itself, because importing the package, and so JAX, takes longer than all the rest.
START = """
import importlib.util, os, sys, time
spec = importlib.util.spec_from_file_location("lock", sys.argv[1])
lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock)
sys.stdin.readline()
"""
RUN = """
try:
    with lock.lock_run(lock.Path(sys.argv[2])):
        print("running", flush=True)
        sys.stdin.readline()
except lock.LockedError as error:
    sys.exit(str(error))
"""
RUN_WITH_A_WORKER = """
with lock.lock_run(lock.Path(sys.argv[2])):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    print("running", flush=True)
    sys.stdin.readline()
"""


def start(run: Path, program=RUN) -> subprocess.Popen:
    command = [sys.executable, "-c", START + program, jaxvision.train.lock.__file__, run]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, start_new_session=True, **pipes)


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("pair", range(PAIRS))
def test_of_two_that_start_at_once_exactly_one_runs(tmp_path, pair):
    run = tmp_path / "run"
    two = [start(run), start(run)]
    for process in two:
        go(process)
    running = [process for process in two if process.stdout.readline() == "running\n"]
    assert len(running) == 1
    (refused,) = (process for process in two if process not in running)
    _, message = refused.communicate(timeout=30)
    assert refused.returncode == 1
    assert f"is writing to {run}" in message and "wait until it ends" in message
    # The first is unharmed, and says who it is to a third.
    third = start(run)
    _, message = third.communicate("\n", timeout=30)
    assert third.returncode == 1 and f"another run, process {running[0].pid} on host" in message
    assert "this very process" not in message
    _, errors = running[0].communicate("\n", timeout=30)
    assert running[0].returncode == 0, errors
    fourth = start(run)
    out, errors = fourth.communicate("\n\n", timeout=30)
    assert fourth.returncode == 0 and out == "running\n", errors


@pytest.mark.parametrize("program", [RUN, RUN_WITH_A_WORKER], ids=["alone", "worker left behind"])
def test_the_kernel_lets_go_of_a_killed_runs_lock(tmp_path, program):
    first = start(tmp_path, program)
    go(first)
    assert first.stdout.readline() == "running\n"
    first.kill()
    first.wait()
    assert (tmp_path / ".lock").exists()
    second = start(tmp_path)
    try:
        out, errors = second.communicate("\n\n", timeout=30)
        assert second.returncode == 0 and out == "running\n", errors
    finally:
        os.killpg(first.pid, signal.SIGKILL) if program is RUN_WITH_A_WORKER else None
        first.communicate()
