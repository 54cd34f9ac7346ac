"""Files of a checkpoint changed, cut off, removed: named each time; the one before it serves."""

import random
import shutil
import time

import jax
import numpy as np
import pytest

from jaxvision.checkpoint.checkpoint import list_checkpoints, restore_checkpoint, save_checkpoint
from jaxvision.checkpoint.tensors import FOLDER
from jaxvision.checkpoint.trust import newest_whole
from tests.checkpoint.made_up import bits, made_up_progress
from tests.faults.scale import times

FLIPS, CUTS = times(200, 10_000), times(2, 20)  # over all files; in each file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    for step in (20, 40):
        save_checkpoint(folder, made_up_progress(step))
    return folder


def files(folder):
    return sorted(path for path in (folder / "00000040").rglob("*") if path.is_file())


def refusal(folder, like=None):
    """Why the newest is refused; with `like` the other one is restored, and it is put back."""
    if like is None:
        chosen, refused = newest_whole(folder)
        assert chosen == folder / "00000020"
        assert list(refused) == [folder / "00000040"]
        return refused[folder / "00000040"]
    restored, refused = restore_checkpoint(folder, like)
    assert int(restored.state.step) == 20 and len(refused) == 1
    assert refused[0].startswith(f"{folder / '00000040'}: ")
    (folder / ".quarantine" / "00000040").rename(folder / "00000040")
    assert len(list_checkpoints(folder)) == 2
    return refused[0].removeprefix(f"{folder / '00000040'}: ")


def named(folder, path, fault):
    return f"{path.relative_to(folder / '00000040').as_posix()} is {fault}"


def check(folder, path, fault, like=None):
    """The refusal names the file; and the tensor, if it is one's."""
    reason = refusal(folder, like)
    inside = path.relative_to(folder / "00000040").parts
    said = named(folder, path, fault)
    if inside[0] == FOLDER:  # tensors/0004.state.params.c1.kernel.npy
        name = inside[1].partition(".")[2].removesuffix(".npy")
        assert reason == f"{said} (tensors {name})"
        return 1
    assert reason == said
    return 0


@pytest.mark.timeout(60 + FLIPS)
def test_every_flipped_bit_is_noticed_and_named(folder):
    moments = random.Random(time.time_ns())
    like, named_tensors, every = made_up_progress(), 0, files(folder)
    for number in range(FLIPS):
        path = every[number % len(every)]
        whole = path.read_bytes()
        bit = moments.randrange(8 * max(1, len(whole)))
        changed = bytearray(whole or b"\0")  # to an empty file a byte is added
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        named_tensors += check(folder, path, "damaged", like if number % 10 == 0 else None)
        path.write_bytes(whole)
    assert named_tensors > FLIPS / 2
    assert bits(restore_checkpoint(folder, like)[0]) == bits(made_up_progress(40))


def test_every_file_cut_off_or_removed_is_named(folder):
    moments = random.Random(time.time_ns())
    like = made_up_progress()
    for path in files(folder):
        whole = path.read_bytes()
        for _ in range(CUTS if whole else 0):
            part = whole[: moments.randrange(len(whole))]
            path.write_bytes(part.rstrip(b"\n"))  # a whole line less is as if a file had come
            check(folder, path, "damaged")
        path.unlink()
        check(folder, path, "missing", like)
        path.write_bytes(whole)
    assert bits(restore_checkpoint(folder, like)[0]) == bits(made_up_progress(40))


def test_the_tensor_that_is_named_is_the_one_that_was_hit(folder):
    """By what the files hold, and not by what they are called."""
    state = made_up_progress(40).state
    for name, x in (
        ("state.params.dense.kernel", state.params["dense"]["kernel"]),
        ("state.opt_state.0.dense.kernel", state.opt_state[0]["dense"]["kernel"]),
        ("state.key", jax.random.key_data(state.key)),
    ):
        content = np.asarray(x).tobytes()
        (path,) = (path for path in files(folder) if path.read_bytes().endswith(content))
        whole = path.read_bytes()
        path.write_bytes(whole[: -len(content)] + b"\1" * len(content))
        assert refusal(folder, made_up_progress()).endswith(f" is damaged (tensors {name})")
        path.write_bytes(whole)


@pytest.mark.parametrize("what", ["tensors", "00000040"])
def test_what_is_emptied_is_named_by_all_that_is_missing(folder, tmp_path, what):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = copy / "00000040"
    for file in (path if what == "00000040" else path / what).rglob("*"):
        if file.is_file():
            file.unlink()
    restored, (reason,) = restore_checkpoint(copy, made_up_progress())
    assert int(restored.state.step) == 20
    if what == "00000040":
        assert reason.endswith("SHA256SUMS is missing")
    else:
        gone, arrays = (
            sum(FOLDER in p.parts for p in files(folder)),
            len(jax.tree.leaves(made_up_progress())),
        )
        assert "tensors/0000.best.batch_stats.norm.mean.npy is missing; " in reason
        assert f" and {gone - 3} more (tensors best.batch_stats.norm.mean, best.params" in reason
        assert reason.endswith(f" and {arrays - 3} more)")


def test_a_further_file_is_named(folder):
    extra = folder / "00000040" / "tensors" / "extra"
    extra.write_text("")
    assert refusal(folder, made_up_progress()) == "tensors/extra is not in SHA256SUMS"
    extra.unlink()


def test_a_link_to_nowhere_is_damage_and_no_crash(folder):
    link = folder / "00000040" / "tensors" / "link"
    link.symlink_to("nowhere")
    assert "tensors/link" in refusal(folder, made_up_progress())
    link.unlink()
