"""From a source to batches on the device: resident for what fits in memory, streaming for the rest.

A batch is {"image": uint8 [b, h, w, c], "label": int32 [b], "mask": bool [b]}. The last batch of an
epoch is filled up to size b with examples from the epoch's beginning, and `mask` is False on these:
nothing is dropped, nothing counts twice, no shape changes, and batch statistics see real images
only.

Both feeds follow the same order, a pure function of (seed, epoch), so they give the same batches.
They also have the same interface (`Feed`): `handles(epoch)` yields something small a step, and
`gather(data, handle)` turns it into the batch *inside* the compiled program. For resident data a
handle is the row numbers and `gather` looks them up; for streamed data it is the batch itself.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PyTree

from jaxvision.data.sources import Item, Source, read_items

Batch = dict[str, Array]

RESIDENT_BYTES = 2_000_000_000
SMALL_IMAGE_BYTES = 10_000


@runtime_checkable
class Feed(Protocol):
    """What the training loop needs to know of data."""

    examples: int  # n
    batch_size: int  # b
    steps: int  # batches an epoch
    data: PyTree  # arrays that stay on the device; an argument of the program, not a constant in it
    resident: bool  # whether a whole epoch's handles are small enough to hand over at once

    def handles(self, epoch: int) -> Iterator[PyTree]:
        """One handle a step, on the device, in the order of `epoch` (counted from 0)."""
        ...

    def gather(self, data: PyTree, handle: PyTree) -> Batch:
        """The batch that `handle` stands for; traced into the step."""
        ...


def steps_of(examples: int, batch_size: int) -> int:
    """Batches an epoch, the short last one included."""
    return -(-examples // batch_size)


def epoch_order(
    examples: int, batch_size: int, seed: int | None, epoch: int
) -> tuple[Int[np.ndarray, "steps b"], Bool[np.ndarray, "steps b"]]:
    """Which row goes where in an epoch, and which is no mere filling; no seed keeps the order.

    A pure function of its arguments: the same on every machine, for any number of workers or
    devices.
    """
    if seed is None:
        order = np.arange(examples)
    else:
        order = np.random.default_rng((seed, epoch)).permutation(examples)
    steps = steps_of(examples, batch_size)
    rows = np.resize(order, steps * batch_size).astype(np.int32)  # repeats from the beginning
    mask = np.arange(steps * batch_size) < examples
    return rows.reshape(steps, batch_size), mask.reshape(steps, batch_size)


def open_feed(
    source: Source,
    batch_size: int,
    *,
    seed: int | None,
    kind: Literal["auto", "resident", "streaming"] = "auto",
) -> Feed:
    """A feed of `source`; `auto` is resident if its pixels take at most `RESIDENT_BYTES`."""
    if kind == "auto":
        size = len(source) * source[0]["image"].size
        kind = "resident" if size <= RESIDENT_BYTES else "streaming"
    if kind == "resident":
        return ResidentFeed(load_resident(source), batch_size, seed=seed)
    return StreamingFeed(source, batch_size, seed=seed)


def load_resident(source: Source) -> dict[str, np.ndarray]:
    """All of a source as two arrays, {"image": uint8 [n, h, w, c], "label": int32 [n]}.

    Raises:
        ValueError: if the images differ in shape.
    """
    images = np.empty((len(source), *source[0]["image"].shape), np.uint8)

    def load(indices: range) -> None:
        for i, item in zip(indices, read_items(source, indices), strict=True):
            _check_shape(item["image"], i, images.shape[1:])
            images[i] = item["image"]

    # Photographs are decoded outside Python's lock; for a 28 x 28 digit the lock is all there is,
    # and threads that wait for it take longer than one (60,000 digits: 2.4 s, with eight 4.7 s).
    threads = os.cpu_count() if images[0].nbytes > SMALL_IMAGE_BYTES else 1
    with ThreadPoolExecutor(threads) as pool:
        chunks = (range(len(source))[i : i + 256] for i in range(0, len(source), 256))
        for _ in pool.map(load, chunks):
            pass  # raises here what a thread raised
    return {"image": images, "label": np.asarray(source.labels, np.int32)}


class ResidentFeed:
    """The whole data set as arrays on the device; the compiled step gathers its own rows."""

    resident = True

    def __init__(self, arrays: dict[str, np.ndarray], batch_size: int, *, seed: int | None):
        """Copies `arrays` (`load_resident`) to the device.

        Args:
            arrays: "image" [n, h, w, c] and "label" [n].
            batch_size: b, in [1, n].
            seed: of the order; None keeps the source's order in every epoch.

        Raises:
            ValueError: if `batch_size` is out of range.
        """
        self.examples, self.batch_size, self.seed = len(arrays["label"]), batch_size, seed
        _check_batch_size(self.examples, batch_size)
        self.steps = steps_of(self.examples, batch_size)
        self.data = jax.device_put(arrays)

    def handles(self, epoch: int) -> Iterator[dict[str, Array]]:
        rows, mask = epoch_order(self.examples, self.batch_size, self.seed, epoch)
        for i in range(len(rows)):
            yield jax.device_put({"rows": rows[i], "mask": mask[i]})

    def stacked_handles(self, epoch: int) -> dict[str, Array]:
        """All of an epoch's handles as one pytree with a leading axis of steps, for `lax.scan`."""
        rows, mask = epoch_order(self.examples, self.batch_size, self.seed, epoch)
        return jax.device_put({"rows": rows, "mask": mask})

    def gather(self, data: dict[str, Array], handle: dict[str, Array]) -> Batch:
        batch = {name: jnp.take(a, handle["rows"], axis=0) for name, a in data.items()}
        return batch | {"mask": handle["mask"]}


class StreamingFeed:
    """Examples read and decoded by threads while the device computes, for what does not fit."""

    resident = False
    data: PyTree = ()

    def __init__(self, source: Source, batch_size: int, *, seed: int | None, threads: int = 8):
        """See `ResidentFeed`; `threads` read ahead, up to `4 * batch_size` examples.

        Raises:
            ValueError: if `batch_size` is out of range.
        """
        self.source, self.threads = source, threads
        self.examples, self.batch_size, self.seed = len(source), batch_size, seed
        _check_batch_size(self.examples, batch_size)
        self.steps = steps_of(self.examples, batch_size)
        self.shape = source[0]["image"].shape

    def handles(self, epoch: int) -> Iterator[Batch]:
        import grain

        rows, mask = epoch_order(self.examples, self.batch_size, self.seed, epoch)
        examples = grain.MapDataset.source(rows.ravel()).map(self._read)
        read_ahead = grain.ReadOptions(
            num_threads=self.threads, prefetch_buffer_size=4 * self.batch_size
        )
        batches = examples.to_iter_dataset(read_ahead).batch(self.batch_size, drop_remainder=True)
        waiting = None
        for step, batch in enumerate(batches):
            # One batch is on its way to the device while the one before it is being computed.
            batch = {"image": batch["image"], "label": batch["label"].astype(np.int32)}
            arriving = jax.device_put(batch | {"mask": mask[step]})
            if waiting is not None:
                yield waiting
            waiting = arriving
        yield waiting

    def gather(self, data: PyTree, handle: Batch) -> Batch:
        del data
        return handle

    def _read(self, row: np.integer) -> Item:
        item = self.source[int(row)]
        _check_shape(item["image"], int(row), self.shape)
        return item


def _check_shape(image: np.ndarray, i: int, first: tuple[int, ...]) -> None:
    if image.shape != first:
        raise ValueError(
            f"images must all have one shape, but the first is {first} and number {i} is "
            f"{image.shape}: bring them to one size (`Fitted`, or `--image-size`)."
        )


def _check_batch_size(examples: int, batch_size: int) -> None:
    if not 1 <= batch_size <= examples:
        raise ValueError(
            f"`batch_size` must be in [1, {examples}], the number of examples, got {batch_size}."
        )
