"""Real `jaxvision train` processes for the tests of faults."""

import json
import signal
import subprocess
import sys
import time


def spawn(*arguments, **options):
    """A training in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jaxvision", "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process, timeout=200):
    """(exit code, output, errors)"""
    output, errors = process.communicate(timeout=timeout)
    return process.returncode, output, errors


def epochs_in(run):
    metrics = run / "metrics.jsonl"
    return len(metrics.read_text().splitlines()) if metrics.exists() else 0


def wait_until(condition, process, timeout=120):
    """Waits for `condition()`; fails if the process ends before, or time is up."""
    until = time.monotonic() + timeout
    while not condition():
        assert process.poll() is None, finish(process)
        assert time.monotonic() < until, "timed out"
        time.sleep(0.01)


def signal_and_time(process, number):
    """Sends the signal; returns the exit code, the errors, and the seconds it took."""
    began = time.monotonic()
    process.send_signal(number)
    code, _, errors = finish(process)
    return code, errors, time.monotonic() - began


def same_result(ours, theirs):
    """Whether two finished runs learned the same to the bit."""
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    results = [json.loads((run / "result.json").read_text()) for run in (ours, theirs)]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]


EXIT = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 143}
