"""The gradient of each example's loss against that of their mean: LeNet-5 at 28 x 28.

    python -m benchmarks.per_example_gradients
    python -m benchmarks.per_example_gradients --examples 200 --rounds 21

"the mean" is one gradient of the batch. The others are the gradients of all examples: as
`jaxvision.inspect.gradients.per_example_gradients` does it, eight side by side, and all of them.
"""

import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks.alternate import alternate, print_table
from jaxvision.inspect.gradients import per_example_gradients
from jaxvision.models.lenet import LeNet5
from jaxvision.ops.losses import categorical_cross_entropy

CLASSES = 10


def main(examples: int = 1000, rounds: int = 11, all_at_once: bool = True) -> None:
    """Times all ways in turn.

    Args:
        examples: images of 28 x 28.
        rounds: times that each way is timed.
        all_at_once: time the one `vmap` of all examples too, which takes the most memory.
    """
    model = LeNet5(CLASSES)
    images = np.random.default_rng(0).normal(size=(examples, 28, 28, 1))
    batch = {
        "image": jnp.asarray(images, jnp.float32),
        "label": jnp.arange(examples) % CLASSES,
    }
    params = model.init(jax.random.key(0), batch["image"][:1], train=False)["params"]

    def loss(params, batch):
        logits, _ = model.apply({"params": params}, batch["image"], train=False)
        return categorical_cross_entropy(logits, batch["label"])

    def of_one(params, example):
        return loss(params, jax.tree.map(lambda a: a[None], example))[0]

    each = jax.grad(of_one)
    ways = {
        "the mean": jax.jit(jax.grad(lambda params, batch: jnp.mean(loss(params, batch)))),
        "of each, as the library does": partial(per_example_gradients, loss),
        "of each, eight side by side": partial(per_example_gradients, loss, at_once=8),
    }
    if all_at_once:
        ways["of each, all side by side"] = jax.jit(jax.vmap(each, (None, 0)))
    seconds = alternate(
        {
            name: lambda way=way: jax.block_until_ready(way(params, batch))
            for name, way in ways.items()
        },
        rounds,
    )
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}, {os.cpu_count()} CPU cores")
    print_table(f"LeNet-5, {examples} images, {rounds} rounds", seconds, examples, "images")
    first, ours, *_ = seconds.values()
    print(f"\nThe gradients of all examples take {ours / first:.2f} times that of their mean.")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
