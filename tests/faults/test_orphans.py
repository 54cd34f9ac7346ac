"""However a training with workers ends, none is left after ten seconds (cases 4, 19; goal G11)."""

import signal
import time
from pathlib import Path

import pytest

from tests.data.test_streaming import alive, children
from tests.faults.scale import times
from tests.faults.trainer import epochs_in, finish, spawn, wait_until

OPTIONS = ("--model", "softmax_regression", "--feed", "streaming", "--workers", 2)
DEATHS = [
    (signal.SIGTERM,),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGKILL,),
    (signal.SIGUSR1, signal.SIGTERM),
    (signal.SIGINT,),
]
CODES = (130, 143, -signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("death", range(times(1, 100)))
def test_no_worker_outlives_any_end(tmp_path, death):
    run = tmp_path / "run"
    process = spawn(*OPTIONS, "--epochs", 10_000, "--patience", 10_000, "--out", run)
    wait_until(lambda: epochs_in(run) >= 1, process)
    workers = children(process.pid)
    assert len(workers) >= 2
    for number in DEATHS[death % len(DEATHS)]:
        process.send_signal(number)
    code, _, errors = finish(process)
    assert code in CODES and "Traceback" not in errors, errors
    until = time.monotonic() + 10
    while alive(workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert alive(workers) == []
