"""Search, choose, train again, test once: each by itself, and the test set untouched before."""

import chex
import jax
import numpy as np
import pytest

from jaxvision.data.batches import ResidentFeed, load_resident
from jaxvision.data.folds import Folds
from jaxvision.data.sources import digits
from jaxvision.data.views import Subset
from jaxvision.selection.procedure import (
    all_rows,
    choose,
    epochs_to_train,
    measure_once,
    retrain,
    select_model,
)
from jaxvision.selection.spaces import grid
from jaxvision.selection.sweep import sweep
from jaxvision.train import fit_epochs, start
from tests.selection.small import BATCH, make_plan, make_run

CANDIDATES = grid({"learning_rate": (1e-4, 0.05, 0.2), "decay": (0.9,)})
TEST = load_resident(Subset(digits()["train"], np.arange(200, 300)))


@pytest.fixture(scope="module")
def search():
    return sweep(make_plan(), CANDIDATES, seeds=(3, 4))


def test_the_whole_procedure_is_its_parts_and_looks_at_the_test_set_last(search):
    opened = []

    def open_test():
        opened.append(len(opened))
        return TEST

    plan = make_plan()
    selection = select_model(plan, CANDIDATES, open_test, seeds=(3, 4))
    assert opened == [0]
    assert selection.search == search and selection.chosen == choose(search)
    assert selection.epochs == epochs_to_train(search, selection.chosen)
    again = retrain(plan, selection.chosen.hyperparameters, selection.epochs, 3)
    assert again.history == selection.retrained.history
    assert selection.test == measure_once(
        plan, selection.chosen.hyperparameters, again, lambda: TEST
    )
    assert selection.test["accuracy"] > 0.75
    assert selection.chosen.candidate in (1, 2)


def test_the_last_training_is_that_of_all_examples(search):
    plan = make_plan()
    assert all_rows(plan).tolist() == list(range(200))
    retrained = retrain(plan, CANDIDATES[1], 5, seed=3)
    feed = ResidentFeed(plan.data, BATCH, seed=3)
    job = make_run(CANDIDATES[1], plan.epochs * feed.steps)
    # The rate falls as if all of the plan's epochs were to come.
    *_, last = fit_epochs(
        start(job.init(jax.random.key(3))), job.train_step, job.eval_step, feed, feed, epochs=5
    )
    assert retrained.history == tuple(record["train"] for record in last.history)
    chex.assert_trees_all_equal(retrained.variables, last.state.variables)


def test_the_epochs_are_the_median_of_the_best(search):
    best = [lane.best_epoch for lane in search.candidates[2]]
    assert epochs_to_train(search, choose(search)._replace(candidate=2)) == round(np.median(best))


def test_rows_outside_the_folds_are_not_learned_from():
    plan = make_plan()
    few = Folds(plan.folds.train[:, :60], plan.folds.validation[:, :20])
    rows = all_rows(type(plan)(make_run, plan.data, few, epochs=1, batch_size=5))
    assert set(rows) == set(np.unique(np.concatenate([few.train.ravel(), few.validation.ravel()])))
    assert -1 not in rows and len(rows) < 200


def test_the_one_standard_error_rule_may_take_another(search):
    simple = choose(search, simplicity=lambda h: -h["learning_rate"])
    best = choose(search)
    assert simple.mean >= best.mean - best.standard_error
    assert simple.hyperparameters["learning_rate"] <= best.hyperparameters["learning_rate"]


@pytest.mark.parametrize("epochs", [0, 9])
def test_more_epochs_than_the_schedule_has_are_refused(epochs):
    with pytest.raises(
        ValueError, match=rf"`epochs` must be in \[1, 8\], the plan's, got {epochs}"
    ):
        retrain(make_plan(), CANDIDATES[0], epochs, seed=0)
