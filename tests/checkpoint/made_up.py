"""Progress without training: every kind of array that a run has, different at each step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.train.fit import Progress
from jaxvision.train.state import TrainState


def made_up_progress(step: int = 0, *, width: int = 5, seed: int = 0) -> Progress:
    """What a run might be after `step` steps; `step` decides every value."""
    rng = np.random.default_rng([seed, step])

    def draw(*shape, dtype=jnp.float32):
        return jnp.asarray(rng.standard_normal(shape), dtype)

    def variables():
        return {
            "params": {
                "conv1": {"kernel": draw(3, 3, 1, width), "bias": draw(width)},
                "dense": {"kernel": draw(25, 20 * width)},
                "head": {"kernel": draw(width, 10), "half": draw(7, dtype=jnp.bfloat16)},
            },
            "batch_stats": {"norm": {"mean": draw(width)}},
        }

    now = variables()
    state = TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=now["params"],
        batch_stats=now["batch_stats"],
        opt_state=(jax.tree.map(jnp.square, now["params"]), {"best": jnp.asarray(jnp.inf)}),
        key=jax.random.key(seed),
    )
    epochs = range(1, min(step // 10, 20) + 1)
    history = tuple({"epoch": i, "step": 10 * i, "train": {"loss": i / 3}} for i in epochs)
    return Progress(
        state=state,
        best=variables(),
        best_epoch=len(history),
        history=history,
        totals={"loss": float(rng.standard_normal()) / 3, "count": 64.0},
    )


def bits(progress: Progress) -> tuple:
    """All of it as bytes and text: equal if, and only if, it is the same to the bit."""

    def raw(x):
        x = jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        return str(x.dtype), x.shape, np.asarray(x).tobytes()

    leaves, structure = jax.tree.flatten(progress)
    fields = {field.name: getattr(progress, field.name) for field in dataclasses.fields(progress)}
    statics = {name: value for name, value in fields.items() if name not in ("state", "best")}
    return [raw(x) for x in leaves], str(structure), repr(statics)
