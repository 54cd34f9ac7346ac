"""The loop: it learns, keeps the best, stops in time, repeats itself, and goes on where it was."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import optim
from jaxvision.train import (
    NonFiniteError,
    Progress,
    by_loss,
    evaluate,
    fit,
    fit_epochs,
    init_state,
    make_train_step,
    start,
)


def arguments(problem):
    return problem.train_step, problem.eval_step, problem.train_feed, problem.validation_feed


def copied(progress):
    return jax.tree.map(lambda x: x.copy(), progress)


def test_it_learns_real_digits(problem):
    state, history = fit(problem.state(), *arguments(problem), epochs=12)
    assert evaluate(state.variables, problem.eval_step, problem.test_feed)["accuracy"] > 0.95
    assert [record["epoch"] for record in history] == list(range(1, 13))
    assert history[-1]["train"]["loss"] < history[0]["train"]["loss"] / 5
    assert history[-1]["step"] == 12 * 20


def test_the_parameters_returned_are_those_of_the_best_epoch(problem):
    seen = {}
    for progress in fit_epochs(start(problem.state()), *arguments(problem), epochs=6):
        seen[progress.epoch] = jax.device_get(progress.state.params)
    scores = [(r["validation"]["accuracy"], -r["validation"]["loss"]) for r in progress.history]
    assert progress.best_epoch == 1 + max(range(6), key=lambda i: scores[i])
    chex.assert_trees_all_equal(progress.best["params"], seen[progress.best_epoch])


def test_fit_returns_the_best_and_not_the_last(problem, nine_epochs):
    seen = {}
    for progress in fit_epochs(start(problem.state()), *arguments(problem), epochs=5):
        seen[progress.epoch] = jax.device_get(progress.state.params)
    planned = dict(zip(nine_epochs, [0, 0, 1, 0, 0, 0, 0, 0, 0], strict=True))
    state, history = fit(
        problem.state(),
        *arguments(problem),
        epochs=5,
        score=lambda metrics: planned[metrics["loss"]],
    )
    chex.assert_trees_all_equal(state.params, seen[3])
    assert history == progress.history
    measured = evaluate(state.variables, problem.eval_step, problem.validation_feed)
    assert measured == history[2]["validation"]


def test_every_epoch_has_an_order_of_its_own(problem):
    class Noting:
        def __init__(self, feed):
            self.feed, self.epochs = feed, []

        def __getattr__(self, name):
            return getattr(self.feed, name)

        def pieces(self, epoch, first=0):
            self.epochs.append(epoch)
            return self.feed.pieces(epoch, first)

    feed = Noting(problem.train_feed)
    fit(
        problem.state(), problem.train_step, problem.eval_step, feed, problem.validation_feed,
        epochs=3,
    )  # fmt: skip
    assert feed.epochs == [0, 1, 2]


def test_what_one_starts_with_survives_a_failure(problem):
    before = jax.device_get(start(problem.state()).best)
    step = make_train_step(problem.model, optim.sgd(1e30), normalize=problem.normalization)
    state = init_state(problem.model, optim.sgd(1e30), jnp.zeros((1, 8, 8, 1)), jax.random.key(0))
    progress = start(state)
    with pytest.raises(NonFiniteError):
        list(fit_epochs(progress, step, *arguments(problem)[1:], epochs=1))
    chex.assert_trees_all_equal(progress.best, before)


@pytest.mark.parametrize(
    ("patience", "epochs", "best"), [(1, 2, 1), (2, 7, 5), (3, 8, 5), (None, 9, 5)]
)
def test_early_stopping_waits_for_patience_epochs_without_improvement(
    problem, nine_epochs, patience, epochs, best
):
    # The run repeats itself, so its losses tell its epochs apart: give each the score we want.
    planned = dict(zip(nine_epochs, [1, 0, 2, 1, 3, 0, 0, 3, 0], strict=True))
    *_, last = fit_epochs(
        start(problem.state()),
        *arguments(problem),
        epochs=9,
        patience=patience,
        score=lambda metrics: planned[metrics["loss"]],
    )
    assert (last.epoch, last.best_epoch) == (epochs, best)


@pytest.mark.parametrize("of_two", [False, True], ids=["number", "tuple"])
def test_a_score_that_is_nan_is_never_the_best(problem, nine_epochs, of_two):
    nan = float("nan")
    planned = dict(zip(nine_epochs, [nan, nan, -2, nan, -1, nan, -1, nan, -3], strict=True))
    best = []
    for progress in fit_epochs(
        start(problem.state()),
        *arguments(problem),
        epochs=9,
        score=lambda metrics: (0, planned[metrics["loss"]]) if of_two else planned[metrics["loss"]],
    ):
        best.append(progress.best_epoch)
    assert best == [1, 1, 3, 3, 5, 5, 5, 5, 5]


@pytest.fixture(scope="module")
def nine_epochs(problem):
    _, history = fit(problem.state(), *arguments(problem), epochs=9)
    return [record["validation"]["loss"] for record in history]


def test_the_same_seed_twice_gives_the_same_bits(problem):
    runs = [fit(problem.state(5), *arguments(problem), epochs=2) for _ in range(2)]
    chex.assert_trees_all_equal(runs[0][0].params, runs[1][0].params)
    assert runs[0][1] == runs[1][1]


def test_it_goes_on_from_any_epoch_as_if_it_had_never_stopped(problem):
    kept = []
    for progress in fit_epochs(start(problem.state()), *arguments(problem), epochs=4):
        kept.append(copied(progress))
    for middle in kept[:-1]:
        *_, last = fit_epochs(copied(middle), *arguments(problem), epochs=4)
        chex.assert_trees_all_equal(last.state.params, kept[-1].state.params)
        chex.assert_trees_all_equal(last.state.opt_state, kept[-1].state.opt_state)
        chex.assert_trees_all_equal(last.best, kept[-1].best)
        assert last.history == kept[-1].history and last.best_epoch == kept[-1].best_epoch
    assert list(fit_epochs(kept[-1], *arguments(problem), epochs=4)) == []


def test_the_score_decides_what_best_means(problem):
    for progress in fit_epochs(
        start(problem.state()), *arguments(problem), epochs=5, score=by_loss
    ):
        losses = [record["validation"]["loss"] for record in progress.history]
        assert progress.best_epoch == 1 + int(np.argmin(losses))


def test_when_due_the_progress_is_yielded_in_the_midst_of_an_epoch(problem):
    *_, whole = fit_epochs(start(problem.state()), *arguments(problem), epochs=3)
    yielded = []
    for progress in fit_epochs(
        start(problem.state()), *arguments(problem), epochs=3, due=lambda: True
    ):
        yielded.append((progress.epoch, progress.steps))
        assert progress.state.step == progress.epoch * 20 + progress.steps
        assert (progress.totals == {}) == (progress.steps == 0)
    assert yielded[0] == (0, 1) and yielded[-1] == (3, 0) and len(yielded) > 6
    chex.assert_trees_all_equal(progress.state.params, whole.state.params)
    assert progress.history == whole.history and progress.best_epoch == whole.best_epoch


@pytest.mark.parametrize("moment", [1, 2, 3, 5, 8, 13, 21])
def test_stopped_anywhere_it_goes_on_as_if_it_had_never_stopped(problem, moment):
    """The stop is asked after every program and every batch of an evaluation; stop at the n-th."""
    *_, whole = fit_epochs(start(problem.state()), *arguments(problem), epochs=3)
    asked = iter(range(1, 10_000))
    *_, stopped = fit_epochs(
        start(problem.state()), *arguments(problem), epochs=3, stop=lambda: next(asked) >= moment
    )
    *_, last = fit_epochs(copied(stopped), *arguments(problem), epochs=3)
    chex.assert_trees_all_equal(last.state.params, whole.state.params)
    chex.assert_trees_all_equal(last.best, whole.best)
    assert last.history == whole.history and last.best_epoch == whole.best_epoch


def test_steps_left_out_are_in_the_history_and_counted_over_epochs(problem):
    def loss(logits, batch):
        return jnp.where(batch["epoch"] > 0, jnp.nan, logits[:, 0])

    step = make_train_step(problem.model, problem.optimizer, loss)
    epochs = fit_epochs(
        start(problem.state()), step, *arguments(problem)[1:], epochs=3, max_skipped=25
    )
    first, second = (next(epochs).history[-1] for _ in range(2))
    assert (first["skipped"], second["skipped"]) == (0, 20)
    assert np.isnan(second["train"]["loss"])
    with pytest.raises(NonFiniteError, match="at step 45 and the 24 before"):
        next(epochs)


def test_the_observer_hears_of_every_step_of_every_epoch(problem):
    heard = []
    for _ in fit_epochs(
        start(problem.state()),
        *arguments(problem),
        epochs=2,
        observe=lambda steps, waited: heard.append(steps),
    ):
        pass
    assert sum(heard) == 2 * 20 and heard.count(0) == 2


def test_progress_begins_with_nothing_made(problem):
    progress = start(problem.state())
    assert isinstance(progress, Progress)
    assert (progress.epoch, progress.best_epoch, progress.history) == (0, 0, ())
    assert (progress.steps, progress.totals, progress.skipped) == (0, {}, 0)


@pytest.mark.parametrize(
    "setting",
    [{"epochs": 0}, {"epochs": 3, "patience": 0}, {"epochs": 3, "max_skipped": 0}],
)
def test_errors_name_the_setting(problem, setting):
    name = list(setting)[-1]
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 1, got 0"):
        next(fit_epochs(start(problem.state()), *arguments(problem), **setting))
