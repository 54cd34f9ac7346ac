"""Checkpoints: what is saved comes back to the bit, and what is not as it was saved is refused."""

import json
import shutil
import subprocess

import jax
import jax.numpy as jnp
import pytest

from jaxvision.checkpoint.checkpoint import (
    CheckpointError,
    list_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from jaxvision.checkpoint.sums import write_sums
from tests.checkpoint.made_up import bits, made_up_progress


@pytest.fixture
def saved(tmp_path):
    """A folder with the checkpoints of steps 20 and 40."""
    for step in (20, 40):
        save_checkpoint(tmp_path / "checkpoints", made_up_progress(step))
    return tmp_path / "checkpoints"


def names(folder):
    return [path.name for path in list_checkpoints(folder)]


def test_what_is_saved_comes_back_to_the_bit(saved):
    like = made_up_progress(0, seed=9)
    restored, refused = restore_checkpoint(saved, like)
    assert refused == []
    assert bits(restored) == bits(made_up_progress(40))
    assert jax.tree.structure(restored) == jax.tree.structure(made_up_progress(40))
    assert isinstance(restored.history, tuple)
    # Both are there, each with its own content.
    shutil.rmtree(saved / "00000040")
    assert bits(restore_checkpoint(saved, like)[0]) == bits(made_up_progress(20))


def test_arrays_come_back_where_a_new_run_would_have_them(saved):
    restored, _ = restore_checkpoint(saved, made_up_progress())
    for leaf in jax.tree.leaves(restored):
        assert isinstance(leaf, jax.Array)
    doubled = jax.jit(lambda p: jax.tree.map(lambda x: x + x, p), donate_argnums=0)(restored.best)
    assert jax.tree.all(jax.tree.map(lambda x: bool(jnp.isfinite(x).all()), doubled))


def test_the_newest_are_kept(saved):
    assert names(saved) == ["00000040", "00000020"]
    save_checkpoint(saved, made_up_progress(60))
    assert names(saved) == ["00000060", "00000040"]
    save_checkpoint(saved, made_up_progress(80), keep=3)
    assert names(saved) == ["00000080", "00000060", "00000040"]
    save_checkpoint(saved, made_up_progress(100), keep=1)
    assert sorted(path.name for path in saved.iterdir()) == ["00000100"]
    with pytest.raises(ValueError, match=r"`keep` must be at least 1, got 0"):
        save_checkpoint(saved, made_up_progress(120), keep=0)


def test_what_has_just_been_saved_is_never_what_is_deleted(saved):
    for step in (1, 2, 3):
        save_checkpoint(saved, made_up_progress(step))
        assert names(saved) == ["00000040", f"{step:08d}"]


def test_a_step_of_more_than_eight_digits_is_the_newest(saved):
    for step in (99_999_999, 100_000_000, 2_000_000_000):
        save_checkpoint(saved, made_up_progress(step))
        assert int(restore_checkpoint(saved, made_up_progress())[0].state.step) == step


def test_no_checkpoint_is_no_error(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        assert restore_checkpoint(folder, made_up_progress()) == (None, [])


def test_saving_a_step_again_changes_nothing(saved):
    before = {path: path.stat().st_mtime_ns for path in saved.rglob("*")}
    assert save_checkpoint(saved, made_up_progress(40)) == saved / "00000040"
    assert before == {path: path.stat().st_mtime_ns for path in saved.rglob("*")}


@pytest.mark.parametrize("damage", ["a file is missing", "nothing is in it", "its sums are gone"])
def test_saving_a_step_whose_checkpoint_is_damaged_saves_it(saved, damage):
    path = saved / "00000040"
    if damage == "nothing is in it":
        shutil.rmtree(path)
        path.mkdir()
    else:
        (path / ("SHA256SUMS" if "sums" in damage else "MANIFEST.json")).unlink()
    save_checkpoint(saved, made_up_progress(40))
    restored, refused = restore_checkpoint(saved, made_up_progress())
    assert refused == [] and bits(restored) == bits(made_up_progress(40))
    assert (saved / ".quarantine").exists() == (damage != "nothing is in it")


def test_junk_is_ignored(saved):
    (saved / "12").mkdir()
    (saved / "13").mkdir()
    (saved / "13" / "MANIFEST.json").write_text("mine")
    (saved / "00000099.bak").mkdir()
    (saved / "٠٠٠٠٠٠٩٩").mkdir()  # digits to Python, and none of ours
    for name in ("7", "00000077", ".DS_Store", "note.txt"):
        (saved / name).write_text("mine")
    junk = sorted(path.name for path in saved.iterdir())
    restored, refused = restore_checkpoint(saved, made_up_progress())
    assert int(restored.state.step) == 40 and refused == []
    assert sorted(path.name for path in saved.iterdir()) == junk
    save_checkpoint(saved, made_up_progress(60))
    assert {*junk, "00000060"} - {"00000020"} == {path.name for path in saved.iterdir()}


def test_only_junk_is_no_checkpoint(tmp_path):
    (tmp_path / "12").mkdir()
    (tmp_path / "00000007").write_text("")
    assert restore_checkpoint(tmp_path, made_up_progress()) == (None, [])


def test_sha256sum_agrees(saved):
    if shutil.which("sha256sum") is None:
        pytest.skip("needs the program sha256sum")
    path = saved / "00000040"
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {line[66:] for line in (path / "SHA256SUMS").read_text().splitlines()}
    files = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert listed == files - {"SHA256SUMS"} and "MANIFEST.json" in listed


def test_the_damaged_one_is_set_aside_and_its_step_can_be_saved_anew(saved):
    for number in ("", "-2", "-3"):
        (saved / "00000040" / "MANIFEST.json").unlink()
        restored, refused = restore_checkpoint(saved, made_up_progress())
        assert int(restored.state.step) == 20
        assert refused == [f"{saved / '00000040'}: MANIFEST.json is missing"]
        assert (saved / ".quarantine" / f"00000040{number}" / "SHA256SUMS").exists()
        assert names(saved) == ["00000020"]
        save_checkpoint(saved, made_up_progress(40))
    assert bits(restore_checkpoint(saved, made_up_progress())[0]) == bits(made_up_progress(40))


def test_a_damaged_checkpoint_that_is_older_stays_where_it_is(saved):
    (saved / "00000020" / "MANIFEST.json").unlink()
    _, refused = restore_checkpoint(saved, made_up_progress())
    assert refused == [] and names(saved) == ["00000040", "00000020"]


def test_if_all_are_damaged_nothing_starts_from_scratch_unasked(saved):
    for path in list_checkpoints(saved):
        (path / "MANIFEST.json").write_text("{")
    for _ in range(2):  # the second time, too: nothing has been set aside
        with pytest.raises(CheckpointError, match=r"no checkpoint can be used.*00000040.*00000020"):
            restore_checkpoint(saved, made_up_progress())


def test_leftovers_of_a_killed_process_are_passed_over_and_cleared(saved):
    half_written, half_deleted = saved / ".writing-00000060", saved / ".deleting-00000020"
    for path in (half_written, half_deleted):
        shutil.copytree(saved / "00000040", path)
    (half_written / "MANIFEST.json").unlink()
    assert names(saved) == ["00000040", "00000020"]
    save_checkpoint(saved, made_up_progress(60))
    assert not half_written.exists() and not half_deleted.exists()
    assert names(saved) == ["00000060", "00000040"]


def test_a_checkpoint_of_another_network_is_refused_and_stays(saved):
    with pytest.raises(
        ValueError,
        match=r"00000040 is not of this network and optimizer: 14 tensors differ, "
        r"as best\.batch_stats\.norm\.mean is float32\[5\], not float32\[6\]",
    ):
        restore_checkpoint(saved, made_up_progress(width=6))
    assert names(saved) == ["00000040", "00000020"]


def test_the_kind_of_key_must_be_the_same(saved):
    like = made_up_progress()
    other = like.replace(state=like.state.replace(key=jax.random.key(0, impl="rbg")))
    with pytest.raises(ValueError, match=r"1 tensors differ, as state\.key is key<fry>\[\], not"):
        restore_checkpoint(saved, other)
    save_checkpoint(saved, other.replace(state=other.state.replace(step=jnp.asarray(60))))
    restored, _ = restore_checkpoint(saved, other)
    assert jax.random.key_impl(restored.state.key) == "rbg"


def edit_manifest(path, **changes):
    """As if it had been written so: the sums agree."""
    manifest = json.loads((path / "MANIFEST.json").read_text())
    (path / "MANIFEST.json").write_text(json.dumps(manifest | changes))
    write_sums(path)


def test_another_version_is_named(saved):
    for path in list_checkpoints(saved):
        edit_manifest(path, version=99)
    with pytest.raises(ValueError, match=r"00000040 .*version 99, and this program reads 2"):
        restore_checkpoint(saved, made_up_progress())


def test_the_first_version_is_named(saved):
    """It had all the hashes in its manifest, and no SHA256SUMS."""
    for path in list_checkpoints(saved):
        edit_manifest(path, version=1)
        (path / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match=r"00000040 .*version 1, and this program reads 2"):
        restore_checkpoint(saved, made_up_progress())


def test_a_field_that_the_checkpoint_lacks_is_named(saved):
    path = saved / "00000040"
    fields = json.loads((path / "MANIFEST.json").read_text())["fields"]
    del fields["totals"]
    edit_manifest(path, fields=fields)
    with pytest.raises(ValueError, match=r"step 40 has no `totals`: .*another version"):
        restore_checkpoint(saved, made_up_progress())


def test_the_identity_is_given_back_before_anything_is_compared(tmp_path):
    identity = {"config": "ab" * 32, "data": {"examples": 1258, "classes": ["0", "1"]}}
    save_checkpoint(tmp_path, made_up_progress(3), identity=identity)
    seen = []
    restore_checkpoint(tmp_path, made_up_progress(), check=seen.append)
    assert seen == [identity]

    def refuse(found):
        raise ValueError("batch_size: 32 -> 64")

    with pytest.raises(ValueError, match="batch_size: 32 -> 64"):
        restore_checkpoint(tmp_path, made_up_progress(width=6), check=refuse)
    save_checkpoint(tmp_path, made_up_progress(4))
    restore_checkpoint(tmp_path, made_up_progress(), check=seen.append)
    assert seen == [identity, {}]
