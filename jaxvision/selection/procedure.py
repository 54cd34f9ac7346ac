"""Choosing a model as it ought to be done: search, choose, train again on all, test once.

    candidates -> score on validation examples -> choose -> train on train + validation -> test

Whatever is chosen by a set of examples looks better on them than it is. So the candidates are
compared on examples that none of them has learned from, and what is chosen is measured on others
again, once, when nothing is left to be chosen (Hastie, Tibshirani & Friedman, "The Elements of
Statistical Learning", 2nd edition 2009, sections 7.2 and 7.10.2). Until then the test set is not
here: a function opens it.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, PyTree

from jaxvision.data.batches import ResidentFeed
from jaxvision.data.folds import FILLING
from jaxvision.selection.hyperparameters import Hyperparameters
from jaxvision.selection.plan import EVAL_BATCH, Plan
from jaxvision.selection.results import SweepResult
from jaxvision.selection.scores import CandidateScore, best_candidate, simplest_candidate
from jaxvision.selection.spaces import Candidate
from jaxvision.selection.sweep import sweep
from jaxvision.train.epoch import TrainEpoch, add_totals
from jaxvision.train.fit import evaluate
from jaxvision.train.step import means


class Retrained(NamedTuple):
    """The chosen model, of all examples but the test's.

    Attributes:
        variables: what it learned.
        history: the training metrics of each epoch.
    """

    variables: PyTree
    history: tuple[dict[str, float], ...]


class Selection(NamedTuple):
    """What was chosen, why, and what it is worth.

    Attributes:
        search: every training of every candidate.
        chosen: the candidate, with its mean and standard error.
        epochs: that it was trained again for.
        retrained: what came out.
        test: the metrics on the test set.
    """

    search: SweepResult
    chosen: CandidateScore
    epochs: int
    retrained: Retrained
    test: dict[str, float]


def select_model(
    plan: Plan,
    candidates: Sequence[Candidate],
    open_test: Callable[[], Mapping[str, np.ndarray]],
    *,
    metric: str = "accuracy",
    simplicity: Callable[[dict[str, Any]], float] | None = None,
    seeds: Sequence[int] = (0,),
    **options: Any,
) -> Selection:
    """Searches, chooses, trains again and tests.

    Args:
        plan: what is trained, on which folds of the data.
        candidates: what there is to choose from.
        open_test: returns the test examples, "image" and "label" arrays; is called once, last.
        metric: of the validation, that the candidates are compared by.
        simplicity: None to take the best; else the one-standard-error rule chooses, see
            `simplest_candidate`.
        seeds: of the search; the first is that of the last training.
        **options: of `sweep`.

    Raises:
        ValueError: as `sweep`, and if all candidates diverged.
    """
    search = sweep(plan, candidates, seeds=seeds, **options)
    chosen = choose(search, metric, simplicity)
    epochs = epochs_to_train(search, chosen)
    retrained = retrain(plan, chosen.hyperparameters, epochs, seeds[0])
    test = measure_once(plan, chosen.hyperparameters, retrained, open_test)
    return Selection(search, chosen, epochs, retrained, test)


def choose(
    search: SweepResult,
    metric: str = "accuracy",
    simplicity: Callable[[dict[str, Any]], float] | None = None,
) -> CandidateScore:
    """The best candidate; or with `simplicity`, the simplest one that is about as good."""
    if simplicity is None:
        return best_candidate(search, metric)
    return simplest_candidate(search, simplicity, metric)


def epochs_to_train(search: SweepResult, chosen: CandidateScore) -> int:
    """For how long to train without a validation set that says when: the median of the candidate's
    best epochs."""
    lanes = search.candidates[chosen.candidate]
    return round(statistics.median(lane.best_epoch for lane in lanes))


def retrain(plan: Plan, hyperparameters: Candidate, epochs: int, seed: int) -> Retrained:
    """Trains on all examples of the folds, those to judge by included.

    Schedules are as in the search, for `plan.epochs` epochs; of these the first `epochs` are made.

    Args:
        plan: of the search.
        hyperparameters: of the chosen candidate.
        epochs: how many are made.
        seed: of the parameters and of all that is drawn.

    Raises:
        NonFiniteError: if it diverges.
        ValueError: if `epochs` is not in [1, plan.epochs].
    """
    if not 1 <= epochs <= plan.epochs:
        raise ValueError(f"`epochs` must be in [1, {plan.epochs}], the plan's, got {epochs}.")
    rows = all_rows(plan)
    arrays = {name: a[rows] for name, a in plan.data.items()}
    feed = ResidentFeed(arrays, plan.batch_size, seed=seed)
    job = plan.make_run(Hyperparameters(hyperparameters), plan.epochs * feed.steps)
    train_epoch = TrainEpoch(job.train_step, feed)
    state, history, skipped = job.init(jax.random.key(seed)), [], 0
    for epoch in range(epochs):
        state, totals = train_epoch(state, epoch, skipped=skipped, max_skipped=plan.max_skipped)
        for left_out in totals["skipped"]:
            skipped = skipped + 1 if left_out else 0
        history.append(means(add_totals({}, totals)))
    return Retrained(jax.device_get(state.eval_variables), tuple(history))


def measure_once(
    plan: Plan,
    hyperparameters: Candidate,
    retrained: Retrained,
    open_test: Callable[[], Mapping[str, np.ndarray]],
) -> dict[str, float]:
    """The metrics on the test set: to be looked at when nothing will be changed any more."""
    arrays = dict(open_test())
    batch = min(EVAL_BATCH, len(arrays["label"]))
    job = plan.make_run(Hyperparameters(hyperparameters), plan.epochs * plan.steps)
    return evaluate(retrained.variables, job.eval_step, ResidentFeed(arrays, batch, seed=None))


def all_rows(plan: Plan) -> Int[np.ndarray, " n"]:
    """The examples of all folds, each once."""
    rows = np.unique(np.concatenate([part.ravel() for part in plan.folds]))
    return rows[rows != FILLING]
