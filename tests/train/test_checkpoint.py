"""Checkpoints: what is saved comes back to the bit, and what is damaged is never believed."""

import json
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.train import fit_epochs, start
from jaxvision.train.checkpoint import (
    CheckpointError,
    list_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)


def run(problem, progress, epochs):
    return list(
        fit_epochs(
            progress,
            problem.train_step,
            problem.eval_step,
            problem.train_feed,
            problem.validation_feed,
            epochs=epochs,
        )
    )[-1]


@pytest.fixture
def saved(problem, tmp_path):
    """A folder with the checkpoints of epochs 1 and 2, and the progress at epoch 2."""
    for progress in fit_epochs(
        start(problem.state()),
        problem.train_step,
        problem.eval_step,
        problem.train_feed,
        problem.validation_feed,
        epochs=2,
    ):
        save_checkpoint(tmp_path, progress)
    return tmp_path, progress


def test_what_is_saved_comes_back_to_the_bit(problem, saved):
    folder, progress = saved
    restored, refused = restore_checkpoint(folder, start(problem.state(seed=9)))
    assert refused == []
    chex.assert_trees_all_equal(restored.best, progress.best)
    chex.assert_trees_all_equal(restored.state.params, progress.state.params)
    chex.assert_trees_all_equal(restored.state.opt_state, progress.state.opt_state)
    np.testing.assert_array_equal(
        jax.random.key_data(restored.state.key), jax.random.key_data(progress.state.key)
    )
    assert restored.history == progress.history
    assert restored.best_epoch == progress.best_epoch
    assert jax.tree.structure(restored) == jax.tree.structure(progress)


def test_a_restored_run_ends_like_one_that_never_stopped(problem, saved):
    folder, progress = saved
    restored, _ = restore_checkpoint(folder, start(problem.state()))
    expected, actual = (run(problem, p, epochs=4) for p in (progress, restored))
    chex.assert_trees_all_equal(actual.state.params, expected.state.params)
    chex.assert_trees_all_equal(actual.best, expected.best)
    assert actual.history == expected.history


def test_the_newest_two_are_kept(problem, saved):
    folder, progress = saved
    assert [path.name for path in list_checkpoints(folder)] == ["00000040", "00000020"]
    save_checkpoint(folder, run(problem, progress, epochs=3))
    assert [path.name for path in list_checkpoints(folder)] == ["00000060", "00000040"]
    assert sorted(path.name for path in folder.iterdir()) == ["00000040", "00000060"]


def test_no_checkpoint_is_no_error(problem, tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        assert restore_checkpoint(folder, start(problem.state())) == (None, [])


def every_file(folder):
    newest = list_checkpoints(folder)[0]
    return [path for path in sorted(newest.rglob("*")) if path.is_file()]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 16
    else:
        content = bytearray(b"!")
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1] or b"!")


@pytest.mark.parametrize("damage", [flip_a_bit, truncate, lambda path: path.unlink()])
def test_damage_to_any_file_is_found_and_the_checkpoint_before_it_is_used(
    problem, saved, tmp_path, damage
):
    folder, _ = saved
    like = start(problem.state())
    for number, path in enumerate(every_file(folder)):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("copy*"))
        damage(copy / path.relative_to(folder))
        restored, refused = restore_checkpoint(copy, like)
        assert int(restored.state.step) == 20
        assert len(refused) == 1 and "00000040" in refused[0]
        assert path.name in refused[0]
        # Refused, not deleted, and not in the way of saving this step anew.
        assert (copy / ".damaged-00000040").is_dir()
        assert [path.name for path in list_checkpoints(copy)] == ["00000020"]


def test_if_all_are_damaged_nothing_starts_from_scratch_unasked(problem, saved):
    folder, _ = saved
    for path in list_checkpoints(folder):
        truncate(path / "MANIFEST.json")
    for _ in range(2):  # the second time, too: nothing has been set aside
        with pytest.raises(CheckpointError, match=r"no checkpoint can be used.*00000040.*00000020"):
            restore_checkpoint(folder, start(problem.state()))


def test_leftovers_of_a_killed_process_are_passed_over_and_cleared(problem, saved):
    folder, progress = saved
    half_written, half_deleted = folder / ".writing-00000060", folder / ".deleting-00000020"
    for path in (half_written, half_deleted):
        shutil.copytree(list_checkpoints(folder)[0], path)
    (half_written / "MANIFEST.json").unlink()
    (folder / "note.txt").write_text("mine")
    assert [path.name for path in list_checkpoints(folder)] == ["00000040", "00000020"]
    save_checkpoint(folder, run(problem, progress, epochs=3))
    assert not half_written.exists() and not half_deleted.exists()
    assert (folder / "note.txt").read_text() == "mine"


def test_a_checkpoint_of_another_network_is_refused(problem, saved):
    folder, _ = saved
    like = start(problem.state())
    wider = jax.tree.map(lambda x: jnp.zeros((*x.shape[:-1], 33), x.dtype), like.best)
    with pytest.raises(
        ValueError,
        match=r"00000040 is not of this network.*best.params.head.bias is float32\[10\], not .*33",
    ):
        restore_checkpoint(folder, like.replace(best=wider))


def test_another_version_is_named(problem, saved):
    folder, _ = saved
    for path in list_checkpoints(folder):
        manifest = json.loads((path / "MANIFEST.json").read_text())
        (path / "MANIFEST.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(ValueError, match=r"00000040 .*version 99, and this program reads 1"):
        restore_checkpoint(folder, start(problem.state()))
