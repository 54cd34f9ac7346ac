"""An epoch as one `lax.scan` against a loop over the compiled step: why `train/epoch.py` chooses.

    python -m benchmarks.epoch

Real digits, resident, batches of 64; each contestant trains on from its own state.
"""

import os

import jax
import jax.numpy as jnp

from benchmarks.alternate import alternate, print_table
from jaxvision import optim
from jaxvision.data.batches import ResidentFeed, load_resident
from jaxvision.data.sources import digits
from jaxvision.data.views import Fitted
from jaxvision.models import MLP, LeNet5
from jaxvision.train import init_state, make_train_step
from jaxvision.train.epoch import make_train_epoch

ROUNDS = 9


def contestant(model, feed, size, *, scan):
    """A function that trains one more epoch and waits for it."""
    optimizer = optim.adam(1e-3)
    step = make_train_step(model, optimizer, normalize=lambda images: images / 255)
    epoch = make_train_epoch(step, feed, scan=scan)
    state = init_state(model, optimizer, jnp.zeros((1, size, size, 1)), jax.random.key(0))

    def run():
        nonlocal state
        state, _ = epoch(state, 0)
        jax.block_until_ready(state)

    return run


if __name__ == "__main__":
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores, {ROUNDS} rounds")
    for name, model, size in (("MLP", MLP(10), 8), ("LeNet-5", LeNet5(10), 32)):
        feed = ResidentFeed(load_resident(Fitted(digits()["train"], size, size)), 64, seed=0)
        seconds = alternate(
            {
                "loop over the donated step": contestant(model, feed, size, scan=False),
                "one scan": contestant(model, feed, size, scan=True),
            },
            ROUNDS,
        )
        print_table(
            f"{name}, {size} x {size}, {feed.examples} images", seconds, feed.examples, "images"
        )
