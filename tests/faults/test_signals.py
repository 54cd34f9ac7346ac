"""Signals: whatever a run is at, it ends soon, with all it made saved (cases 4, 5; goal G3)."""

import json
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from jaxvision.checkpoint.checkpoint import list_checkpoints
from tests.faults.scale import times
from tests.faults.trainer import (
    EXIT,
    epochs_in,
    finish,
    same_result,
    signal_and_time,
    spawn,
    wait_until,
)

OPTIONS = ("--model", "mlp", "--epochs", "60", "--patience", "60", "--checkpoint-seconds", "1000")
SECONDS = 20  # a busy machine's; on a quiet one it is under two


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to."""
    path = tmp_path_factory.mktemp("whole") / "run"
    code, _, errors = finish(spawn(*OPTIONS, "--out", path))
    assert code == 0, errors
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_in_training_it_saves_where_it_is_and_goes_on_from_there(tmp_path, whole, number):
    path = tmp_path / "run"
    process = spawn(*OPTIONS, "--out", path)
    wait_until(lambda: epochs_in(path) >= 2, process)
    code, errors, seconds = signal_and_time(process, number)
    assert code == EXIT[number] and seconds < SECONDS
    assert f"interrupted by {number.name}" in errors and f"--resume {path}` goes on" in errors
    assert "Traceback" not in errors
    saved = int(list_checkpoints(path / "checkpoints")[0].name)
    code, output, errors = finish(spawn("--resume", path))
    assert code == 0, errors
    assert re.search(rf"going on after epoch \d+, step {saved}\n", output)
    same_result(path, whole)


def test_while_programs_are_compiled_it_ends_at_once(tmp_path):
    path = tmp_path / "run"
    process = spawn("--model", "resnet50", "--image-size", 32, "--out", path)
    wait_until((path / "config.json").exists, process)  # the compiler begins now
    time.sleep(1)
    code, errors, seconds = signal_and_time(process, signal.SIGTERM)
    assert code == 143 and "interrupted by SIGTERM" in errors
    assert seconds < SECONDS / 4  # the compiler itself takes longer
    assert list_checkpoints(path / "checkpoints") == []


IN_A_CALLBACK = """
import gc, os, signal, sys

def interrupt(*phase):
    if "jax" in sys.modules and "jaxvision.train.interruption" not in sys.modules:
        gc.callbacks.remove(interrupt)
        os.kill(os.getpid(), signal.SIGINT)

gc.callbacks.append(interrupt)
from jaxvision.cli import main
sys.exit(main())
"""


def test_while_jax_is_imported_it_ends_even_where_python_would_forget_it(tmp_path):
    path = tmp_path / "run"
    command = (sys.executable, "-c", IN_A_CALLBACK, "train", "--epochs", "1", "--out", str(path))
    code = subprocess.run(command, capture_output=True, timeout=200).returncode
    assert code == -signal.SIGINT and not path.exists()


def test_a_second_signal_ends_it_at_once_and_what_was_saved_is_whole(tmp_path, whole):
    path = tmp_path / "run"
    process = spawn(*OPTIONS, "--out", path)
    wait_until(lambda: epochs_in(path) >= 2, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    code, _, errors = finish(process)
    assert code in (130, 143) and "Traceback" not in errors
    assert finish(spawn("--resume", path))[0] == 0
    same_result(path, whole)


@pytest.mark.parametrize("attempt", range(times(2, 100)))
def test_at_any_moment_it_ends_soon_and_goes_on_to_the_same_bits(tmp_path, whole, attempt):
    number = list(EXIT)[attempt % len(EXIT)]
    path, took = tmp_path / "run", json.loads((whole / "result.json").read_text())["seconds"]
    seed = time.time_ns()
    print("moment by seed", seed)
    process = spawn(*OPTIONS, "--out", path)
    time.sleep(random.Random(seed).uniform(0, took + 2))  # the imports are not in what it took
    result = path / "result.json"
    done = result.exists()
    code, errors, seconds = signal_and_time(process, number)
    assert seconds < SECONDS
    if code == -number:  # Python itself may end by it, before there is anything to lose
        assert not path.exists() or result.exists()  # or after all is written
    elif not done:
        assert code == EXIT[number] and "Traceback" not in errors, errors
    code, _, errors = finish(spawn(*OPTIONS, "--out", path, "--resume", "auto"))
    assert code == 0, errors
    same_result(path, whole)
