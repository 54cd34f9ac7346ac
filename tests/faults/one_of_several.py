"""One of several processes of a computation, that save and restore a state together.

python -m tests.faults.one_of_several FOLDER PORT COUNT NUMBER
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxvision.checkpoint.checkpoint import (
    CheckpointError,
    NonFiniteStateError,
    restore_checkpoint,
    save_checkpoint,
)
from jaxvision.checkpoint.writer import CheckpointWriter
from jaxvision.train.fit import Progress
from jaxvision.train.state import TrainState


def values(step: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = [step, *name.encode()]
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def progress_at(step: int, *, layout: str = "split", fault: float = 0.0) -> Progress:
    """A state whose kernel is split over all devices, by rows or by columns, or on each whole."""
    mesh = jax.make_mesh((jax.device_count(),), ("devices",))
    rows = {"split": PartitionSpec("devices"), "columns": PartitionSpec(None, "devices")}

    def place(name, shape, spec):
        host = values(step, name, shape)
        host[-1:] += fault if name == "kernel" else 0
        return jax.make_array_from_callback(shape, NamedSharding(mesh, spec), lambda i: host[i])

    params = {
        "kernel": place("kernel", (8, 16), rows.get(layout, PartitionSpec())),
        "bias": place("bias", (16,), PartitionSpec()),
        "own": jnp.asarray(values(step, "own", (3,))),  # on this process' device alone
    }
    state = TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats={},
        opt_state=(place("momentum", (8, 16), PartitionSpec()),),
        key=jax.random.key(step),
    )
    return Progress(state=state, best={"bias": params["bias"]}, totals={"loss": step / 3})


def check(progress: Progress, step: int) -> None:
    assert int(progress.state.step) == step and progress.totals == {"loss": step / 3}
    arrays = {**progress.state.params, "momentum": progress.state.opt_state[0]}
    for name, x in arrays.items():
        expected = values(step, name, x.shape)
        for shard in x.addressable_shards:
            np.testing.assert_array_equal(np.asarray(shard.data), expected[shard.index])
    assert jnp.array_equal(
        jax.random.key_data(progress.state.key), jax.random.key_data(jax.random.key(step))
    )


def main(folder: Path, number: int) -> None:
    assert restore_checkpoint(folder, progress_at(0)) == (None, [])
    for step in (1, 2, 3):
        save_checkpoint(folder, progress_at(step), identity={"step": step})
    with CheckpointWriter(folder) as writer:
        writer.save(progress_at(4))
    assert writer.last_saved == 4
    for layout in ("split", "columns", "whole"):
        restored, refused = restore_checkpoint(folder, progress_at(0, layout=layout))
        check(restored, 4)
        assert refused == []
        like = progress_at(0, layout=layout).state.params["kernel"]
        assert restored.state.params["kernel"].sharding == like.sharding

    # The fault is in the last row, which the last process alone holds: all refuse.
    try:
        save_checkpoint(folder, progress_at(5, fault=np.nan))
    except NonFiniteStateError as error:
        print("not finite:", error, flush=True)
    else:
        raise AssertionError("a NaN was saved")

    # One process cannot write: all say so, and go on.
    from jaxvision.checkpoint import snapshot

    real = snapshot.arrays.write
    if number == 1:

        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        snapshot.arrays.write = full
    try:
        save_checkpoint(folder, progress_at(6))
    except CheckpointError as error:
        print("cannot:", error, flush=True)
    snapshot.arrays.write = real
    save_checkpoint(folder, progress_at(7))

    # The first finds the newest damaged; the others follow it to the one before.
    if number == 0:
        (folder / "00000007" / "MANIFEST.json").write_text("{")
    restored, refused = restore_checkpoint(folder, progress_at(0))
    check(restored, 4)
    assert len(refused) == (number == 0)
    print("done", flush=True)


if __name__ == "__main__":
    place, port, count, number = sys.argv[1:]
    jax.distributed.initialize(f"localhost:{port}", int(count), int(number))
    main(Path(place), int(number))
