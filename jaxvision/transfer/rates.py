"""Fine-tuning all of a network, gently: smaller steps, or later ones, the nearer to the image.

Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018, sections
3.2 and 3.3, https://arxiv.org/abs/1801.06146. What the first layers have learned is general, and a
new head's first gradients are noise. With D the depth of a parameter below the head, 0 there,

    discriminate          rate(D) = rate factor^D                      their factor: 1 / 2.6
    unfreeze_gradually    rate(D) = rate where D <= t / every, else 0

Both follow the optimizer in a chain, and hold for any:

    depths = depths_of(model, variables, images, ["stage1", "stage2", "stage3", "stage4"])
    optimizer = optax.chain(optim.adamw(1e-3), discriminate(depths, 0.4))
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, Int, PyTree

from jaxvision.hyperparameters import Scalar, Whole, require, require_whole
from jaxvision.optim.base import map_leaves, transformation
from jaxvision.transfer.partition import parameters_below

FACTOR = 1 / 2.6


class UnfreezeState(NamedTuple):
    """The clock of what has joined."""

    count: Int[Array, ""]  # updates made


def depths_of(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: Float[Array, "b h w c"] | jax.ShapeDtypeStruct,
    stages: Sequence[str],
) -> PyTree[int]:
    """How many stages of the network lie above each parameter, itself included; a tree of them.

    A parameter that no stage is made of, as those of the head, has depth 0; those that the first
    stage is made of have depth `len(stages)`.

    Args:
        variables: of the model, or their shapes.
        images: only shape and dtype matter.
        stages: names of features, from the image to the head.

    Raises:
        ValueError: if there is no stage, no such feature, or their order is another.
    """
    if not stages:
        raise ValueError("`stages` must name at least one feature, got none.")
    below = [set(parameters_below(model, variables, images, stage)) for stage in stages]
    for i in range(1, len(stages)):
        if not below[i - 1] < below[i]:
            raise ValueError(
                f"`stages` must go from the image to the head, but {stages[i]!r} is not made of "
                f"more than {stages[i - 1]!r}: put them in order, each once."
            )
    names = flatten_dict(dict(variables["params"]), sep="/")
    return unflatten_dict({n: sum(n in some for some in below) for n in names}, sep="/")


def discriminate(depths: PyTree[int], factor: Scalar = FACTOR) -> optax.GradientTransformation:
    """Multiplies each parameter's update by `factor` to the power of its depth.

    Args:
        depths: of the parameters that learn.
        factor: in (0, 1]; may be a traced array.

    Raises:
        ValueError: if `factor` is a number outside.
    """
    require("factor", factor, "(0, 1]")
    return optax.stateless(
        lambda updates, params: map_leaves(lambda u, depth: factor**depth * u, updates, depths)
    )


def unfreeze_gradually(depths: PyTree[int], every: Whole) -> optax.GradientTransformation:
    """Lets a stage more learn after every `every` updates: first the head, the first layers last.

    Until then a parameter does not move, but the optimizer before this one sees its gradient.

    Args:
        depths: of the parameters that learn.
        every: so many updates; may be a traced array.

    Raises:
        ValueError: if `every` is a number below 1, or not whole.
    """
    require_whole("every", every, low=1)

    def init(params):
        del params
        return UnfreezeState(count=jnp.zeros([], jnp.int32))

    def update(updates, state, params=None):
        del params
        updates = map_leaves(
            lambda u, depth: jnp.where(state.count >= depth * every, u, 0), updates, depths
        )
        return updates, UnfreezeState(count=state.count + 1)

    return transformation(UnfreezeState, init, update)
