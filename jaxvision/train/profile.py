"""A trace of some steps, for Perfetto (ui.perfetto.dev) or TensorBoard's profile plugin."""

from pathlib import Path
from typing import Any

import jax

STEPS = 10  # at least so many; then the trace is written


class Profile:
    """Traces the first steps after it is entered: host threads, device kernels, transfers."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._steps, self._tracing = 0, False

    def __enter__(self) -> "Profile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def steps(self, count: int) -> None:
        """Told before the first step (0), and after each program of steps."""
        if self._steps == count == 0 and not self._tracing:
            jax.profiler.start_trace(self.folder)
            self._tracing = True
        self._steps += count
        if self._steps >= STEPS:
            self._stop()

    def epoch(self, record: dict[str, Any], figures: dict[str, float]) -> None:
        pass

    def _stop(self) -> None:
        if self._tracing:
            jax.profiler.stop_trace()
            self._tracing = False
