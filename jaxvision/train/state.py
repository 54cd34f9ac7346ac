"""The train state: all that a step changes, and nothing else."""

from collections.abc import Callable

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key, Num, PyTree

from jaxvision.optim import start_average

Variables = dict[str, PyTree]  # {"params": ..., "batch_stats": ...}, what `model.apply` takes


@flax.struct.dataclass
class TrainState:
    """Only arrays, so it *is* the checkpoint; the step closes over model, optimizer and loss.

    All fields are declared as trees, because JAX makes states of what describes arrays, too: of
    their shapes, or of where they lie.
    """

    step: PyTree  # int32 []: steps made, those that were left out included
    params: PyTree
    batch_stats: PyTree  # {} for a model without batch normalisation
    opt_state: PyTree
    key: PyTree  # never advanced: step t uses fold_in(key, t), so a resumed run repeats it
    average: PyTree = None  # an AverageState of the variables; None: not kept

    @property
    def variables(self) -> Variables:
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def eval_variables(self) -> Variables:
        """What to evaluate and to keep: the average of the variables where one is kept."""
        return self.variables if self.average is None else self.average.average


def init_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    images: Num[Array, "b h w c"],
    key: Key[Array, ""],
    *,
    average: bool = False,
    shardings: Callable[[PyTree], PyTree] | None = None,
) -> TrainState:
    """Draws the parameters of `model` for `images` of this shape, and starts `optimizer` on them.

    Args:
        images: only shape and dtype matter; one image is enough.
        key: decides the parameters, and all randomness of the training to come.
        average: whether an average of the variables is kept, see `make_train_step`.
        shardings: how the state's arrays lie on many devices (`train.mesh`): a function of their
            shapes. None for one device.
    """

    def init(key, images):
        init_key, run_key = jax.random.split(key)
        variables = model.init(init_key, images, train=False)
        state = TrainState(
            step=jnp.zeros([], jnp.int32),
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(variables["params"]),
            key=run_key,
        )
        return state.replace(average=start_average(state.variables)) if average else state

    images = images.astype(jnp.float32)
    where = shardings(jax.eval_shape(init, key, images)) if shardings else None
    # Compiled, because running the initialisers one by one compiles each of them by itself; and so
    # that what lies on many devices is never whole on one.
    return jax.jit(init, out_shardings=where)(key, images)
