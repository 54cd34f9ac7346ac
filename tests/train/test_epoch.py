"""An epoch as scan and as loop: equal; no recompilation, no hidden transfer, no NaN unseen."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import optim
from jaxvision.data.batches import ResidentFeed, StreamingFeed, load_resident
from jaxvision.data.sources import ArraySource, digits
from jaxvision.models import LeNet5
from jaxvision.train import init_state, make_train_step
from jaxvision.train.epoch import (
    NonFiniteError,
    make_eval_epoch,
    make_train_epoch,
    prefers_scan,
    sum_totals,
)


def test_scan_and_loop_give_equal_results(problem):
    results = []
    for scan in (True, False):
        state, totals = make_train_epoch(problem.train_step, problem.train_feed, scan=scan)(
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
        return make_train_epoch(step, feed, scan=scan)(state, 0)[0].params

    chex.assert_trees_all_close(run(True), run(False), rtol=1e-4, atol=1e-6)


def test_a_scan_is_for_resident_data_on_an_accelerator(problem, monkeypatch):
    streaming = StreamingFeed(digits()["train"], 64, seed=0)
    assert not prefers_scan(problem.train_feed)  # these tests run on the CPU
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert prefers_scan(problem.train_feed)
    assert not prefers_scan(streaming)


@pytest.mark.parametrize("scan", [True, False])
def test_nothing_recompiles_after_the_first_epoch_and_nothing_is_transferred_unasked(problem, scan):
    traces = []

    def counted(state, batch):
        traces.append(batch["image"].shape)
        return problem.train_step(state, batch)

    train_epoch = make_train_epoch(counted, problem.train_feed, scan=scan)
    eval_epoch = make_eval_epoch(problem.eval_step, problem.validation_feed)
    state = problem.state()
    compilations = []
    with jax.transfer_guard("disallow"):
        for epoch in range(3):
            state, _ = train_epoch(state, epoch)
            eval_epoch(state.variables)
            compilations.append(len(traces))
    assert compilations == [1, 1, 1]  # the short last batch of 42 included


def test_evaluation_counts_every_example_once(problem):
    # Trained a little, so that it is right about most of the filling of the last batch.
    train_epoch = make_train_epoch(problem.train_step, problem.train_feed)
    variables = train_epoch(problem.state(), 0)[0].variables
    totals, logits = make_eval_epoch(problem.eval_step, problem.test_feed)(variables)
    labels = np.asarray(problem.test_feed.data["label"])
    assert totals["count"] == len(logits) == len(labels) == 359
    assert totals["accuracy"] == np.sum(np.argmax(logits, axis=1) == labels)
    whole, _ = problem.model.apply(
        variables, problem.normalization(problem.test_feed.data["image"]), train=False
    )
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scan", [True, False])
def test_a_loss_that_is_not_finite_stops_and_names_the_first_bad_step(problem, scan):
    def loss(logits, batch):
        # Step 7 of the run is the eighth; a real number afterwards does not hide it.
        return jnp.where(batch["mask"] & (jnp.any(batch["label"] == -1)), jnp.nan, logits[:, 0])

    arrays = jax.device_get(problem.train_feed.data)
    feed = ResidentFeed(arrays, 64, seed=0)
    rows = feed.stacked_handles(0)["rows"]
    feed.data = {**feed.data, "label": feed.data["label"].at[rows[7, 3]].set(-1)}
    step = make_train_step(problem.model, problem.optimizer, loss)
    with pytest.raises(NonFiniteError, match=r"the loss is nan at step 8.*smaller learning rate"):
        make_train_epoch(step, feed, scan=scan)(problem.state(), 0)


def test_totals_add_up_in_double_precision():
    totals = [{"loss": np.float32(0.1)}] * 10_000
    assert abs(sum_totals(totals)["loss"] - 10_000 * np.float64(np.float32(0.1))) < 1e-9
    assert sum_totals({"loss": np.array([1.0, 2.0])}) == {"loss": 3.0}
