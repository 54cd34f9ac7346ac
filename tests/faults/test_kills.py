"""kill -9 while checkpoints are written and deleted: nothing that was acknowledged is lost."""

import json
import subprocess
import sys

import pytest

from jaxvision.checkpoint.checkpoint import list_checkpoints
from tests.faults.scale import times

KILLS = times(100, 2500)  # in each of two processes


@pytest.mark.timeout(60 + KILLS)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_kill_loses_what_was_acknowledged(tmp_path, seed):
    command = [sys.executable, "-m", "tests.faults.nursery", tmp_path, str(KILLS), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["kills"] == KILLS
    assert seen["lost"] == seen["refused"] == seen["wrong"] == 0, seen
    # They came while something was being done, and more was done than one save.
    assert seen["writing"] > KILLS / 10 and seen["deleting"] > 0 and seen["saved"] > KILLS / 4, seen
    assert len(list_checkpoints(tmp_path)) <= 3  # two, and one that was yet to be deleted
