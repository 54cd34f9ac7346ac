"""Saving in a thread: the copy is taken at once, and no way out of the block loses it."""

import functools
import threading
from pathlib import Path

import jax
import pytest

from jaxvision.checkpoint import writer as module
from jaxvision.checkpoint.checkpoint import (
    CheckpointError,
    NonFiniteStateError,
    list_checkpoints,
    restore_checkpoint,
)
from jaxvision.checkpoint.writer import CheckpointWriter
from tests.checkpoint.made_up import bits, made_up_progress


@pytest.fixture
def gate(monkeypatch):
    """Lets the writing thread go on only once it is set; counts how many write at a time."""
    gate = threading.Event()
    gate.writing, gate.most = 0, 0
    write = module.write_snapshot

    def waiting(*arguments):
        gate.writing += 1
        gate.most = max(gate.most, gate.writing)
        assert gate.wait(30)
        try:
            return write(*arguments)
        finally:
            gate.writing -= 1

    monkeypatch.setattr(module, "write_snapshot", waiting)
    return gate


def restored(folder):
    return restore_checkpoint(folder, made_up_progress())[0]


def test_what_is_saved_is_what_was_there_then(tmp_path, gate):
    """The buffers go to the next step, which overwrites them, before the thread has written."""

    @functools.partial(jax.jit, donate_argnums=0)
    def step(progress):
        return jax.tree.map(lambda x: x if x.ndim == 0 else -x, progress)

    progress = made_up_progress(7)
    expected = bits(progress)
    with CheckpointWriter(tmp_path) as writer:
        writer.save(progress)
        for _ in range(3):
            progress = step(progress)
        jax.block_until_ready(progress)
        assert writer.last_saved is None
        gate.set()
    assert writer.last_saved == 7
    assert bits(restored(tmp_path)) == expected


def test_a_view_would_not_do(tmp_path, gate):
    """As above, by the hand that writes into the very memory that NumPy sees."""
    progress = made_up_progress(7)
    host = {"w": made_up_progress(7).best["params"]["conv1"]["kernel"].__array__().copy()}
    progress = progress.replace(best=host)
    with CheckpointWriter(tmp_path) as writer:
        writer.save(progress)
        host["w"][:] = 0
        gate.set()
    like = made_up_progress(0).replace(best={"w": host["w"]})
    assert (restore_checkpoint(tmp_path, like)[0].best["w"] != 0).all()


def test_the_second_save_waits_for_the_first(tmp_path, gate):
    with CheckpointWriter(tmp_path, keep=3) as writer:
        writer.save(made_up_progress(1))
        assert writer.seconds_waited < 0.1
        threading.Timer(0.3, gate.set).start()
        writer.save(made_up_progress(2))
        assert writer.last_saved == 1
        assert writer.seconds_waited > 0.2
        writer.save(made_up_progress(3))
    assert gate.most == 1
    assert writer.last_saved == 3
    assert [path.name for path in list_checkpoints(tmp_path)] == [
        "00000003",
        "00000002",
        "00000001",
    ]


def test_keep_and_identity_are_passed_on(tmp_path):
    with CheckpointWriter(tmp_path, keep=1, identity={"config": "abc"}) as writer:
        for step in (1, 2):
            writer.save(made_up_progress(step))
    assert [path.name for path in list_checkpoints(tmp_path)] == ["00000002"]
    seen = []
    restore_checkpoint(tmp_path, made_up_progress(), check=seen.append)
    assert seen == [{"config": "abc"}]


def test_the_working_directory_may_change(tmp_path, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with CheckpointWriter(Path("check points")) as writer:
        monkeypatch.chdir(tmp_path / "there")
        writer.save(made_up_progress(1))
    assert bits(restored(tmp_path / "here" / "check points")) == bits(made_up_progress(1))


def test_it_is_used_in_a_block_and_nowhere_else(tmp_path):
    writer = CheckpointWriter(tmp_path)
    with pytest.raises(RuntimeError, match="within its block"):
        writer.save(made_up_progress(1))
    with writer:
        pass
    with pytest.raises(RuntimeError, match="within its block"):
        writer.save(made_up_progress(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(0), KeyboardInterrupt()])
def test_however_the_block_ends_the_save_is_completed(tmp_path, gate, error):
    with pytest.raises(type(error)) as caught, CheckpointWriter(tmp_path) as writer:
        writer.save(made_up_progress(5))
        threading.Timer(0.2, gate.set).start()
        raise error
    assert caught.value is error
    assert writer.last_saved == 5 and bits(restored(tmp_path)) == bits(made_up_progress(5))


def file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file"


def test_a_failed_save_is_the_error_of_the_next(tmp_path):
    good = made_up_progress(9)
    with CheckpointWriter(tmp_path) as writer:
        writer.save(good.replace(best={"w": good.best["params"]["conv1"]["kernel"] / 0}))
        with pytest.raises(NonFiniteStateError, match=r"step 9 .*best\.w"):
            writer.save(made_up_progress(10))
        writer.save(made_up_progress(11))  # told once; it goes on if the caller does
    assert [path.name for path in list_checkpoints(tmp_path)] == ["00000011"]


@pytest.mark.parametrize("code", [None, 0, 143])
def test_a_failed_last_save_is_an_error_even_of_an_exit(tmp_path, code):
    for ending in (None, SystemExit(code)):
        with (
            pytest.raises(CheckpointError, match="00000003 cannot be written"),
            CheckpointWriter(file_in_the_way(tmp_path)) as writer,
        ):
            writer.save(made_up_progress(3))
            if ending:
                raise ending
        assert writer.last_saved is None


def test_an_error_of_the_block_stays_the_error_and_mentions_the_save(tmp_path):
    with (
        pytest.raises(ZeroDivisionError) as caught,
        CheckpointWriter(file_in_the_way(tmp_path)) as writer,
    ):
        writer.save(made_up_progress(3))
        raise ZeroDivisionError
    assert "00000003 cannot be written" in caught.value.__notes__[0]


class Impatient(threading.Event):
    """An event that Ctrl-C comes to while it is waited for, so many times."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def wait(self, timeout=None):
        if self.times:
            self.times -= 1
            raise KeyboardInterrupt
        return super().wait(timeout)


def interrupted_while_joining(tmp_path, times, ending=None):
    with pytest.raises(KeyboardInterrupt), CheckpointWriter(tmp_path) as writer:
        writer._idle = Impatient(0)
        writer._idle.set()
        writer.save(made_up_progress(4))
        writer._idle.times = times
        if ending:
            raise ending
    return writer


def test_a_first_interrupt_while_the_end_is_waited_for_still_waits(tmp_path, gate):
    threading.Timer(0.2, gate.set).start()
    assert interrupted_while_joining(tmp_path, 1).last_saved == 4


@pytest.mark.parametrize(("times", "ending"), [(2, None), (1, KeyboardInterrupt())])
def test_a_second_interrupt_ends_the_waiting_and_harms_nothing(tmp_path, gate, times, ending):
    writer = interrupted_while_joining(tmp_path, times, ending)
    assert writer.last_saved is None and not gate.is_set()
    gate.set()
    writer._idle.wait()
    assert bits(restored(tmp_path)) == bits(made_up_progress(4))
