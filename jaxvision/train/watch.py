"""How fast a run is: images a second, what part of the time it waits for data, memory."""

import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

from jaxvision.train.display import Display
from jaxvision.train.fit import Progress


@runtime_checkable
class Log(Protocol):
    """Anything else that wants to know."""

    def steps(self, count: int) -> None: ...

    def epoch(self, record: dict[str, Any], figures: dict[str, float]) -> None: ...


class Watch:
    """Moves the bar, shows a line an epoch, and tells the logs."""

    def __init__(
        self,
        display: Display,
        feed: Any,
        epochs: int,
        progress: Progress,
        logs: Sequence[Log] = (),
    ):
        """Args: the training feed; how many epochs there will be; where the run begins."""
        self.display, self.feed, self.epochs, self.logs = display, feed, epochs, logs
        made = progress.epoch * feed.steps + progress.steps
        self._bar = display.bar(epochs * feed.steps, made)
        self._last, self._seconds, self._waited, self._steps = 0.0, 0.0, 0.0, 0

    def __enter__(self) -> "Watch":
        self._bar.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.__exit__(*exception)

    def steps(self, count: int, waited: float) -> None:
        """An `Observe` of the loop."""
        now = time.monotonic()
        if count:
            self._seconds += now - self._last
            self._waited += waited
            self._steps += count
            figures = self.figures()
            memory = f"{figures['memory_bytes'] / 1e9:.1f} GB"
            self._bar.advance(count, f"{describe_speed(figures)}  {memory}")
        self._last = now
        for log in self.logs:
            log.steps(count)

    def figures(self) -> dict[str, float]:
        """Of the epoch so far: evaluation and saving are not counted in."""
        seconds = max(self._seconds, 1e-9)
        return {
            "images_per_second": self._steps * self.feed.batch_size / seconds,
            "waiting_share": min(self._waited / seconds, 1.0),
            "memory_bytes": float(memory_in_use()),
        }

    def epoch(self, progress: Progress) -> None:
        """Shows the epoch that has just ended, and begins to count anew."""
        record, figures = progress.history[-1], self.figures()
        speed = describe_speed(figures) if self._steps else ""
        best = progress.best_epoch == progress.epoch
        self.display.epoch(record, self.epochs, best=best, speed=speed)
        for log in self.logs:
            log.epoch(record, figures)
        self._seconds, self._waited, self._steps = 0.0, 0.0, 0


def describe_speed(figures: dict[str, float]) -> str:
    """In a few words; waiting only where there is any."""
    waiting = figures["waiting_share"]
    return (
        f"{figures['images_per_second']:7,.0f} images/s"
        f"{f'  waiting {waiting:.0%}' if waiting >= 0.01 else ''}"
    )


def memory_in_use() -> int:
    """Bytes of the first device; of the process where the device is the CPU."""
    stats = jax.local_devices()[0].memory_stats()
    if stats is not None:
        return stats["bytes_in_use"]
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the most so far
