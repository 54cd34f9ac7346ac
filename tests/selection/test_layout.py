"""What decides how lanes are laid out: the platform, the devices, and memory."""

import math

import jax
import pytest

from jaxvision.selection import layout as module
from jaxvision.selection.halving import Halving, rounds, survivors
from jaxvision.selection.layout import Layout, choose_layout, narrower


@pytest.fixture
def machine(monkeypatch):
    def be(backend, devices, cores=2):
        monkeypatch.setattr(jax, "default_backend", lambda: backend)
        monkeypatch.setattr(jax, "local_device_count", lambda: devices)
        monkeypatch.setattr(module, "cores", lambda: cores)

    return be


@pytest.mark.parametrize(
    ("backend", "devices", "lanes", "chunk", "expected"),
    [
        ("cpu", 1, 32, None, Layout(1, 1, 2)),
        ("cpu", 1, 1, None, Layout(1, 1, 1)),  # not more threads than lanes
        ("cpu", 1, 32, 8, Layout(8, 1, 1)),
        ("cpu", 4, 32, None, Layout(4, 4, 1)),
        ("cpu", 4, 32, 6, Layout(8, 4, 1)),  # as many on each device
        ("gpu", 1, 32, None, Layout(32, 1, 1)),
        ("gpu", 1, 32, 100, Layout(32, 1, 1)),
        ("gpu", 1, 32, 10, Layout(10, 1, 1)),
        ("gpu", 8, 30, None, Layout(32, 8, 1)),
    ],
)
def test_the_layout(machine, backend, devices, lanes, chunk, expected):
    machine(backend, devices)
    assert choose_layout(lanes, chunk) == expected


def test_what_does_not_fit_into_memory_is_made_narrower_until_it_does():
    assert narrower(Layout(32, 1, 1), needed=100, available=100.0) is None
    assert narrower(Layout(32, 1, 1), needed=100, available=math.inf) is None
    assert narrower(Layout(32, 1, 1), needed=100, available=50.0) == Layout(16, 1, 1)
    assert narrower(Layout(32, 8, 1), needed=100, available=60.0) == Layout(16, 8, 1)
    # However little there is, a lane a device is tried; and it always becomes narrower.
    assert narrower(Layout(32, 1, 1), needed=100, available=1.0) == Layout(1, 1, 1)
    assert narrower(Layout(8, 8, 1), needed=100, available=1.0) is None
    assert narrower(Layout(2, 1, 1), needed=100, available=99.0) == Layout(1, 1, 1)


@pytest.mark.parametrize(
    ("epochs", "halving", "ends"),
    [
        (10, None, [10]),
        (10, Halving(1), [1, 2, 4, 8, 10]),
        (9, Halving(1, 3), [1, 3, 9]),
        (4, Halving(4), [4]),
        (3, Halving(5), [3]),
    ],
)
def test_rounds_of_halving(epochs, halving, ends):
    assert rounds(epochs, halving) == ends


def test_the_better_ones_go_on_and_at_least_one():
    scores = {4: (0.5, 0.0), 7: (0.9, -1.0), 8: (0.9, -0.5), 9: (-math.inf,)}
    assert survivors(scores, Halving(1, 2)) == {7, 8}
    assert survivors(scores, Halving(1, 3)) == {7, 8}
    assert survivors(scores, Halving(1, 4)) == {8}
    assert survivors({3: (0.1,)}, Halving(1, 2)) == {3}
    assert survivors({5: (0.5,), 2: (0.5,), 1: (0.5,)}, Halving(1, 3)) == {5}  # of equals the first
