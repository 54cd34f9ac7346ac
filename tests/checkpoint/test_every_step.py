"""A run that is gone on with from a checkpoint of any step is the run to the bit (goal G4)."""

import os

import chex
import jax
import pytest

from jaxvision.checkpoint.checkpoint import list_checkpoints, restore_checkpoint, save_checkpoint
from jaxvision.train import fit_epochs, start

EVERY = 1 if os.environ.get("JAXVISION_FAULTS") == "release" else 4


def arguments(problem):
    return problem.train_step, problem.eval_step, problem.train_feed, problem.validation_feed


@pytest.fixture(scope="module")
def saved(problem, tmp_path_factory):
    """A folder with a checkpoint of every step of two epochs, and how the run ended."""
    folder = tmp_path_factory.mktemp("steps")
    for progress in fit_epochs(
        start(problem.state()), *arguments(problem), epochs=2, due=lambda: True
    ):
        save_checkpoint(folder / str(int(progress.state.step)), progress)
    return folder, jax.device_get(progress)


@pytest.mark.parametrize("step", range(1, 40, EVERY))
def test_from_any_step_the_run_ends_as_if_it_had_never_stopped(problem, saved, step):
    folder, whole = saved
    assert len(list_checkpoints(folder / str(step))) == 1
    restored, refused = restore_checkpoint(folder / str(step), start(problem.state(seed=1)))
    assert refused == [] and restored.state.step == step
    assert restored.epoch * 20 + restored.steps == step
    *_, last = fit_epochs(restored, *arguments(problem), epochs=2)
    chex.assert_trees_all_equal(last.state.params, whole.state.params)
    chex.assert_trees_all_equal(last.state.opt_state, whole.state.opt_state)
    chex.assert_trees_all_equal(last.best, whole.best)
    assert last.history == whole.history and last.best_epoch == whole.best_epoch
