"""A training on so many virtual devices of this CPU, for test_mesh.py; run as a process of its own.

python tests/train/on_devices.py OUT MESH DTYPE STEPS: trains a small network with batch
normalisation on the digits, and writes each step's loss and the final parameters to OUT.
"""

import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxvision import optim
from jaxvision.data import complete_splits, digits, open_feed
from jaxvision.models.layers import BatchNorm, Conv
from jaxvision.train import evaluate, init_state, make_eval_step, make_train_step
from jaxvision.train.epoch import TrainEpoch
from jaxvision.train.mesh import gather_on, make_mesh, parse_mesh, shardings_on

out, axes, dtype, steps = sys.argv[1:]


class Network(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        x = Conv(16, 3, padding=1, name="conv1")(images)
        x = BatchNorm(train, relu=True, name="bn1")(x)
        x = Conv(32, 3, stride=2, padding=1, name="conv2")(x)
        x = BatchNorm(train, relu=True, name="bn2")(x)
        return nn.Dense(10, name="head")(x.mean(axis=(1, 2))), {}


def wide(tree):
    return jax.tree.map(lambda x: x.astype(dtype) if x.dtype == jnp.float32 else x, tree)


def main():
    mesh = None if axes == "none" else make_mesh(parse_mesh(axes))
    splits = complete_splits(digits())
    train, validation = (
        open_feed(part, 32, seed=0, mesh=mesh) for part in (splits.train, splits.validation)
    )
    model, optimizer = Network(), optim.momentum(0.01, 0.9)
    options = {} if mesh is None else {"gather": gather_on(mesh)}

    def normalize(images):
        return images.astype(dtype) / 255

    train_step = make_train_step(model, optimizer, normalize=normalize, **options)
    where = None if mesh is None else shardings_on(mesh)
    state = init_state(
        model, optimizer, jnp.zeros((1, 8, 8, 1)), jax.random.key(0), shardings=where
    )
    if dtype == "float64":
        opt_state = optimizer.init(wide(state.params))
        state = state.replace(
            params=wide(state.params), batch_stats=wide(state.batch_stats), opt_state=opt_state
        )
        if where is not None:
            state = jax.jit(lambda s: s, out_shardings=where(jax.eval_shape(lambda: state)))(state)
    train_epoch, losses = TrainEpoch(train_step, train), []
    for epoch in range(-(-int(steps) // train.steps)):
        state, totals = train_epoch(state, epoch)
        losses.append(totals["loss"] / totals["count"])
    eval_step = make_eval_step(model, normalize=normalize)
    kernel = state.params["conv2"]["kernel"]
    np.savez(
        out,
        losses=np.concatenate(losses)[: int(steps)],
        validation=evaluate(state.variables, eval_step, validation)["loss"],
        # Of the largest array, what the first device has.
        kernel_part=kernel.addressable_shards[0].data.size / kernel.size,
        moment_part=max(
            (x.size, x.addressable_shards[0].data.size / x.size)
            for x in jax.tree.leaves(state.opt_state)
        )[1],
        **{
            jax.tree_util.keystr(k): v for k, v in jax.tree_util.tree_leaves_with_path(state.params)
        },
    )


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", dtype == "float64")
    main()
