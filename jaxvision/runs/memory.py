"""Says what to do when the device's memory does not suffice."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def memory_explained(batch_size: int, image_shape: tuple[int, ...]) -> Iterator[None]:
    """Turns XLA's RESOURCE_EXHAUSTED into what was asked for, and the ways to need less.

    Raises:
        MemoryError: in its place.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:  # ValueError: while a cache is read
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        found = re.search(r"(\d+) bytes", str(error))
        asked = f"{int(found.group(1)) / 1e9:,.1f} GB were asked for at once" if found else "full"
        height, width, channels = image_shape
        raise MemoryError(
            f"the device's memory does not suffice: {asked}, for batches of {batch_size} "
            f"images of {height} x {width} x {channels}. Choose a smaller --batch-size or "
            "--image-size, or go through a batch in parts: --accumulate; or --remat where the "
            "network has it. What was saved is as it was"
        ) from error
