"""kill -9 at random moments of a real training: it ends with the same bits (case 3, goal G2)."""

import random
import signal
import time

import pytest

from jaxvision.checkpoint import list_checkpoints
from tests.faults.scale import times
from tests.faults.trainer import epochs_in, finish, same_result, spawn

RUNS, KILLS = times(1, 20), times(8, 15)
OPTIONS = ("--model", "lenet5", "--batch-size", 64, "--checkpoint-seconds", 0.2)
STREAMED = ("--feed", "streaming", "--workers", 2)  # every other run of a release


def sums(run):
    """The sums of all files of the newest checkpoint: of every array, and of the history."""
    return (list_checkpoints(run / "checkpoints")[0] / "SHA256SUMS").read_text()


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("number", range(RUNS))
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path, number):
    options = (*OPTIONS, "--epochs", 4 * KILLS, "--patience", 4 * KILLS)
    if number % 2:
        options = (*options, *STREAMED)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    code, _, errors = finish(spawn(*options, "--out", whole))
    assert code == 0, errors

    seed = time.time_ns()
    print("moments by seed", seed)
    moments, kills, arguments = random.Random(seed), 0, (*options, "--out", broken)
    while not (broken / "result.json").exists():
        made, process = epochs_in(broken), spawn(*arguments)
        while process.poll() is None and epochs_in(broken) < made + 2:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.2))
        if process.poll() is None and kills < KILLS:
            process.send_signal(signal.SIGKILL)
            kills += 1
        code, _, errors = finish(process)
        assert code in (0, -signal.SIGKILL), errors
        arguments = ("--resume", broken)
    assert kills == KILLS
    same_result(broken, whole)
    assert sums(broken) == sums(whole)
