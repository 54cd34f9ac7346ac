"""A network with a frozen part through all of the engine: epochs, checkpoints, sweeps, devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.checkpoint import restore_checkpoint, save_checkpoint
from jaxvision.data import ResidentFeed, digits, load_resident
from jaxvision.data.folds import stratified_folds
from jaxvision.data.views import Subset
from jaxvision.models import MLP
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.selection import Plan, grid, sweep_lanes
from jaxvision.train import evaluate, fit, init_state, make_eval_step, make_train_step, start
from jaxvision.train.epoch import TrainEpoch
from jaxvision.train.job import Job
from jaxvision.train.mesh import gather_on, on_host, shardings_on
from jaxvision.transfer import partition

DATA = load_resident(Subset(digits()["train"], np.arange(200)))
IMAGE = jnp.zeros((1, 8, 8, 1))
MODEL = MLP(10, widths=(16, 12))
VARIABLES = MODEL.init(jax.random.key(5), IMAGE, train=False)
LEARNING, FROZEN = partition(VARIABLES, ["head"])


def normalize(images):
    return images.astype(jnp.float32) / 16 - 0.5


def begin(optimizer, key=None):
    key = jax.random.key(0) if key is None else key
    return init_state(MODEL, optimizer, IMAGE, key, variables=LEARNING, frozen=FROZEN)


def steps_of(optimizer):
    return make_train_step(MODEL, optimizer, normalize=normalize)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name):
    optimizer = OPTIMIZERS[name](0.01)
    feed = ResidentFeed(DATA, 50, seed=0)
    eval_step = make_eval_step(MODEL, normalize=normalize)
    before = evaluate(VARIABLES, eval_step, feed)
    state, history = fit(begin(optimizer), steps_of(optimizer), eval_step, feed, feed, epochs=2)
    chex.assert_trees_all_equal(state.frozen, jax.tree.map(np.asarray, FROZEN))
    assert history[-1]["validation"]["loss"] != before["loss"]
    assert evaluate(state.variables, eval_step, feed) == history[-1]["validation"]


def test_a_checkpoint_has_it(tmp_path):
    optimizer = OPTIMIZERS["adam"](0.01)
    progress = start(begin(optimizer))
    save_checkpoint(tmp_path, progress)
    other = jax.tree.map(lambda x: x + 1, FROZEN)
    like = start(
        init_state(MODEL, optimizer, IMAGE, jax.random.key(1), variables=LEARNING, frozen=other)
    )
    restored, _ = restore_checkpoint(tmp_path, like)
    chex.assert_trees_all_equal(restored.state.frozen, progress.state.frozen)
    chex.assert_trees_all_equal(restored.best, progress.best)
    whole = init_state(MODEL, optimizer, IMAGE, jax.random.key(1))
    with pytest.raises(ValueError, match=r"frozen"):
        restore_checkpoint(tmp_path, start(whole))


@pytest.mark.parametrize("chunk", [None, 4])
def test_lanes_of_a_sweep(chunk):
    def make_run(hyperparameters, steps):
        optimizer = OPTIMIZERS["adam"](hyperparameters["learning_rate"])
        eval_step = make_eval_step(MODEL, normalize=normalize)
        return Job(lambda key: begin(optimizer, key), steps_of(optimizer), eval_step)

    plan = Plan(make_run, DATA, stratified_folds(DATA["label"], 2, seed=0), 2, 25)
    for one in sweep_lanes(plan, grid({"learning_rate": (1e-3, 1e-2)}), chunk=chunk):
        for layer, frozen in FROZEN["params"].items():
            chex.assert_trees_all_equal(one.best["params"][layer], jax.tree.map(np.asarray, frozen))
        moved = one.best["params"]["head"]["kernel"] - VARIABLES["params"]["head"]["kernel"]
        assert np.abs(moved).max() > 1e-4


def losses_on(mesh):
    """Of two epochs of training, on the devices of `mesh` or on one."""
    feed = ResidentFeed(DATA, 40, seed=0, mesh=mesh)
    optimizer = OPTIMIZERS["momentum"](0.1)
    several = {} if mesh is None else {"gather": gather_on(mesh)}
    where = {} if mesh is None else {"shardings": shardings_on(mesh)}
    given = {"variables": LEARNING, "frozen": FROZEN}
    state = init_state(MODEL, optimizer, IMAGE, jax.random.key(0), **given, **where)
    train_epoch = TrainEpoch(
        make_train_step(MODEL, optimizer, normalize=normalize, **several), feed
    )
    losses = []
    for epoch in range(2):
        state, totals = train_epoch(state, epoch)
        losses += (totals["loss"] / totals["count"]).tolist()
    return losses, on_host(state.frozen)


@pytest.mark.parametrize("axes", ["data=4", "data=2,model=2"])
def test_on_several_devices(axes):
    code = (
        "import json, tests.transfer.test_training as here\n"
        "from jaxvision.train.mesh import make_mesh, parse_mesh\n"
        f"losses, frozen = here.losses_on(make_mesh(parse_mesh({axes!r})))\n"
        "whole = here.jax.tree.map(here.np.asarray, here.FROZEN)\n"
        "here.chex.assert_trees_all_equal(frozen, whole)\n"
        "print(json.dumps(losses))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"},
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), losses_on(None)[0], rtol=1e-6)
