"""Examples read and decoded while the device computes, for what does not fit on it.

Threads read ahead by default: decoding happens outside Python's lock. Worker processes are for what
does not, as transformations in Python; on few cores they lose, and each takes seconds to start.

Reading goes on over the end of an epoch into the next: no epoch begins with a wait. What is read
when is a pure function of (seed, epoch, step), so there is no state to save, and any number of
threads, workers and processes gives the same batches.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from jaxvision.data.batches import Batch, Piece, check_batch_size, check_shape, item_types
from jaxvision.data.order import epoch_order, steps_of
from jaxvision.data.placement import Placement
from jaxvision.data.sources import Examples, describe_items

BATCHES_AHEAD = 4
OWN = {"mask": np.bool_, "row": np.int32, "epoch": np.int32}  # what the feed adds to an item
EPOCHS = 1_000_000  # more than will be asked for: the reading never ends of itself


class StreamingFeed:
    """See the module; the interface is `jaxvision.data.batches.Feed`."""

    data = ()

    def __init__(
        self,
        source: Examples,
        batch_size: int,
        *,
        seed: int | None,
        mesh: Mesh | None = None,
        threads: int = 8,
        workers: int = 0,
    ):
        """Args:
            source: the examples; with workers, something that can be pickled.
            batch_size: as for `open_feed`.
            seed: as for `open_feed`.
            mesh: as for `open_feed`. Of several processes, each reads the examples of its own
                devices only.
            threads: that read ahead, up to four batches; with workers, in each of them.
            workers: processes to read in; 0 to read in this one.

        Raises:
            ValueError: as `open_feed`; if `threads` or `workers` is out of range.
        """
        if threads < 1 or workers < 0:
            raise ValueError(
                f"`threads` must be at least 1 and `workers` at least 0, got {threads} and "
                f"{workers}."
            )
        self.examples, self.batch_size, self.seed = len(source), batch_size, seed
        self._placement, self._source = Placement(mesh), source
        check_batch_size(self.examples, batch_size, self._placement)
        self.steps = steps_of(self.examples, batch_size)
        self.replicated, self.replicate = self._placement.whole, self._placement.replicate
        self.threads, self.workers = threads, workers
        own = list(self._placement.own_rows(batch_size))
        self._order = _Order(self.examples, batch_size, seed, own)
        self._types = item_types(source[0])
        self._batches: Iterator | None = None
        self._next = 0  # the number of the batch that comes next from it, over all epochs

    def pieces(self, epoch: int, first: int = 0) -> Iterator[Piece]:
        wanted = epoch * self.steps + first
        for step in range(first, self.steps):
            if self._batches is None or self._next != wanted:
                self._begin_at(wanted)
            batch = next(self._batches)
            self._next = wanted = wanted + 1
            if self.seed is None and step == self.steps - 1:  # whoever evaluates begins anew
                self.close()
            rows, mask = self._order.own(epoch, step)
            batch = {
                **{
                    name: batch[name].astype(kind, copy=False)
                    for name, (_, kind) in self._types.items()
                },
                "mask": mask,
                "row": rows,
                "epoch": np.full_like(rows, epoch),
            }
            stacked = {name: x[None] for name, x in batch.items()}
            placed = self._placement.split_own(stacked, self.batch_size)
            yield Piece(placed, step, range(step, step + 1))

    def piece_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        types = {
            **self._types,
            **{name: ((), np.dtype(kind)) for name, kind in OWN.items()},
        }
        shapes = {
            name: ((1, self.batch_size, *shape), kind) for name, (shape, kind) in types.items()
        }
        return {name: self._placement.shape(*shape) for name, shape in shapes.items()}

    def gather(self, data: tuple, handle: dict[str, Array]) -> Batch:
        del data
        return handle

    def describe(self, epoch: int, step: int) -> str:
        rows, mask = self._order.of(epoch)
        return describe_items(self._source, rows[step][mask[step]])

    def close(self) -> None:
        """Ends the reading ahead, and the workers."""
        if self._batches is not None:
            self._batches.close()
        self._batches = None

    def _begin_at(self, batch: int) -> None:
        import grain

        self.close()
        examples = grain.MapDataset.source(
            _Examples(
                self._source, self._order, self._types["image"][0], batch * len(self._order.places)
            )
        )
        own = len(self._order.places)
        if self.workers:
            _let_absl_be()
            read_ahead = grain.ReadOptions(num_threads=self.threads, prefetch_buffer_size=2)
            batches = examples.batch(own).to_iter_dataset(read_ahead)
            options = grain.MultiprocessingOptions(num_workers=self.workers)
            batches = batches.mp_prefetch(options, worker_init_fn=_Worker(os.getpid()))
        else:
            read_ahead = grain.ReadOptions(
                num_threads=self.threads, prefetch_buffer_size=BATCHES_AHEAD * own
            )
            batches = examples.to_iter_dataset(read_ahead).batch(own)
        self._batches, self._next = iter(batches), batch


class _Order:
    """The order of all epochs, and in it the places that this process reads."""

    def __init__(self, examples: int, batch_size: int, seed: int | None, places: Sequence[int]):
        self.arguments, self.places = (examples, batch_size, seed), places

    def of(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        return _cached_order(*self.arguments, 0 if self.arguments[2] is None else epoch)

    def own(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        rows, mask = self.of(epoch)
        return rows[step][self.places], mask[step][self.places]


_cached_order = lru_cache(maxsize=8)(epoch_order)


class _Examples:
    """The examples of this process in the order of reading, from batch to batch and epoch to epoch.

    Random access, as grain wants it.
    """

    def __init__(self, source: Examples, order: _Order, shape: tuple[int, ...], start: int):
        self.source, self.order, self.shape, self.start = source, order, shape, start
        self.steps = steps_of(*order.arguments[:2])

    def __len__(self) -> int:
        return EPOCHS * self.steps * len(self.order.places)

    def __getitem__(self, i: int) -> dict[str, Any]:
        batch, place = divmod(self.start + int(i), len(self.order.places))
        epoch, step = divmod(batch, self.steps)
        row = int(self.order.own(epoch, step)[0][place])
        item = self.source[row]
        check_shape(item["image"], row, self.shape)
        return dict(item)


class _Worker:
    """What a worker process does first: it outlives no trainer, and leaves signals to it."""

    def __init__(self, trainer: int):
        self.trainer = trainer

    def __call__(self, index: int, count: int) -> None:
        del index, count
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while os.getppid() == self.trainer:
            time.sleep(1)
        os._exit(1)


def _let_absl_be() -> None:
    """grain's workers read absl's flags, which only programs that absl started have parsed."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
