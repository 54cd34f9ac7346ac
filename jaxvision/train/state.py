"""The train state: all that a step changes, and nothing else."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, Num, PyTree

Variables = dict[str, PyTree]  # {"params": ..., "batch_stats": ...}, what `model.apply` takes


@flax.struct.dataclass
class TrainState:
    """Only arrays, so it *is* the checkpoint; the step closes over model, optimizer and loss."""

    step: Int[Array, ""]  # steps made
    params: PyTree
    batch_stats: PyTree  # {} for a model without batch normalisation
    opt_state: PyTree
    key: Key[Array, ""]  # never advanced: step t uses fold_in(key, t), so a resumed run repeats it

    @property
    def variables(self) -> Variables:
        return {"params": self.params, "batch_stats": self.batch_stats}


def init_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    images: Num[Array, "b h w c"],
    key: Key[Array, ""],
) -> TrainState:
    """Draws the parameters of `model` for `images` of this shape, and starts `optimizer` on them.

    Args:
        images: only shape and dtype matter; one image is enough.
        key: decides the parameters, and all randomness of the training to come.
    """

    # Compiled, because running the initialisers one by one compiles each of them by itself.
    @jax.jit
    def init(key, images):
        init_key, run_key = jax.random.split(key)
        variables = model.init(init_key, images, train=False)
        return TrainState(
            step=jnp.zeros([], jnp.int32),
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(variables["params"]),
            key=run_key,
        )

    return init(key, images.astype(jnp.float32))
