"""Training that goes on from what a network has learned, by the real job, alone and in a sweep."""

import dataclasses
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file

from jaxvision.classification import reading
from jaxvision.classification.beginning import Pretraining
from jaxvision.classification.classifier import evaluate, load_classifier
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.encoding import find_body
from jaxvision.classification.job import make_job
from jaxvision.classification.record import read_config
from jaxvision.classification.setup import open_splits
from jaxvision.classification.sweep import resume_sweep, run_sweep
from jaxvision.classification.sweep_config import Sweep
from jaxvision.classification.training import resume, train
from jaxvision.models import make_model
from jaxvision.ops.normalization import Normalization
from jaxvision.train.interruption import InterruptedRunError, Interruption

IDENTITY = Normalization((0.0,), (1.0,))


def quiet():
    return Console(file=io.StringIO(), width=100)


pytestmark = pytest.mark.usefixtures("own_cache")


def metrics(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def weights(path):
    return load_file(path / "model.safetensors")


def go_on(lenet, path, **options):
    config = TrainConfig(
        pretrained=str(lenet), epochs=2, batch_size=64, learning_rate=1e-3, **options
    )
    return train(dataclasses.replace(config, out=path), quiet())


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [(None, ()), ("c3", ("c1", "c3")), ("body", ("c1", "c3", "c5", "f6"))],
)
def test_what_is_frozen_is_the_same_bits_and_the_rest_learns(lenet, tmp_path, freeze, kept):
    path = go_on(lenet, tmp_path / "run", freeze=freeze)
    before, after = weights(lenet), weights(path)
    assert before.keys() == after.keys()
    for name in after:
        same = np.array_equal(before[name], after[name])
        assert same == (name.split("/")[1] in kept), name
    assert evaluate(path)[0]["accuracy"] > 0.9  # on images, whatever it was trained on
    measured = json.loads((path / "result.json").read_text())["test"]
    assert evaluate(path)[0] == pytest.approx(measured, rel=1e-4)


def test_a_run_says_what_it_looks_at(lenet, tmp_path):
    path = go_on(lenet, tmp_path / "run")
    ours, theirs = (load_classifier(run) for run in (path, lenet))
    assert ours.normalization == theirs.normalization and ours.image_shape == (16, 16, 1)
    config = read_config(path)
    assert (config.model, config.image_size, config.channels) == ("lenet5", 16, 1)
    assert config.pretrained == str(lenet)


def test_training_a_head_on_features_is_training_it_on_images(lenet, tmp_path, monkeypatch):
    config = {"freeze": "body", "weight_decay": 1e-4, "average_decay": 0.9}
    features = go_on(lenet, tmp_path / "features", **config)
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 3  # train, validation, test
    monkeypatch.setattr(reading, "find_body", lambda *_: None)
    images = go_on(lenet, tmp_path / "images", **config)
    for ours, theirs in zip(metrics(features), metrics(images), strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=1e-4)
        assert ours["validation"] == pytest.approx(theirs["validation"], rel=1e-4)
    for name, x in weights(features).items():
        np.testing.assert_allclose(x, weights(images)[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_features_are_computed_once(lenet, tmp_path, monkeypatch):
    go_on(lenet, tmp_path / "first", freeze="body", flip=True)
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 4  # and a view of train
    monkeypatch.setattr("jaxvision.transfer.features.EvalEpoch", None)  # whoever computes, fails
    go_on(lenet, tmp_path / "second", freeze="body", flip=True)
    assert metrics(tmp_path / "first") == metrics(tmp_path / "second")


@pytest.mark.parametrize("option", [{"shift": 0.1}, {"test_flip": True}, {"feed": "streaming"}])
def test_what_features_cannot_stand_for_is_trained_on_images(lenet, tmp_path, option):
    path = go_on(lenet, tmp_path / "run", freeze="body", **option)
    assert not (tmp_path / "cache" / "features").exists()
    assert metrics(path)[-1]["validation"]["accuracy"] > 0.7


def test_an_interrupted_run_goes_on_to_the_same_bits(lenet, tmp_path):
    whole = go_on(lenet, tmp_path / "whole", freeze="body", flip=True)

    class Stopping(Interruption):
        asked = 0

        def requested(self):
            self.asked += 1
            return self.asked > 3

    config = dataclasses.replace(read_config(whole), out=tmp_path / "stopped")
    with pytest.raises(InterruptedRunError):
        train(config, quiet(), interruption=Stopping())
    assert not (tmp_path / "stopped" / "result.json").exists()
    resume(tmp_path / "stopped", quiet())
    assert weights(tmp_path / "stopped").keys() == weights(whole).keys()
    for name, x in weights(whole).items():
        np.testing.assert_array_equal(x, weights(tmp_path / "stopped")[name])


def moves(config, steps, take):
    """How far each layer of LeNet-5 has moved after `take` steps, all of them at a gradient."""
    model = make_model("lenet5", 10)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 1)), train=False)
    begun = Pretraining(variables, IDENTITY, {})
    job = make_job(config, 3, (16, 16, 1), steps, IDENTITY, pretraining=begun)
    state = job.init(jax.random.key(1))
    first = jax.tree.map(np.asarray, state.params)
    rng = np.random.default_rng(0)
    batch = {
        "image": jnp.asarray(rng.integers(0, 2, (8, 16, 16, 1)), jnp.uint8),
        "label": jnp.arange(8) % 3,
        "mask": jnp.ones(8, bool),
    }
    for _ in range(take):
        state, _ = job.train_step(state, batch)
    return {
        name: np.asarray(state.params[name]["kernel"]) - first[name]["kernel"] for name in first
    }


def test_deeper_stages_learn_at_a_part_of_the_rate():
    config = TrainConfig(
        pretrained="lenet5", optimizer="sgd", learning_rate=0.1, schedule="constant"
    )
    plain = moves(config, 10, 1)
    slower = moves(dataclasses.replace(config, rate_decay=0.5), 10, 1)
    for name, depth in {"output": 0, "f6": 1, "c5": 2, "c3": 3, "c1": 4}.items():
        np.testing.assert_allclose(slower[name], 0.5**depth * plain[name], rtol=1e-2, atol=1e-7)
    frozen = moves(dataclasses.replace(config, rate_decay=0.5, freeze="c3"), 10, 1)
    assert frozen.keys() == {"output", "f6", "c5"}
    np.testing.assert_allclose(frozen["c5"], slower["c5"], rtol=1e-2, atol=1e-7)


def test_networks_with_batch_norm_have_depths_and_stages_too():
    config = TrainConfig(pretrained="resnet20", rate_decay=0.5, freeze="stage1")
    config = dataclasses.replace(config, model="cifar_resnet20", unfreeze_epochs=1)
    model = make_model("cifar_resnet20", 10)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    begun = Pretraining(variables, None, {})
    rgb = Normalization((0.0,) * 3, (1.0,) * 3)
    state = make_job(config, 3, (32, 32, 3), 80, rgb, pretraining=begun).init(jax.random.key(1))
    frozen = {name.split("_")[0] for name in state.frozen["params"]}
    assert frozen == {"conv1", "bn1", "stage1"}
    assert {"stage2", "stage3", "head"} == {name.split("_")[0] for name in state.params}


@pytest.mark.parametrize(
    ("steps", "learning"),
    [(4, {"output"}), (5, {"output", "f6"}), (9, {"output", "f6", "c5"})],
)
def test_stages_join_after_so_many_epochs(steps, learning):
    config = TrainConfig(
        pretrained="lenet5", optimizer="sgd", learning_rate=0.1, epochs=5, unfreeze_epochs=2
    )
    moved = moves(config, 10, steps)  # two steps an epoch
    assert {name for name, x in moved.items() if np.any(x)} == learning


def sweep(lenet, path, *grid, **options):
    asked = Sweep(grid=grid, folds=2)
    config = TrainConfig(pretrained=str(lenet), epochs=3, batch_size=64, **options)
    run_sweep(dataclasses.replace(config, out=path), asked, quiet())
    return json.loads((path / "result.json").read_text())


def test_heads_are_compared_on_features_that_are_computed_once(lenet, tmp_path):
    options = {"freeze": "body", "flip": True, "rate_decay": 0.5}  # of what is below a head: none
    result = sweep(lenet, tmp_path / "run", "learning_rate=1e-5,1e-3", **options)
    assert result["hyperparameters"] == {"learning_rate": 1e-3}
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 5  # 2 views of 2, and test
    chosen = tmp_path / "run" / "chosen"
    assert evaluate(chosen)[0] == pytest.approx(result["test"], rel=1e-4)  # on images
    before, after = weights(lenet), weights(chosen)
    assert before.keys() == after.keys()
    for name in before:
        assert np.array_equal(before[name], after[name]) != name.startswith("params/output"), name
    assert load_classifier(chosen).normalization == load_classifier(lenet).normalization
    assert resume_sweep(tmp_path / "run", quiet()) == tmp_path / "run"


@pytest.mark.parametrize("axis", ["shift=0,0.1", "flip=false,true"])
def test_what_changes_images_is_swept_on_images(lenet, tmp_path, axis):
    result = sweep(lenet, tmp_path / "run", axis, freeze="body")
    assert not (tmp_path / "cache" / "features").exists()
    assert result["test"]["accuracy"] > 0.9
    before, after = weights(lenet), weights(tmp_path / "run" / "chosen")
    assert np.array_equal(before["params/f6/kernel"], after["params/f6/kernel"])


def test_how_gently_the_rest_learns_is_an_axis(lenet, tmp_path):
    result = sweep(lenet, tmp_path / "run", "rate_decay=0.01,0.5", freeze="c1")
    assert result["test"]["accuracy"] > 0.9
    before, after = weights(lenet), weights(tmp_path / "run" / "chosen")
    for layer, same in (("c1", True), ("c3", False)):
        name = f"params/{layer}/kernel"
        assert np.array_equal(before[name], after[name]) == same


def test_another_network_is_no_axis_beside_pretrained_weights(lenet, tmp_path):
    with pytest.raises(ValueError, match="`model` cannot be an axis beside `pretrained`"):
        sweep(lenet, tmp_path / "run", "model=mlp,lenet5")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "found"), [("lenet5", True), ("lenet5_original", False), ("nin_cifar10", False)]
)
def test_only_a_dense_head_is_trained_by_itself(name, found):
    """The network of 1998 ends in distances to patterns, and NiN in a convolution."""
    config = TrainConfig(model=name, pretrained="any", freeze="body", image_size=32)
    model = make_model(name, 10)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), train=False)
    begun = Pretraining(variables, IDENTITY, {})
    assert (find_body(config, begun, open_splits(config), 1) is not None) == found
