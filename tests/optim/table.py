"""The optimizers that every contract is held against, each with a reference or two.

A row: how to make ours from its hyperparameters, Optax's call that means the same (None where there
is none), the algorithm unrolled in double precision, and how far float32 may carry each apart.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
import pytest

from jaxvision import optim
from tests.optim import unrolled


class Row(NamedTuple):
    name: str
    ours: Callable
    settings: dict[str, Any]
    theirs: optax.GradientTransformation | None
    unrolled: Callable | None
    # Twenty steps of sums without cancellation: a few units in the last place of float32 (6e-8).
    rtol: float = 2e-6
    # Optax computes 1 - b**t in float32, which is off by up to 3e-5 at b = .999; ours is exact.
    rtol_theirs: float = 2e-6

    def make(self, **changes):
        return self.ours(**self.settings | changes)

    def is_static(self, name):
        return callable(self.settings[name])


def decaying(count):
    return 0.1 / (1 + count)


def dropping(count):
    return jnp.where(count < 7, 0.1, 0.01)


ALL = optim.everything
ROWS = [
    Row("sgd", optim.sgd, {"learning_rate": 0.1}, optax.sgd(0.1), unrolled.sgd),
    Row(
        "momentum",
        optim.momentum,
        {"learning_rate": 0.1, "gamma": 0.9},
        optax.sgd(0.1, momentum=0.9),
        unrolled.momentum,
    ),
    Row(
        "heavy_ball",
        optim.heavy_ball,
        {"learning_rate": 0.1, "beta": 0.8},
        optax.sgd(0.1, momentum=0.8),
        unrolled.heavy_ball,
    ),
    Row(
        "ema_momentum",
        optim.ema_momentum,
        {"learning_rate": 0.1, "a": 0.3},
        optax.chain(optax.ema(0.7, debias=False), optax.scale(-0.1)),
        unrolled.ema_momentum,
    ),
    Row(
        "nesterov",
        optim.nesterov,
        {"learning_rate": 0.1, "mu": 0.9},
        optax.sgd(0.1, momentum=0.9, nesterov=True),
        unrolled.nesterov,
    ),
    Row(
        "adagrad",
        optim.adagrad,
        {"learning_rate": 0.1, "eps": 1e-3, "initial": 0.1},
        optax.adagrad(0.1, initial_accumulator_value=0.1, eps=1e-3),
        unrolled.adagrad,
    ),
    Row(
        "rmsprop",
        optim.rmsprop,
        {"learning_rate": 0.1, "rho": 0.8, "eps": 1e-3},
        optax.rmsprop(0.1, decay=0.8, eps=1e-3),
        unrolled.rmsprop,
    ),
    Row(
        "rmsprop-momentum",
        optim.rmsprop,
        {"learning_rate": 0.1, "rho": 0.8, "eps": 1e-3, "momentum": 0.7},
        optax.rmsprop(0.1, decay=0.8, eps=1e-3, momentum=0.7),
        unrolled.rmsprop,
    ),
    Row(
        "centered_rmsprop",
        optim.centered_rmsprop,
        {"learning_rate": 0.1, "rho": 0.8, "eps": 1e-3},
        optax.rmsprop(0.1, decay=0.8, eps=1e-3, centered=True),
        unrolled.centered_rmsprop,
        rtol=1e-5,  # E - m^2 loses a digit
        rtol_theirs=1e-5,
    ),
    Row(
        "centered_rmsprop-momentum",
        optim.centered_rmsprop,
        {"learning_rate": 0.1, "rho": 0.8, "eps": 1e-3, "momentum": 0.7},
        optax.rmsprop(0.1, decay=0.8, eps=1e-3, centered=True, momentum=0.7),
        unrolled.centered_rmsprop,
        rtol=1e-5,
        rtol_theirs=1e-5,
    ),
    Row(
        "adadelta",
        optim.adadelta,
        {"learning_rate": 10.0, "rho": 0.8, "eps": 1e-3},
        optax.adadelta(10.0, rho=0.8, eps=1e-3),
        unrolled.adadelta,
    ),
    Row(
        "adam",
        optim.adam,
        {"learning_rate": 0.1, "b1": 0.9, "b2": 0.999, "eps": 1e-2, "eps_root": 1e-3},
        optax.adam(0.1, eps=1e-2, eps_root=1e-3),
        unrolled.adam,
        rtol_theirs=5e-5,
    ),
    Row(
        "adam-short-memory",
        optim.adam,
        {"learning_rate": 0.1, "b1": 0.0, "b2": 0.0, "eps": 1e-2, "eps_root": 0.0},
        optax.adam(0.1, 0.0, 0.0, eps=1e-2),
        unrolled.adam,
    ),
    Row(
        "adam_uncorrected",
        optim.adam_uncorrected,
        {"learning_rate": 0.1, "b1": 0.9, "b2": 0.999, "eps": 1e-3},
        None,
        unrolled.adam_uncorrected,
        rtol=5e-6,
    ),
    Row(
        "adamw",
        optim.adamw,
        {
            "learning_rate": 0.1,
            "b1": 0.8,
            "b2": 0.9,
            "eps": 1e-2,
            "eps_root": 1e-3,
            "weight_decay": 0.3,
            "mask": ALL,
        },
        optax.adamw(0.1, b1=0.8, b2=0.9, eps=1e-2, eps_root=1e-3, weight_decay=0.3),
        None,  # looks at the parameters as well
        rtol_theirs=5e-6,
    ),
    Row(
        "nadam",
        optim.nadam,
        {"learning_rate": 0.1, "b1": 0.9, "b2": 0.999, "eps": 1e-2},
        optax.nadam(0.1, eps=1e-2),
        unrolled.nadam,
        rtol_theirs=5e-5,
    ),
    Row(
        "adamax",
        optim.adamax,
        {"learning_rate": 0.1, "b1": 0.9, "b2": 0.8, "eps": 1e-2},
        optax.adamax(0.1, b2=0.8, eps=1e-2),
        unrolled.adamax,
    ),
]


def _each(rows):
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


each_optimizer = _each(ROWS)
each_of_optax = _each([row for row in ROWS if row.theirs is not None])
each_unrolled = _each([row for row in ROWS if row.unrolled is not None])
