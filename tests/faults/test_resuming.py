"""What a run may be gone on with, and from where (cases 9, 13, 14 and 16)."""

import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
from rich.console import Console

from jaxvision.checkpoint.checkpoint import CheckpointError, list_checkpoints
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.training import resume, train
from tests.faults.trainer import finish, same_result, spawn

CONFIG = TrainConfig(model="softmax_regression", epochs=3, batch_size=64)


def quiet():
    return Console(file=io.StringIO(), width=100)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    return train(dataclasses.replace(CONFIG, out=path), quiet())


@pytest.fixture
def unfinished(tmp_path):
    """A run of two epochs of three."""
    path = tmp_path / "run"
    train(dataclasses.replace(CONFIG, epochs=2, schedule="constant", out=path), quiet())
    (path / "result.json").unlink()
    record = json.loads((path / "config.json").read_text())
    record["config"]["epochs"] = 3
    (path / "config.json").write_text(json.dumps(record))
    return path


CHANGES = [
    ({"batch_size": 32}, r"batch_size was 64 and is 32"),
    ({"seed": 1}, r"seed was 0 and is 1"),
    ({"optimizer": "sgd"}, r"optimizer was adam and is sgd"),
    ({"epochs": 4, "learning_rate": 0.1}, r"epochs was 3 and is 4; learning_rate was .* is 0\.1"),
    ({"split_seed": 1}, r"split_seed was 0 and is 1; .*the data are no longer the same: labels"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_what_was_changed_is_named_old_and_new(unfinished, change, message):
    before = (unfinished / "config.json").read_bytes()
    config = dataclasses.replace(CONFIG, schedule="constant", out=unfinished, **change)
    with pytest.raises(ValueError, match=message) as caught:
        train(config, quiet(), resume="auto")
    assert f"--allow-changed {' '.join(change)}" in str(caught.value).replace(" data", "")
    assert (unfinished / "config.json").read_bytes() == before


def test_what_may_be_changed_is_changed_and_said(unfinished):
    console = quiet()
    config = dataclasses.replace(CONFIG, schedule="constant", batch_size=32, out=unfinished)
    train(config, console, resume="must", allow_changed=["batch_size"])
    output = console.file.getvalue()
    assert "changed, as allowed: batch_size was 64 and is 32" in output
    assert "going on after epoch 2, step 40" in output
    history = map(json.loads, (unfinished / "metrics.jsonl").read_text().splitlines())
    assert [record["step"] for record in history] == [20, 40, 80]
    assert json.loads((unfinished / "config.json").read_text())["config"]["batch_size"] == 32
    with pytest.raises(ValueError, match=r"`allow_changed` is unknown: 'batch'.*`batch_size`"):
        (unfinished / "result.json").unlink()
        train(config, quiet(), resume="auto", allow_changed=["batch"])


def test_what_changes_nothing_that_is_learned_may_differ(unfinished, finished):
    config = dataclasses.replace(
        CONFIG, schedule="constant", out=unfinished, checkpoint_seconds=5.0, keep=3
    )
    train(config, quiet(), resume="auto")
    assert (unfinished / "result.json").exists()


def test_at_the_end_of_an_epoch_the_next_begins_and_at_the_end_there_is_nothing_to_do(unfinished):
    console = quiet()
    resume(unfinished, console)
    assert "going on after epoch 2, step 40" in console.file.getvalue()
    again = quiet()
    assert resume(unfinished, again) == unfinished
    assert "is finished already" in again.file.getvalue()


def test_auto_begins_what_is_not_there_and_must_does_not(tmp_path, finished):
    config = dataclasses.replace(CONFIG, out=tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"run is not a run"):
        train(config, quiet(), resume="must")
    assert not (tmp_path / "run").exists()
    train(config, quiet(), resume="auto")
    same_result(tmp_path / "run", finished)
    with pytest.raises(FileExistsError, match="already holds a run"):
        train(config, quiet())
    with pytest.raises(ValueError, match=r"`out` must be given with `resume` 'auto'"):
        train(CONFIG, quiet(), resume="auto")


def test_without_a_checkpoint_must_is_an_error(unfinished):
    for path in list_checkpoints(unfinished / "checkpoints"):
        path.rename(unfinished / f"away-{path.name}")
    config = dataclasses.replace(CONFIG, schedule="constant", out=unfinished)
    with pytest.raises(FileNotFoundError, match="holds no checkpoint to go on from"):
        train(config, quiet(), resume="must")


def test_with_nothing_but_damage_it_does_not_begin_anew(unfinished):
    for path in list_checkpoints(unfinished / "checkpoints"):
        (path / "MANIFEST.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"no checkpoint can be used.*MANIFEST\.json"):
            resume(unfinished, quiet())


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_a_run_goes_on_from_other_devices(tmp_path, unfinished, devices, monkeypatch):
    """Written on one device; the state is restored whole on any number."""
    here = tmp_path / "here"
    shutil.copytree(unfinished, here)
    resume(here, quiet())
    monkeypatch.setenv("XLA_FLAGS", f"--xla_force_host_platform_device_count={devices}")
    code, output, errors = finish(spawn("--resume", unfinished))
    assert code == 0, errors
    assert "going on after epoch 2, step 40" in output
    assert ("the bits may differ" in output) == (devices > 1)
    ours, theirs = (
        json.loads((path / "metrics.jsonl").read_text().splitlines()[2])
        for path in (unfinished, here)
    )
    for part in ("train", "validation"):
        np.testing.assert_allclose(ours[part]["loss"], theirs[part]["loss"], rtol=1e-6)
