"""How a training goes on from a network that has learned: what is kept, and what moves how fast."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Key

from jaxvision.hyperparameters import Scalar
from jaxvision.ops.normalization import Normalization
from jaxvision.train.state import Variables
from jaxvision.transfer import (
    combine,
    depths_of,
    discriminate,
    parameters_below,
    partition,
    replace_head,
    unfreeze_gradually,
)
from jaxvision.transfer.head import head_of
from jaxvision.transfer.stages import depth_features, features_of, find_feature

BODY = "body"  # all but the head


class Pretraining(NamedTuple):
    """A network that has learned, to go on with."""

    variables: Variables  # with its own head, or none
    normalization: Normalization | None  # of the pixels that it has seen; None: nobody has said it
    options: dict[str, Any]  # attributes of the network


def begin(
    variables: Variables,
    model: nn.Module,
    freeze: str | None,
    image_shape: tuple[int, ...],
    key: Key[Array, ""],
) -> dict[str, Variables]:
    """What a training begins with, as `init_state` takes it: `variables` under a new head.

    Args:
        variables: of the network, with any head or none.
        model: with the new head.
        freeze: a feature; what it is made of stays as it is. `BODY`: all but the head.
        image_shape: [h, w, c].
        key: decides the head.

    Raises:
        ValueError: if the network has no such feature, or the variables are not those of the
            network for such images.
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    variables = replace_head(model, variables, model.num_classes, image, key)[1]
    if freeze is None:
        return {"variables": variables}
    if freeze == BODY:
        learning, frozen = partition(variables, [head_of(variables["params"])])
    else:
        feature = find_feature(freeze, features_of(model, variables, image))
        below = set(parameters_below(model, variables, image, feature))
        learning, frozen = partition(variables, lambda name: name not in below)
    return {"variables": learning, "frozen": frozen}


def slow_down(
    optimizer: optax.GradientTransformation,
    model: nn.Module,
    begun: dict[str, Variables],
    image_shape: tuple[int, ...],
    rate_decay: Scalar,
    unfreeze_steps: int,
) -> optax.GradientTransformation:
    """`optimizer`, with smaller steps or a later beginning the further below the head.

    Args:
        model: with the new head.
        begun: what `begin` returns, or the shapes of it.
        image_shape: [h, w, c].
        rate_decay: the rate of a stage, as a part of that of the stage above it.
        unfreeze_steps: a stage more learns after so many steps; 0: all at once.

    Raises:
        ValueError: if the network has nothing below its head.
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    variables = combine(*begun.values())
    stages = depth_features(model, variables, image)
    every = flatten_dict(depths_of(model, variables, image, stages))
    learning = flatten_dict(dict(begun["variables"]["params"]))
    depths = unflatten_dict({path: every[path] for path in learning})
    slower = [optimizer, discriminate(depths, rate_decay)]
    if unfreeze_steps:
        slower.append(unfreeze_gradually(depths, unfreeze_steps))
    return optax.chain(*slower)
