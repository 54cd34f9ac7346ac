"""The train state: all that a step changes, and nothing else."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
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
    average: PyTree = None  # an AverageState of the variables that learn; None: not kept
    frozen: PyTree = None  # Variables that stay as they are, none of which are above; None: none

    @property
    def learning(self) -> Variables:
        """The variables that training changes."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def variables(self) -> Variables:
        return self._with_frozen(self.learning)

    @property
    def eval_variables(self) -> Variables:
        """What to evaluate and to keep: the average of the variables where one is kept."""
        return self._with_frozen(self.learning if self.average is None else self.average.average)

    def with_variables(self, variables: Variables) -> "TrainState":
        """This state with `variables` for its own; those that are frozen are not taken."""
        if self.frozen is None:
            return self.replace(**variables)
        learning = {}
        for name, own in self.learning.items():
            whole = flatten_dict(variables[name])
            learning[name] = unflatten_dict({path: whole[path] for path in flatten_dict(own)})
        return self.replace(**learning)

    def _with_frozen(self, learning: Variables) -> Variables:
        return learning if self.frozen is None else combine(learning, self.frozen)


def init_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    images: Num[Array, "b ..."],
    key: Key[Array, ""],
    *,
    variables: Variables | None = None,
    frozen: Variables | None = None,
    average: bool = False,
    shardings: Callable[[PyTree], PyTree] | None = None,
) -> TrainState:
    """Draws the parameters of `model` for `images` of this shape, and starts `optimizer` on them.

    Args:
        images: what the model takes; only shape and dtype matter, and one is enough.
        key: decides the parameters, and all randomness of the training to come.
        variables: what learning begins with, instead of drawn ones.
        frozen: the other variables of the model, which stay as they are: `transfer.partition` takes
            apart what it has. Neither gradients nor optimizer states are kept for them, and batch
            norms among them normalise by their statistics.
        average: whether an average of the variables is kept, see `make_train_step`.
        shardings: how the state's arrays lie on many devices (`train.mesh`): a function of their
            shapes. None for one device.

    Raises:
        ValueError: if there are `frozen` variables, and none that learn.
    """

    if frozen is not None and variables is None:
        raise ValueError("`variables` must be given with `frozen`: the part that learns.")

    def init(key, images, variables, frozen):
        init_key, run_key = jax.random.split(key)
        if variables is None:
            variables = model.init(init_key, images, train=False)
        state = TrainState(
            step=jnp.zeros([], jnp.int32),
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(variables["params"]),
            key=run_key,
            frozen=frozen,
        )
        return state.replace(average=start_average(state.learning)) if average else state

    images = images.astype(jnp.float32)
    given = key, images, variables, frozen
    where = shardings(jax.eval_shape(init, *given)) if shardings else None
    # Compiled, because running the initialisers one by one compiles each of them by itself; and so
    # that what lies on many devices is never whole on one.
    return jax.jit(init, out_shardings=where)(*given)


def combine(*parts: Mapping[str, PyTree]) -> dict[str, PyTree]:
    """The tree that has the leaves of all `parts`: what `transfer.partition` took apart.

    Raises:
        ValueError: if two of them have a leaf of one name.
    """
    whole: dict[tuple[str, ...], PyTree] = {}
    for part in parts:
        leaves = flatten_dict(dict(part))
        if twice := whole.keys() & leaves.keys():
            names = ", ".join(sorted("/".join(path) for path in twice))
            raise ValueError(f"`parts` must not have leaves in common, got two of {names}.")
        whole |= leaves
    return {name: {} for part in parts for name in part} | unflatten_dict(whole)
