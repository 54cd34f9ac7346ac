"""From a source to batches on the device: resident for what fits in memory, streaming for the rest.

A batch is

    image  uint8 [b, h, w, c]
    label  int32 [b]
    ...    whatever else an item has, as the boxes of `jaxvision.data.padded`
    mask   bool [b]     False for filling: the last batch of an epoch is filled up to size b with
                        examples from the epoch's beginning. So nothing is dropped, nothing counts
                        twice, no shape changes, and batch statistics see real images only
    row    int32 [b]    which example of the source
    epoch  int32 [b]    the epoch, from 0

Both feeds follow the same order (`data.order`), so they give the same batches. They also have the
same interface, `Feed`: `pieces` yields something small, stacked for some steps, and `gather` turns
what belongs to one step into its batch *inside* the compiled program. For resident data that is the
row numbers, which `gather` looks up; for streamed data it is the batch itself.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Array, PyTree

from jaxvision.data.order import epoch_order, steps_of
from jaxvision.data.placement import Placement
from jaxvision.data.sources import Examples, describe_items, read_items

Batch = dict[str, Array]

RESIDENT_BYTES = 2_000_000_000
SMALL_IMAGE_BYTES = 10_000


class Piece(NamedTuple):
    """What some steps of an epoch need."""

    handles: PyTree  # arrays with a leading axis of steps
    offset: int  # the step that the first row of them is for
    steps: range  # those that are to be made


@runtime_checkable
class Feed(Protocol):
    """What the training loop needs to know of data."""

    examples: int  # n
    batch_size: int  # b
    steps: int  # batches an epoch
    data: PyTree  # arrays that stay on the device; an argument of the program, not a constant in it
    replicated: NamedSharding | None  # how arrays lie that every device of the mesh has

    def pieces(self, epoch: int, first: int = 0) -> Iterator[Piece]:
        """The steps of `epoch` (from 0) from the `first` on, some at a time."""
        ...

    def piece_shapes(self) -> PyTree:
        """The shapes of a piece's arrays."""
        ...

    def gather(self, data: PyTree, handle: PyTree) -> Batch:
        """The batch of one step of a piece; traced into the program."""
        ...

    def replicate(self, tree: PyTree) -> PyTree:
        """Host arrays, on every device of the mesh."""
        ...

    def describe(self, epoch: int, step: int) -> str:
        """The names of the examples in a batch, for a message."""
        ...

    def close(self) -> None:
        """Ends whatever reads ahead; it begins anew when a batch is asked for."""
        ...


def open_feed(
    source: Examples,
    batch_size: int,
    *,
    seed: int | None,
    kind: Literal["auto", "resident", "streaming"] = "auto",
    mesh: Mesh | None = None,
    workers: int = 0,
    times: int = 1,
) -> Feed:
    """A feed of `source`; `auto` is resident if its pixels take at most `RESIDENT_BYTES`.

    Args:
        source: the examples.
        batch_size: b, in [1, n].
        seed: of the order; None keeps the source's order in every epoch.
        kind: which of the two.
        mesh: the devices that each batch is split over; None for the one default device.
        workers: of a streaming feed, see there.
        times: how often each example is in an epoch; more than once if it is another window each
            time. n is then so many times larger.

    Raises:
        ValueError: if `batch_size` is out of range or no multiple of the mesh's devices.
    """
    from jaxvision.data.streaming import StreamingFeed  # which takes the contract from above

    if kind == "auto":
        size = len(source) * source[0]["image"].size
        kind = "resident" if size <= RESIDENT_BYTES else "streaming"
    if kind == "streaming":
        source = source if times == 1 else _Repeated(source, times)
        return StreamingFeed(source, batch_size, seed=seed, mesh=mesh, workers=workers)
    return ResidentFeed(
        load_resident(source), batch_size, seed=seed, mesh=mesh, described_by=source, times=times
    )


def batches_of(feed: Feed, epoch: int = 0) -> Iterator[Batch]:
    """The batches of an epoch, one by one: to look at one, or for a loop of one's own.

    `train.TrainEpoch` and `train.fit` make theirs inside the compiled program, which is faster.

    Args:
        feed: of `open_feed`.
        epoch: from 0; it decides the order, if the feed has a seed.

    Yields:
        As the module says; of a mesh, split over its devices.
    """
    for handles, offset, steps in feed.pieces(epoch):
        for step in steps:
            row = step - offset
            yield feed.gather(feed.data, jax.tree.map(lambda x, row=row: x[row], handles))


def load_resident(source: Examples) -> dict[str, np.ndarray]:
    """All of a source as arrays, {"image": uint8 [n, h, w, c], "label": int32 [n], ...}.

    Raises:
        ValueError: if the images differ in shape.
    """
    first = source[0]
    arrays = {
        name: np.empty((len(source), *shape), kind)
        for name, (shape, kind) in item_types(first).items()
    }

    def load(indices: range) -> None:
        for i, item in zip(indices, read_items(source, indices), strict=True):
            check_shape(item["image"], i, first["image"].shape)
            for name, array in arrays.items():
                array[i] = item[name]

    # Photographs are decoded outside Python's lock; for a 28 x 28 digit the lock is all there is,
    # and threads that wait for it take longer than one (60,000 digits: 2.4 s, with eight 4.7 s).
    threads = os.cpu_count() if first["image"].nbytes > SMALL_IMAGE_BYTES else 1
    with ThreadPoolExecutor(threads) as pool:
        chunks = (range(len(source))[i : i + 256] for i in range(0, len(source), 256))
        for _ in pool.map(load, chunks):
            pass  # raises here what a thread raised
    return arrays


def item_types(item: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of each of an item's arrays; whole numbers become int32."""
    types = {}
    for name, value in item.items():
        array = np.asarray(value)
        kind = np.dtype(np.int32) if array.dtype == np.int64 else array.dtype
        types[name] = array.shape, kind
    return types


class ResidentFeed:
    """The whole data set as arrays on the device; the compiled step gathers its own rows."""

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        batch_size: int,
        *,
        seed: int | None,
        mesh: Mesh | None = None,
        described_by: Examples | None = None,
        times: int = 1,
    ):
        """Copies `arrays` (`load_resident`) to the device; of a mesh, to each of its devices.

        Args:
            arrays: "image" [n, h, w, c], and others [n, ...], as "label" [n].
            batch_size: as for `open_feed`.
            seed: as for `open_feed`.
            mesh: as for `open_feed`.
            times: as for `open_feed`.
            described_by: the source that they are from, to name an example by.

        Raises:
            ValueError: as `open_feed`.
        """
        self._own = len(arrays["image"])
        self.examples, self.batch_size, self.seed = times * self._own, batch_size, seed
        self._source, self._placement = described_by, Placement(mesh)
        check_batch_size(self.examples, batch_size, self._placement)
        self.steps = steps_of(self.examples, batch_size)
        self.replicated, self.replicate = self._placement.whole, self._placement.replicate
        self.data = self.replicate(arrays)

    def pieces(self, epoch: int, first: int = 0) -> Iterator[Piece]:
        rows, mask = epoch_order(self.examples, self.batch_size, self.seed, epoch)
        handles = {"row": rows, "mask": mask, "epoch": np.full_like(rows, epoch)}
        yield Piece(self._placement.split(handles), 0, range(first, self.steps))

    def piece_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        shape = (self.steps, self.batch_size)
        kinds = {"row": np.int32, "mask": np.bool_, "epoch": np.int32}
        return {name: self._placement.shape(shape, kind) for name, kind in kinds.items()}

    def gather(self, data: dict[str, Array], handle: dict[str, Array]) -> Batch:
        rows = handle["row"] if self.examples == self._own else handle["row"] % self._own
        return {name: jnp.take(a, rows, axis=0) for name, a in data.items()} | handle

    def describe(self, epoch: int, step: int) -> str:
        rows, mask = epoch_order(self.examples, self.batch_size, self.seed, epoch)
        return describe_items(self._source, rows[step][mask[step]] % self._own)

    def close(self) -> None:
        """There is nothing to end."""


class _Repeated:
    """`source` so many times over."""

    def __init__(self, source: Examples, times: int):
        self.source, self.times = source, times

    def __len__(self) -> int:
        return self.times * len(self.source)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.source[i % len(self.source)]

    def describe(self, i: int) -> str:
        return describe_items(self.source, [i % len(self.source)])


def check_shape(image: np.ndarray, i: int, first: tuple[int, ...]) -> None:
    """Raises ValueError if image number `i` has not the shape of the first."""
    if image.shape != first:
        raise ValueError(
            f"images must all have one shape, but the first is {first} and number {i} is "
            f"{image.shape}: bring them to one size (`Fitted`, or `--image-size`)."
        )


def check_batch_size(examples: int, batch_size: int, placement: Placement) -> None:
    """Raises ValueError if there are not so many examples, or the devices cannot share them."""
    if not 1 <= batch_size <= examples:
        raise ValueError(
            f"`batch_size` must be in [1, {examples}], the number of examples, got {batch_size}."
        )
    placement.check(batch_size)
