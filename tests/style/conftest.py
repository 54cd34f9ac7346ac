"""A network small enough to compile at once, and pictures: no weights are needed."""

import os
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models.vgg import VGG
from jaxvision.ops.pooling import average_pool
from jaxvision.pretrained.preprocessing import IMAGENET
from jaxvision.style.encoder import as_encoder
from jaxvision.style.objective import Objective


@pytest.fixture(scope="session")
def encoder():
    """Five stages as VGG-16, 4 to 32 channels wide, drawn at random."""
    model = VGG(None, kernels=((3,), (3,), (3,), (3, 3), (3,)), width=4, hidden=())
    model = model.clone(pool=average_pool)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    return as_encoder(model, jax.device_get(variables), IMAGENET)


@pytest.fixture(scope="session")
def objective():
    return Objective()


@pytest.fixture(scope="session")
def picture():
    """(height, width, seed) -> a smooth picture in all colours."""

    def make(height, width, seed=0):
        random = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width] / 16
        waves = [np.sin(a * x + b * y + c) for a, b, c in random.uniform(0, 3, (3, 3))]
        noise = random.normal(scale=0.05, size=(height, width, 3))
        return np.clip((1 + np.stack(waves, axis=2)) / 2 + noise, 0, 1).astype(np.float32)

    return make


@pytest.fixture
def stopped(tmp_path):
    """(script, name, signal) -> exit code and output of a real process in `tmp_path`.

    It is sent the signal once there is a file of that name.
    """

    def run(script, name, sent):
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        )
        deadline = time.monotonic() + 120
        while not (tmp_path / name).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(sent)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    return run
