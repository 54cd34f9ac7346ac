"""Feeds: every example exactly once an epoch, in an order that nothing but the seed decides."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.data.batches import ResidentFeed, batches_of, load_resident, open_feed
from jaxvision.data.order import epoch_order
from jaxvision.data.sources import ArraySource
from jaxvision.data.streaming import StreamingFeed

N, BATCH = 23, 5


@pytest.fixture(scope="module")
def source():
    images = np.arange(N * 12, dtype=np.uint8).reshape(N, 2, 2, 3)
    return ArraySource(images, np.arange(N) % 3)


def feeds(source, seed):
    return (
        ResidentFeed(load_resident(source), BATCH, seed=seed, described_by=source),
        StreamingFeed(source, BATCH, seed=seed, threads=3),
    )


def batches(feed, epoch, first=0):
    """The batches of an epoch, as the training loop makes them of the pieces."""
    return [
        jax.device_get(feed.gather(feed.data, jax.tree.map(lambda x, i=i: x[i], handles)))
        for handles, offset, steps in feed.pieces(epoch, first)
        for i in range(steps.start - offset, steps.stop - offset)
    ]


@settings(deadline=None)
@given(n=st.integers(1, 300), data=st.data(), seed=st.none() | st.integers(0, 2**40))
def test_an_order_holds_every_example_once_and_fills_up_with_masked_ones(n, data, seed):
    batch_size = data.draw(st.integers(1, n))
    rows, mask = epoch_order(n, batch_size, seed, epoch=data.draw(st.integers(0, 1000)))
    assert rows.shape == mask.shape == (-(-n // batch_size), batch_size)
    np.testing.assert_array_equal(np.sort(rows[mask]), np.arange(n))
    assert mask[:-1].all()
    assert ((rows >= 0) & (rows < n)).all()  # the filling is of real examples


def test_the_batches_one_by_one_are_those_of_the_order(source):
    rows, mask = epoch_order(N, BATCH, 3, epoch=2)
    for feed in feeds(source, 3):
        found = list(batches_of(feed, 2))
        assert len(found) == feed.steps == len(rows)
        for batch, own, real in zip(found, rows, mask, strict=True):
            assert batch["image"].dtype == np.uint8
            np.testing.assert_array_equal(batch["image"], [source[i]["image"] for i in own])
            np.testing.assert_array_equal(batch["mask"], real)


def test_an_order_depends_on_seed_and_epoch_and_on_nothing_else():
    orders = {
        (seed, epoch): epoch_order(100, 10, seed, epoch)[0].tobytes()
        for seed, epoch in itertools.product(range(3), range(3))
    }
    assert len(set(orders.values())) == 9
    assert orders[2, 1] == epoch_order(100, 10, 2, 1)[0].tobytes()
    np.testing.assert_array_equal(epoch_order(7, 7, None, 5)[0], [np.arange(7)])


@pytest.mark.parametrize("seed", [None, 4])
def test_streaming_gives_the_same_batches_as_resident(source, seed):
    resident, streaming = feeds(source, seed)
    for epoch in (0, 1):
        pairs = list(zip(batches(resident, epoch), batches(streaming, epoch), strict=True))
        assert len(pairs) == resident.steps == streaming.steps == 5
        for ours, theirs in pairs:
            assert ours.keys() == theirs.keys() == {"image", "label", "mask", "row", "epoch"}
            for name in ours:
                np.testing.assert_array_equal(ours[name], theirs[name])
                assert ours[name].dtype == theirs[name].dtype


def test_a_batch_holds_the_rows_of_the_order(source):
    rows, mask = epoch_order(N, BATCH, 4, 2)
    for i, batch in enumerate(batches(feeds(source, 4)[0], 2)):
        np.testing.assert_array_equal(batch["image"], source.images[rows[i]])
        np.testing.assert_array_equal(batch["label"], source.labels[rows[i]])
        np.testing.assert_array_equal(batch["mask"], mask[i])
        assert batch["image"].dtype == np.uint8 and batch["label"].dtype == np.int32


@pytest.mark.parametrize("kind", [0, 1])
def test_a_batch_says_which_rows_it_holds_and_in_which_epoch(source, kind):
    for epoch in (0, 3):
        rows, _ = epoch_order(N, BATCH, 4, epoch)
        for i, batch in enumerate(batches(feeds(source, 4)[kind], epoch)):
            np.testing.assert_array_equal(batch["row"], rows[i])
            np.testing.assert_array_equal(batch["epoch"], np.full(BATCH, epoch))


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("seed", [None, 4])
def test_an_epoch_is_gone_on_with_at_any_step(source, seed, kind):
    feed = feeds(source, seed)[kind]
    whole = batches(feed, 2)
    for first in range(feed.steps + 1):
        rest = batches(feed, 2, first)
        assert len(rest) == feed.steps - first
        for ours, theirs in zip(rest, whole[first:], strict=True):
            for name in ours:
                np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("kind", [0, 1])
def test_pieces_have_the_shapes_that_a_program_is_compiled_for(source, kind):
    feed = feeds(source, 1)[kind]
    for handles, *_ in feed.pieces(0):
        assert handles.keys() == feed.piece_shapes().keys()
        for name, shape in feed.piece_shapes().items():
            assert (handles[name].shape, handles[name].dtype) == (shape.shape, shape.dtype), name


def test_data_reach_the_device_by_explicit_transfers_only(source):
    with jax.transfer_guard("disallow"):
        for feed in feeds(source, 1):
            gather = jax.jit(lambda data, handles, feed=feed: feed.gather(data, first_of(handles)))
            for handles, *_ in feed.pieces(0):
                gather(feed.data, handles)


def first_of(handles):
    return jax.tree.map(lambda x: x[0], handles)


def test_auto_streams_what_is_too_large(source, monkeypatch):
    assert isinstance(open_feed(source, BATCH, seed=None), ResidentFeed)
    monkeypatch.setattr("jaxvision.data.batches.RESIDENT_BYTES", N * 12 - 1)
    assert isinstance(open_feed(source, BATCH, seed=None), StreamingFeed)
    assert isinstance(open_feed(source, BATCH, seed=None, kind="resident"), ResidentFeed)


@pytest.mark.parametrize("batch_size", [0, N + 1])
def test_a_batch_larger_than_the_data_is_refused(source, batch_size):
    message = rf"`batch_size` must be in \[1, {N}\], the number of examples, got {batch_size}"
    for kind in ("resident", "streaming"):
        with pytest.raises(ValueError, match=message):
            open_feed(source, batch_size, seed=None, kind=kind)


class Ragged(ArraySource):
    def __getitem__(self, i):
        example = super().__getitem__(i)
        return example | {"image": example["image"][: 1 + (int(i) != 3)]}


@pytest.mark.parametrize("kind", ["resident", "streaming"])
def test_images_of_different_shapes_are_named(source, kind):
    with pytest.raises(ValueError, match=r"the first is \(2, 2, 3\) and number 3 is \(1, 2, 3\)"):
        feed = open_feed(Ragged(source.images, source.labels), BATCH, seed=None, kind=kind)
        batches(feed, 0)


class Broken(ArraySource):
    def __getitem__(self, i):
        if i == 7:
            raise ValueError("image seven is broken")
        return super().__getitem__(i)


@pytest.mark.parametrize("kind", ["resident", "streaming"])
def test_an_error_of_the_source_comes_through(source, kind):
    with pytest.raises(ValueError, match="image seven is broken"):
        feed = open_feed(Broken(source.images, source.labels), BATCH, seed=None, kind=kind)
        batches(feed, 0)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_batch_is_described_by_its_real_examples(source, kind):
    feed = feeds(source, None)[kind]
    assert feed.describe(0, 0) == "item 0, item 1, item 2 and 2 others"
    assert feed.describe(0, 4) == "item 20, item 21, item 22"  # and two rows of filling


@pytest.mark.parametrize("kind", [0, 1])
def test_pieces_say_which_steps_they_are_for(source, kind):
    pieces = list(feeds(source, 2)[kind].pieces(1, 2))
    assert [step for piece in pieces for step in piece.steps] == [2, 3, 4]
    assert all(piece.offset <= piece.steps.start for piece in pieces)
