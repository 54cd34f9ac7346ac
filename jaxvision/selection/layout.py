"""How the lanes of a sweep are laid out over the hardware: the one place that decides it.

A lane is a training, and all lanes run one program. What is fast depends on the machine:

accelerators    All lanes are one batch (`vmap`): one lane alone leaves most of the chip idle. Of
                several devices each has its part of the lanes. Where memory does not suffice for
                all, they go in chunks; the compiled program says how much it takes.

CPU             A lane is a program of its own, and as many run at once as there are cores, each in
                a thread. A batch of lanes would turn convolutions into grouped ones, which are slow
                there, and one lane alone does not keep two cores busy: `benchmarks/sweep.py`.
"""

import math
import os
from typing import NamedTuple

import jax


class Layout(NamedTuple):
    """What runs at once.

    Attributes:
        width: lanes a program.
        devices: over which they are spread; divides the width.
        threads: programs at once.
    """

    width: int
    devices: int
    threads: int


def choose_layout(lanes: int, chunk: int | None) -> Layout:
    """The layout for so many lanes, if memory suffices.

    Args:
        lanes: how many there are.
        chunk: at most so many lanes a program, as the user wants it; None to choose.

    Raises:
        ValueError: if `chunk` is less than 1, or cannot be spread over the devices.
    """
    if chunk is not None and chunk < 1:
        raise ValueError(f"`chunk` must be at least 1, got {chunk}.")
    devices = jax.local_device_count()
    if chunk is None and jax.default_backend() == "cpu":
        chunk = devices
    width = lanes if chunk is None else min(chunk, lanes)
    if devices > 1:
        width = -(-width // devices) * devices
    threads = cores() if jax.default_backend() == "cpu" and width == devices == 1 else 1
    return Layout(width, devices, min(threads, lanes))


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_left() -> float:
    """Bytes of a device that are free; infinite where the platform does not say."""
    statistics = jax.local_devices()[0].memory_stats()
    if not statistics or "bytes_limit" not in statistics:
        return math.inf
    return 0.9 * (statistics["bytes_limit"] - statistics["bytes_in_use"])  # some is fragmented


def narrower(layout: Layout, needed: int, available: float) -> Layout | None:
    """A layout whose program should fit, of one that takes `needed` bytes where there are
    `available`; None if this one fits."""
    if needed <= available or layout.width == layout.devices:
        return None
    lanes_a_device = max(1, int(layout.width // layout.devices * available / needed))
    return layout._replace(width=lanes_a_device * layout.devices)
