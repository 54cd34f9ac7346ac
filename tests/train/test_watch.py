"""What a run says of its speed: by a clock that the test moves."""

import io

import pytest
from rich.console import Console

from jaxvision.train import watch as module
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress
from jaxvision.train.state import TrainState
from jaxvision.train.watch import Watch, describe_speed, memory_in_use

TOTALS = {"loss": 1.0, "accuracy": 0.5}


class Feed:
    steps, batch_size = 10, 32


class Noting:
    def __init__(self):
        self.heard = []

    def steps(self, count):
        self.heard.append(count)

    def epoch(self, record, figures):
        self.heard.append((record["epoch"], round(figures["images_per_second"])))


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(module.time, "monotonic", lambda: Clock.now)
    return Clock


def progress_after(epoch):
    record = {"epoch": epoch, "skipped": 0, "train": TOTALS, "validation": TOTALS}
    state = TrainState(step=0, params={}, batch_stats={}, opt_state=(), key=None)
    return Progress(state=state, best={}, best_epoch=1, history=(record,) * epoch)


def test_speed_and_waiting_are_those_of_the_steps_of_the_epoch(clock):
    console, log = Console(file=io.StringIO(), width=200), Noting()
    with Watch(Display(console), Feed, 2, progress_after(0), [log]) as watch:
        for epoch in (1, 2):
            clock.now += 50  # an evaluation, a checkpoint
            watch.steps(0, 0.0)
            for _ in range(10):
                clock.now += 0.5 * epoch
                watch.steps(1, 0.1 * epoch)
            figures = watch.figures()
            assert figures["images_per_second"] == pytest.approx(64 / epoch)
            assert figures["waiting_share"] == pytest.approx(0.2)
            watch.epoch(progress_after(epoch))
    lines = console.file.getvalue().splitlines()
    assert "64 images/s" in lines[0] and "32 images/s" in lines[1]
    assert all(line.endswith("waiting 20%") for line in lines)
    assert log.heard == [0, *[1] * 10, (1, 64), 0, *[1] * 10, (2, 32)]


def test_where_nothing_is_waited_for_nothing_is_said_of_it():
    figures = {"images_per_second": 1234.5, "waiting_share": 0.004, "memory_bytes": 2.5e9}
    assert describe_speed(figures) == "  1,234 images/s"


def test_the_memory_of_this_process_is_some_hundred_megabytes():
    assert 5e7 < memory_in_use() < 2e10
