"""What the processes of one computation must agree on; with a single process, all of it is free.

JAX gives each host of a cluster a process of its own, and they run the same program. What one of
them alone decides from the file system (is it there? is it whole?) the others take from it.
"""

import os

import jax
import numpy as np

HEARTBEAT_SECONDS = 30  # after so long without a sign of life a process is taken for dead
JOIN_SECONDS = 300


def several() -> bool:
    """Whether this is one of several processes."""
    # Asked in this order, because process_count starts a device, which a forked writer must not.
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Whether this process is the one that decides, and that writes what is written once."""
    return not several() or jax.process_index() == 0


def agree(number: int) -> int:
    """The first process' number; all processes must ask, and none goes on before that one has."""
    if not several():
        return number
    from jax.experimental import multihost_utils

    # As four bytes each: a 64-bit number would be cut in half on its way through the devices.
    halves = np.array(divmod(number, 2**31), np.int32)
    high, low = np.asarray(multihost_utils.broadcast_one_to_all(halves))
    return int(high) * 2**31 + int(low)


def gather(number: int) -> list[int]:
    """The small number of each process; none goes on before all have given theirs."""
    if not several():
        return [number]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(np.int32(number))).ravel().tolist()


def join(coordinator: str | None, count: int | None, number: int | None) -> None:
    """Makes this process one of `count`; call it before anything else of JAX.

    Args:
        coordinator: HOST:PORT of the first process; None to find all three by the cluster's own
            environment (SLURM, GKE, Cloud TPU).

    Raises:
        RuntimeError: if they do not find each other.
    """
    jax.distributed.initialize(
        coordinator,
        count,
        number,
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        shutdown_timeout_seconds=HEARTBEAT_SECONDS,
        initialization_timeout=JOIN_SECONDS,
    )


def leave(code: int) -> None:
    """Ends this process at once after an error, if it is one of several.

    Python's own end would wait for the others at JAX's last barrier, and they for this one.
    """
    if several():
        os._exit(code)
