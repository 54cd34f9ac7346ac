"""A small real problem that the training tests share: the digits as they are, 8 x 8, and an MLP."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

from jaxvision import optim
from jaxvision.data.batches import ResidentFeed, load_resident
from jaxvision.data.sources import digits
from jaxvision.data.splits import complete_splits
from jaxvision.models import MLP
from jaxvision.ops.normalization import normalization_of
from jaxvision.train import init_state, make_eval_step, make_train_step


class Problem(NamedTuple):
    model: Any
    optimizer: Any
    normalization: Any
    train_step: Any
    eval_step: Any
    train_feed: ResidentFeed
    validation_feed: ResidentFeed
    test_feed: ResidentFeed

    def state(self, seed=0):
        return init_state(self.model, self.optimizer, jnp.zeros((1, 8, 8, 1)), jax.random.key(seed))


@pytest.fixture(scope="session")
def problem():
    arrays = [load_resident(part) for part in complete_splits(digits())]
    model, optimizer = MLP(10, widths=(32,)), optim.adam(3e-3)
    normalization = normalization_of([arrays[0]["image"]])
    return Problem(
        model,
        optimizer,
        normalization,
        make_train_step(model, optimizer, normalize=normalization),
        make_eval_step(model, normalize=normalization),
        ResidentFeed(arrays[0], 64, seed=0),
        ResidentFeed(arrays[1], 50, seed=None),
        ResidentFeed(arrays[2], 100, seed=None),
    )
