"""What a checkpoint costs, and what of it is for safety: the sums, the flushing, the check.

    python -m benchmarks.checkpoint [FOLDER]

Networks with the state of Adam and their best variables, saved into FOLDER (a temporary one if none
is given); medians of alternating rounds. "unsafe" is the total without sums and flushing, which go
on at once; "waits" is what the training waits for `CheckpointWriter`; "orbax" is Orbax by itself,
without sums.
"""

import functools
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxvision import optim
from jaxvision.checkpoint import snapshot
from jaxvision.checkpoint import tensors as arrays
from jaxvision.checkpoint.checkpoint import restore_checkpoint, save_checkpoint
from jaxvision.checkpoint.snapshot import take_snapshot
from jaxvision.checkpoint.tensors import describe, flatten
from jaxvision.models import make_model
from jaxvision.train import init_state, start

NETWORKS = {"lenet5": (32, 1, 21), "cifar_resnet20": (32, 3, 11), "resnet50": (64, 3, 7)}
PARTS = {"write": (arrays, "write"), "sums": (snapshot, "write_sums"), "flush": (snapshot, "flush")}
CHECK = {"finite": (snapshot, "check_finite")}


def timed(seconds: dict[str, float], name: str, function):
    """`function`, whose time is added to `seconds[name]`."""

    @functools.wraps(function)
    def wrapper(*arguments, **options):
        begun = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - begun

    return wrapper


def progress_of(name: str, size: int, channels: int):
    model = make_model(name, num_classes=10)
    image = jnp.zeros((1, size, size, channels))
    return start(init_state(model, optim.adam(1e-3), image, jax.random.key(0)))


def orbax(folder: Path, progress) -> None:
    """Orbax by itself, with all its defaults."""
    from orbax.checkpoint import v1 as ocp

    ocp.save(
        folder / "orbax", arrays.raw(flatten({"best": progress.best, "state": progress.state}))
    )
    shutil.rmtree(folder / "orbax")


def save_unsafely(folder: Path, progress) -> None:
    """Without sums, and without waiting for the disk."""
    real = snapshot.write_sums, snapshot.flush
    snapshot.write_sums = snapshot.flush = lambda _: None
    try:
        save_checkpoint(folder / "unsafe", progress)
    finally:
        snapshot.write_sums, snapshot.flush = real


def measure(folder: Path, progress, rounds: int) -> dict[str, float]:
    """Medians in seconds."""
    seen: list[dict[str, float]] = []
    for _ in range(rounds + 1):  # the first warms up
        seconds: dict[str, float] = {}
        steps = {
            "total": lambda: save_checkpoint(folder, progress),
            "unsafe": lambda: save_unsafely(folder, progress),
            "waits": lambda: take_snapshot(progress, None, copy=True),
            "restore": lambda: jax.block_until_ready(restore_checkpoint(folder, progress)[0]),
            "orbax": lambda: orbax(folder, progress),
        }
        real = {part: getattr(*where) for part, where in (PARTS | CHECK).items()}
        for step, action in steps.items():
            for part, (module, attribute) in (PARTS | CHECK).items() if step == "total" else ():
                setattr(module, attribute, timed(seconds, part, real[part]))
            timed(seconds, step, action)()
            for part, (module, attribute) in (PARTS | CHECK).items():
                setattr(module, attribute, real[part])
        shutil.rmtree(folder)
        folder.mkdir()
        seen.append(seconds)
    return {name: statistics.median(each[name] for each in seen[1:]) for name in seen[0]}


def main(place: Path) -> None:
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores; milliseconds")
    columns = ("total", "unsafe", "write", "sums", "flush", "finite", "waits", "restore", "orbax")
    print(
        f"{'':16}{'MB':>7}{'arrays':>8}", *(f"{name:>9}" for name in columns), "   s/GB for safety"
    )
    for name, (size, channels, rounds) in NETWORKS.items():
        progress = progress_of(name, size, channels)
        tensors = arrays.raw(flatten({"best": progress.best, "state": progress.state}))
        gigabytes = sum(x.nbytes for x in tensors.values()) / 1e9
        folder = place / name
        folder.mkdir()
        seconds = measure(folder, progress, rounds)
        safety = (seconds["total"] - seconds["unsafe"]) / gigabytes
        cells = " ".join(f"{1000 * seconds[column]:9.1f}" for column in columns)
        print(f"{name:16}{1000 * gigabytes:7.1f}{len(describe(tensors)):8} {cells} {safety:10.2f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as folder:
        main(Path(folder).resolve())
