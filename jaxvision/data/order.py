"""Which example goes where in an epoch: a pure function of (seed, epoch).

The same on every machine, for any number of threads, workers, processes or devices. So a position
in the data is two numbers, the epoch and the step, and nothing else is to be remembered.
"""

import numpy as np
from jaxtyping import Bool, Int


def steps_of(examples: int, batch_size: int) -> int:
    """Batches an epoch, the short last one included.

    >>> steps_of(examples=1000, batch_size=64)
    16
    """
    return -(-examples // batch_size)


def epoch_order(
    examples: int, batch_size: int, seed: int | None, epoch: int
) -> tuple[Int[np.ndarray, "steps b"], Bool[np.ndarray, "steps b"]]:
    """Which row goes where in an epoch, and which is no mere filling; no seed keeps the order."""
    if seed is None:
        order = np.arange(examples)
    else:
        order = np.random.default_rng((seed, epoch)).permutation(examples)
    steps = steps_of(examples, batch_size)
    rows = np.resize(order, steps * batch_size).astype(np.int32)  # repeats from the beginning
    mask = np.arange(steps * batch_size) < examples
    return rows.reshape(steps, batch_size), mask.reshape(steps, batch_size)
