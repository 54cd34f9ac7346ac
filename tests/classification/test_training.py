"""The main job: what it writes, that it repeats itself, that an interruption changes nothing."""

import dataclasses
import io
import json
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from safetensors.numpy import load_file

from jaxvision.checkpoint.checkpoint import list_checkpoints
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.record import read_config
from jaxvision.classification.training import resume, train
from jaxvision.data.sources import digits
from jaxvision.train.epoch import NonFiniteError


def quiet():
    return Console(file=io.StringIO(), width=100)


def test_it_learns_and_says_so(run):
    result = json.loads((run.path / "result.json").read_text())
    assert result["test"]["accuracy"] > 0.94 and result["test"]["loss"] < 0.3
    assert result["validation"]["accuracy"] > 0.9
    assert result["steps"] == 8 * 20 and result["seconds"] > 0
    for line in ("epoch 8/8", f"{100 * result['test']['accuracy']:.2f} %", str(run.path)):
        assert line in run.output.replace("\n", "")


def test_it_writes_every_file(run):
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        *("config.json", "metrics.jsonl", "result.json", "model.safetensors", "checkpoints"),
        *("curves.png", "confusion.png", "mistakes.png"),
    }
    for name in ("curves.png", "confusion.png", "mistakes.png"):
        with Image.open(run.path / name) as image:
            assert min(image.size) > 100 and len(np.unique(image.convert("L"))) > 10


def test_the_configuration_says_what_is_needed_to_repeat_and_to_use_the_run(run):
    assert read_config(run.path) == dataclasses.replace(run.config, out=None)  # it may be moved
    record = json.loads((run.path / "config.json").read_text())
    assert record["data"]["classes"] == list("0123456789")
    assert record["data"]["image_shape"] == [8, 8, 1]
    assert record["data"]["examples"] == {"train": 1258, "validation": 180, "test": 359}
    assert {"python", "jax", "flax", "optax", "jaxvision"} <= record["versions"].keys()
    assert record["device"]["kind"] and record["device"]["count"] >= 1
    # The training part's statistics, and only the training part's: the whole set's are others.
    whole = digits()["train"].images
    assert record["normalization"]["mean"][0] == pytest.approx(whole.mean(), rel=0.05)
    assert record["normalization"]["mean"][0] != pytest.approx(whole.mean(), rel=1e-6)


def test_metrics_have_a_line_an_epoch_and_the_best_is_what_the_result_names(run):
    history = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in history] == list(range(1, 9))
    result = json.loads((run.path / "result.json").read_text())
    assert history[result["best_epoch"] - 1]["validation"] == result["validation"]
    assert result["validation"]["accuracy"] == max(r["validation"]["accuracy"] for r in history)


def test_the_same_seed_twice_gives_the_same_bytes_and_another_seed_does_not(run, tmp_path):
    for seed, equal in ((run.config.seed, True), (run.config.seed + 1, False)):
        path = tmp_path / str(seed)
        train(dataclasses.replace(run.config, seed=seed, out=path), quiet())
        for name in ("model.safetensors", "metrics.jsonl"):
            same = (path / name).read_bytes() == (run.path / name).read_bytes()
            assert same == equal, name


def test_the_seed_decides_initial_parameters_and_order_each_by_itself(tmp_path, monkeypatch):
    import jaxvision.classification.setup as setup

    open_feed, seeds = setup.open_feed, []

    def noting(*arguments, seed, **options):
        seeds.append(seed)
        return open_feed(*arguments, seed=seed, **options)

    monkeypatch.setattr(setup, "open_feed", noting)
    written = set()
    for seed in (0, 1):
        # At this rate no weight moves: what comes out is what was drawn.
        config = TrainConfig(
            model="softmax_regression",
            epochs=1,
            learning_rate=1e-30,
            seed=seed,
            out=tmp_path / str(seed),
        )
        tensors = load_file(train(config, quiet()) / "model.safetensors")
        written.add(tensors["params/head/kernel"].tobytes())
    assert len(written) == 2
    assert seeds == [0, None, None, 1, None, None]  # train, validation and test


def test_streaming_gives_the_same_network_as_resident(tmp_path):
    config = TrainConfig(model="softmax_regression", epochs=2)
    paths = [
        train(dataclasses.replace(config, feed=feed, out=tmp_path / feed), quiet())
        for feed in ("resident", "streaming")
    ]
    ours, theirs = (json.loads((path / "config.json").read_text()) for path in paths)
    assert ours["normalization"] == theirs["normalization"]  # of fewer images than the sample's
    # The same batches, in two programs, in which the compiler may add up in another order.
    ours, theirs = (load_file(path / "model.safetensors") for path in paths)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6)


def test_without_a_directory_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(model="softmax_regression", epochs=1)
    paths = [str(train(config, quiet())) for _ in range(2)]
    assert paths == ["runs/digits-softmax_regression", "runs/digits-softmax_regression-2"]


def pets(folder, count=10):
    """Makes a folder of cats and dogs, and a file that is neither."""
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.full((9, 9, 3), 20 * i + (name == "dogs"), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    (folder / "cats" / "notes.txt").write_text("mine")
    return f"folder:{folder}"


def test_a_folder_is_named_and_what_is_left_out_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(
        data=pets(tmp_path / "my pets"), model="softmax_regression", batch_size=4, epochs=1
    )
    console = quiet()
    assert str(train(config, console)) == "runs/my-pets-softmax_regression"
    assert "left out: 1 files that are no images" in console.file.getvalue()
    assert "notes.txt" in console.file.getvalue()


def test_a_run_is_not_written_over(run):
    before = (run.path / "config.json").read_bytes()
    with pytest.raises(FileExistsError, match=r"already holds a run.*--out.*--resume"):
        train(run.config, quiet())
    assert (run.path / "config.json").read_bytes() == before


def test_nothing_is_created_when_the_configuration_cannot_work(tmp_path):
    for wrong in ({"model": "lenet6"}, {"data": "digit"}, {"batch_size": 5000}):
        with pytest.raises(ValueError):
            train(TrainConfig(out=tmp_path / "run", **wrong), quiet())
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "rate"), [("adamw", 0.02), ("nesterov", 0.02), ("adagrad", 0.1)])
def test_other_optimizers_train(name, rate, tmp_path):
    config = TrainConfig(
        model="softmax_regression",
        optimizer=name,
        learning_rate=rate,
        epochs=4,
        out=tmp_path / "run",
    )
    result = json.loads((train(config, quiet()) / "result.json").read_text())
    assert result["test"]["accuracy"] > 0.7


def test_patience_stops_early(tmp_path):
    config = TrainConfig(
        model="softmax_regression", learning_rate=0.3, epochs=60, patience=2, out=tmp_path / "run"
    )
    result = json.loads((train(config, quiet()) / "result.json").read_text())
    assert result["epochs"] == result["best_epoch"] + 2 < 60


def test_a_loss_that_is_not_finite_stops_with_what_was_good(tmp_path):
    config = TrainConfig(
        model="mlp",
        optimizer="sgd",
        learning_rate=1e30,
        out=tmp_path / "run",
    )
    with pytest.raises(NonFiniteError, match=r"at step [1-9]\d* and .*smaller learning rate"):
        train(config, quiet())
    assert not (tmp_path / "run" / "result.json").exists()


def test_after_a_good_epoch_the_message_names_the_checkpoint_that_is_kept(tmp_path, monkeypatch):
    import jaxvision.classification.job as job

    make = job.make_train_step

    def make_broken(*args, **kwargs):
        train_step = make(*args, **kwargs)

        def break_later(state, batch):
            state, totals = train_step(state, batch)
            return state, totals | {"skipped": jnp.where(state.step < 45, 0.0, 1.0)}

        return break_later

    monkeypatch.setattr(job, "make_train_step", make_broken)
    config = TrainConfig(model="mlp", batch_size=64, checkpoint_seconds=0.0, out=tmp_path / "run")
    with pytest.raises(NonFiniteError, match=r"at step 54 and the 9 before it") as caught:
        train(config, quiet())
    kept = list_checkpoints(tmp_path / "run" / "checkpoints")[0]
    assert f"kept: {kept} and {tmp_path / 'run' / 'model.safetensors'}" in str(caught.value)
    assert int(kept.name) >= 40


def test_resuming_a_finished_run_changes_nothing(run):
    before = {path.name: path.stat().st_mtime_ns for path in run.path.iterdir()}
    console = quiet()
    assert resume(run.path, console) == run.path
    assert "finished already" in console.file.getvalue()
    assert before == {path.name: path.stat().st_mtime_ns for path in run.path.iterdir()}


def test_resuming_on_other_data_is_refused(tmp_path):
    config = TrainConfig(
        data=pets(tmp_path / "pets"),
        model="softmax_regression",
        batch_size=4,
        epochs=1,
        out=tmp_path / "run",
    )
    train(config, quiet())
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "pets" / "dogs" / "9.png").unlink()
    with pytest.raises(ValueError, match=r"the data are no longer the same: examples was"):
        resume(tmp_path / "run", quiet())


def spawn(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxvision", "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines_in(path):
    return len(path.read_text().splitlines()) if path.exists() else 0
