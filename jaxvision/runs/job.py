"""What the jobs of all tasks share: the settings of their steps, and how a state begins."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Key

from jaxvision.train.mesh import gather_on, shardings_on
from jaxvision.train.state import TrainState, Variables, init_state


def step_options(config: Any, mesh: Mesh | None) -> dict[str, Any]:
    """What `make_train_step` is told beside what is learned.

    Args:
        config: with `accumulate` and `average_decay`.
        mesh: the devices; None for one.
    """
    averaged = {} if config.average_decay is None else {"average_decay": config.average_decay}
    whole = {} if mesh is None else {"gather": gather_on(mesh)}
    return {"accumulate": config.accumulate, **averaged, **whole}


def initializer(
    config: Any,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    image_shape: tuple[int, ...],
    mesh: Mesh | None,
    begin: Callable[[Key[Array, ""]], dict[str, Variables]] | None = None,
) -> Callable[[Key[Array, ""]], TrainState]:
    """How the state begins, from a key.

    Args:
        config: with `average_decay`.
        model: what learns.
        optimizer: what it learns by.
        image_shape: of one input of the model.
        mesh: the devices; None for one.
        begin: the variables to begin with, as `init_state` takes them; None for drawn ones.
    """

    def init(key: Key[Array, ""]) -> TrainState:
        return init_state(
            model,
            optimizer,
            jnp.zeros((1, *image_shape)),
            key,
            **({} if begin is None else begin(jax.random.split(key)[0])),
            average=config.average_decay is not None,
            shardings=None if mesh is None else shardings_on(mesh),
        )

    return init
