"""Two real processes train together; one dies, or gets a signal (case 17)."""

import json
import signal
import socket
import time

import numpy as np
import pytest

from jaxvision.checkpoint.checkpoint import list_checkpoints
from tests.faults.trainer import epochs_in, finish, spawn, wait_until

OPTIONS = ("--model", "mlp", "--batch-size", "64", "--checkpoint-seconds", "0.5")


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


@pytest.fixture
def two():
    """Starts two processes of one training; what is left of them is killed in the end, for JAX
    handles SIGTERM."""
    started = []

    def start(path, *options):
        address = ("--coordinator", f"localhost:{free_port()}", "--processes", "2", "--out", path)
        started.extend(spawn(*OPTIONS, *options, *address, "--process-id", i) for i in range(2))
        return started

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("feed", ["resident", "streaming"])
def test_they_learn_what_one_process_learns(tmp_path, two, feed):
    options = ("--epochs", "2", "--feed", feed)
    answers = [finish(process) for process in two(tmp_path / "two", *options)]
    assert [code for code, _, _ in answers] == [0, 0], answers
    assert "epoch 2/2" in answers[0][1] and "epoch" not in answers[1][1]  # one speaks for both
    code, _, errors = finish(spawn(*OPTIONS, *options, "--out", tmp_path / "one"))
    assert code == 0, errors
    ours, theirs = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("two", "one")
    )
    for mine, other in zip(ours, theirs, strict=True):
        for part in ("train", "validation"):
            np.testing.assert_allclose(mine[part]["loss"], other[part]["loss"], rtol=1e-5)
            assert mine[part]["accuracy"] == pytest.approx(other[part]["accuracy"], abs=2e-3)


@pytest.mark.parametrize("victim", [0, 1])
def test_one_is_killed_the_other_ends_and_one_process_goes_on(tmp_path, two, victim):
    path = tmp_path / "run"
    processes = two(path, "--epochs", "200", "--patience", "200")
    wait_until(
        lambda: epochs_in(path) >= 3 and list_checkpoints(path / "checkpoints"), processes[0]
    )
    processes[victim].send_signal(signal.SIGKILL)
    began = time.monotonic()
    code, _, _ = finish(processes[1 - victim], timeout=60)
    assert code != 0 and time.monotonic() - began < 60
    saved = int(list_checkpoints(path / "checkpoints")[0].name)
    process = spawn("--resume", path)
    made = epochs_in(path)
    wait_until(lambda: epochs_in(path) > made, process)
    process.send_signal(signal.SIGTERM)
    code, output, errors = finish(process)
    assert code == 143, errors
    assert f", step {saved}\n" in output


def test_a_signal_to_one_of_them_ends_both_at_the_same_step(tmp_path, two):
    path = tmp_path / "run"
    processes = two(path, "--epochs", "200", "--patience", "200")
    wait_until(lambda: epochs_in(path) >= 2, processes[0])
    processes[1].send_signal(signal.SIGTERM)
    answers = [finish(process, timeout=60) for process in processes]
    assert [code for code, _, _ in answers] == [143, 143], answers
    assert len(list_checkpoints(path / "checkpoints")) >= 1
    # Both said so, and neither with a traceback.
    for _, _, errors in answers:
        assert "interrupted by SIGTERM" in errors and "Traceback" not in errors
