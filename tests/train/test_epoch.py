"""An epoch as scan and as loop: equal; no recompilation, no hidden transfer, no NaN unseen."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import optim
from jaxvision.data.batches import ResidentFeed, load_resident
from jaxvision.data.sources import ArraySource
from jaxvision.models import LeNet5
from jaxvision.ops.platform import slow_in_loops
from jaxvision.train import init_state, make_train_step
from jaxvision.train.epoch import EvalEpoch, NonFiniteError, TrainEpoch, add_totals


def test_scan_and_loop_give_equal_results(problem):
    results = []
    for scan in (True, False):
        state, totals = TrainEpoch(problem.train_step, problem.train_feed, scan=scan)(
            problem.state(), 1
        )
        assert totals["loss"].shape == (20,) and state.step == 20
        assert totals["count"].sum() == 1258
        results.append((jax.device_get(state.params), totals))
    # The same sums in another order: float32 rounding, through 20 steps of Adam.
    chex.assert_trees_all_close(*(params for params, _ in results), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(*(totals["loss"] for _, totals in results), rtol=1e-4)


def test_scan_and_loop_give_equal_results_with_convolutions():
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 1), np.uint8)
    source = ArraySource(images, np.arange(12) % 3)
    feed = ResidentFeed(load_resident(source), 4, seed=0)
    model, optimizer = LeNet5(3), optim.sgd(0.01)
    step = make_train_step(model, optimizer, normalize=lambda x: x / 255 - 0.5)

    def run(scan):
        state = init_state(model, optimizer, jnp.zeros((1, 16, 16, 1)), jax.random.key(0))
        return TrainEpoch(step, feed, scan=scan)(state, 0)[0].params

    chex.assert_trees_all_close(run(True), run(False), rtol=1e-4, atol=1e-6)


class Users(nn.Module):
    """A network with the convolutions of Flax."""

    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(10)(nn.Conv(4, (3, 3))(images).mean(axis=(1, 2))), {}


def test_a_loop_on_the_device_is_for_steps_that_are_fast_in_it(problem):
    def chosen(model):
        optimizer = optim.sgd(0.1)
        epoch = TrainEpoch(make_train_step(model, optimizer), problem.train_feed)
        epoch.lower(init_state(model, optimizer, jnp.zeros((1, 8, 8, 1)), jax.random.key(0)))
        return epoch.scan

    assert chosen(problem.model)
    assert not chosen(Users())  # these tests run on the CPU
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxvision.ops.platform.jax.default_backend", lambda: "gpu")
        assert not slow_in_loops(lambda x: x, 0.0)


@pytest.mark.parametrize("scan", [True, False])
@pytest.mark.parametrize("moments", [[0], [1], list(range(20))])
def test_an_epoch_in_parts_is_the_epoch_to_the_bit(problem, scan, moments):
    train_epoch = TrainEpoch(problem.train_step, problem.train_feed, scan=scan)
    whole, totals = train_epoch(problem.state(), 2)
    state, parts, made = problem.state(), [], 0
    while made < 20:
        asked = iter(range(20))  # how many programs an epoch has is a matter of time
        state, some = train_epoch(state, 2, made, pause=lambda asked=asked: next(asked) in moments)
        parts.append(some)
        made += len(some["loss"])
        assert state.step == made
    assert len(parts) > 1
    chex.assert_trees_all_equal(state.params, whole.params)
    chex.assert_trees_all_equal(state.opt_state, whole.opt_state)
    for name in totals:
        np.testing.assert_array_equal(np.concatenate([one[name] for one in parts]), totals[name])


def test_the_observer_hears_of_every_step(problem):
    heard = []
    train_epoch = TrainEpoch(problem.train_step, problem.train_feed)
    train_epoch(problem.state(), 0, 3, observe=lambda steps, waited: heard.append((steps, waited)))
    assert heard[0] == (0, 0.0)
    assert sum(steps for steps, _ in heard) == 17
    assert all(waited >= 0 for _, waited in heard)


def test_an_evaluation_can_be_stopped(problem):
    eval_epoch = EvalEpoch(problem.eval_step, problem.validation_feed)
    answers = iter([False, True])
    assert eval_epoch(problem.state().variables, lambda: next(answers)) is None


@pytest.mark.parametrize("scan", [True, False])
def test_nothing_recompiles_after_the_first_epoch_and_nothing_is_transferred_unasked(problem, scan):
    traces = []

    def counted(state, batch):
        traces.append(batch["image"].shape)
        return problem.train_step(state, batch)

    train_epoch = TrainEpoch(counted, problem.train_feed, scan=scan)
    eval_epoch = EvalEpoch(problem.eval_step, problem.validation_feed)
    state = problem.state()
    compilations = []
    with jax.transfer_guard("disallow"):
        for epoch in range(3):
            state, _ = train_epoch(state, epoch)
            eval_epoch(state.variables)
            compilations.append(len(traces))
    # Traced once to choose between loop and step, and once for the program; both in the first
    # epoch, the short last batch of 42 included.
    assert compilations == [compilations[0]] * 3


def test_evaluation_counts_every_example_once(problem):
    # Trained a little, so that it is right about most of the filling of the last batch.
    train_epoch = TrainEpoch(problem.train_step, problem.train_feed)
    variables = train_epoch(problem.state(), 0)[0].variables
    totals, logits = EvalEpoch(problem.eval_step, problem.test_feed)(variables)
    labels = np.asarray(problem.test_feed.data["label"])
    assert totals["count"] == len(logits) == len(labels) == 359
    assert totals["accuracy"] == np.sum(np.argmax(logits, axis=1) == labels)
    whole, _ = problem.model.apply(
        variables, problem.normalization(problem.test_feed.data["image"]), train=False
    )
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)


def spoiled(problem, steps, scan=None, **options):
    """An epoch that meets a NaN in these steps; a real number afterwards does not hide it."""
    feed = ResidentFeed(jax.device_get(problem.train_feed.data), 64, seed=0)
    ((handles, *_),) = feed.pieces(0)
    for step in steps:
        row = handles["row"][step, 3]
        feed.data = {**feed.data, "label": feed.data["label"].at[row].set(-1)}
    train_step = make_train_step(problem.model, problem.optimizer, normalize=problem.normalization)
    return TrainEpoch(train_step, feed, scan=scan)(problem.state(), 0, **options)


@pytest.mark.parametrize("scan", [True, False])
def test_steps_that_are_not_finite_are_left_out(problem, scan):
    state, totals = spoiled(problem, [7, 9], scan)
    np.testing.assert_array_equal(np.flatnonzero(totals["skipped"]), [7, 9])
    assert totals["count"][7] == totals["loss"][7] == totals["accuracy"][9] == 0
    assert np.isfinite(totals["loss"]).all() and state.step == 20
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


@pytest.mark.parametrize("scan", [True, False])
def test_too_many_in_a_row_stop_and_the_last_is_named(problem, scan):
    rows = "item \\d+, item \\d+, item \\d+ and 61 others"
    with pytest.raises(
        NonFiniteError, match=rf"not finite at step 9 and the 2 before.*rate.*batch was {rows}"
    ):
        spoiled(problem, [3, 4, 6, 7, 8], scan, max_skipped=3)
    with pytest.raises(NonFiniteError) as caught:
        spoiled(problem, [3, 4, 6, 7, 8], scan, max_skipped=3)
    assert caught.value.batch == problem.train_feed.describe(0, 8)


def test_those_of_the_epoch_before_are_counted_in(problem):
    with pytest.raises(NonFiniteError, match="at step 2 and the 2 before"):
        spoiled(problem, [0, 1], skipped=1, max_skipped=3)
    spoiled(problem, [1, 2], skipped=1, max_skipped=3)  # not in a row with step 0


def test_totals_add_up_in_double_precision_and_in_order():
    totals = {"loss": np.full(10_000, 0.1, np.float32)}
    assert abs(add_totals({}, totals)["loss"] - 10_000 * np.float64(np.float32(0.1))) < 1e-9
    losses = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    whole = add_totals({}, {"loss": losses})
    for middle in (1, 17, 500):
        first = add_totals({}, {"loss": losses[:middle]})
        assert add_totals(first, {"loss": losses[middle:]}) == whole
