"""An epoch: programs of many steps against programs of one; and what safety and streaming cost.

    python -m benchmarks.epoch

Real digits, batches of 64; each contestant trains on from its own state. "Unguarded" is the step
without the check that its loss and gradient are finite.
"""

import os
from collections.abc import Callable
from unittest.mock import patch

import jax
import jax.numpy as jnp

from benchmarks.alternate import alternate, print_table
from jaxvision import augment, optim
from jaxvision.data import digits, open_feed
from jaxvision.data.views import Fitted
from jaxvision.models import make_model
from jaxvision.train import init_state, make_train_step
from jaxvision.train.epoch import TrainEpoch
from jaxvision.train.step import all_finite

ROUNDS = 9
NETWORKS = (("mlp", 8), ("lenet5", 32), ("cifar_resnet20", 32))


def contestant(
    name: str,
    size: int,
    *,
    scan: bool = True,
    kind: str = "resident",
    guarded: bool = True,
    augmented: bool = False,
) -> Callable[[], None]:
    """A function that trains one more epoch and waits for it."""
    feed = open_feed(Fitted(digits()["train"], size, size), 64, seed=0, kind=kind)
    model, optimizer = make_model(name, 10), optim.adam(1e-3)
    change = augment.per_example(augment.random_affine(0.1, 0.1, 10.0, 10.0)) if augmented else None
    step = make_train_step(model, optimizer, normalize=lambda images: images / 255, augment=change)
    state = init_state(model, optimizer, jnp.zeros((1, size, size, 1)), jax.random.key(0))
    epoch = TrainEpoch(step, feed, scan=scan)
    check = all_finite if guarded else lambda tree: jnp.array(True)
    with patch("jaxvision.train.step.all_finite", check):
        epoch.program = epoch.lower(state).compile()
    made = 0

    def run():
        nonlocal state, made
        state, _ = epoch(state, made)
        made += 1
        jax.block_until_ready(state)

    return run


if __name__ == "__main__":
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores, {ROUNDS} rounds")
    for name, size in NETWORKS:
        seconds = alternate(
            {
                "one step a program": contestant(name, size, scan=False),
                "many steps a program": contestant(name, size),
                "the same, unguarded": contestant(name, size, guarded=False),
                "the same, streamed": contestant(name, size, kind="streaming"),
                "the same, affine augmentation": contestant(name, size, augmented=True),
            },
            ROUNDS,
        )
        examples = len(digits()["train"])
        print_table(f"{name}, {size} x {size}, {examples} images", seconds, examples, "images")
