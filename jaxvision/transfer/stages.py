"""The stages of a network: what to freeze, or to learn at a rate of its own, by their number.

Most networks call them stage1, stage2, ...; DenseNets have blocks; and where neither is there, as
in VGG and AlexNet, a pool ends each.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from jaxvision.names import lookup
from jaxvision.transfer.partition import parameters_below

FAMILIES = ("stage", "block", "pool")


def features_of(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: Float[Array, "b h w c"] | jax.ShapeDtypeStruct,
) -> dict[str, jax.ShapeDtypeStruct]:
    """The features of `model` and their shapes, from the image to the head.

    Args:
        variables: of the model, or their shapes.
        images: only shape and dtype matter.
    """
    names: list[str] = []

    def features(variables, images):
        found = model.apply(variables, images, train=False)[1]
        names.extend(found)  # in their order, which a tree of JAX does not keep
        return found

    shapes = jax.eval_shape(features, variables, images)
    return {name: shapes[name] for name in names}


def find_stages(features: Iterable[str]) -> list[str]:
    """The features that end a stage, in their order; [] for a network that has no stages."""
    for family in FAMILIES:
        found = [name for name in features if re.fullmatch(rf"{family}\d+", name)]
        if found:
            return found
    return []


def find_feature(name: str, features: Iterable[str]) -> str:
    """The feature of this name; "stage3" is the third stage whatever the network calls it.

    Raises:
        ValueError: if there is no such feature; names all.
    """
    features = list(features)
    stages = {f"stage{i}": stage for i, stage in enumerate(find_stages(features), 1)}
    return lookup("feature", name, stages | {feature: feature for feature in features})


def depth_features(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: Float[Array, "b h w c"] | jax.ShapeDtypeStruct,
) -> list[str]:
    """The features to tell the depth of parameters by (`depths_of`): stages, or else all layers.

    Raises:
        ValueError: if the network has no features that parameters are below.
    """
    features = list(features_of(model, variables, images))
    stages, below, growing = find_stages(features), 0, []
    for feature in stages or features:
        count = len(parameters_below(model, variables, images, feature))
        if count > below:
            below = count
            growing.append(feature)
    if not growing:
        raise ValueError(
            f"`model` must have layers below its head, got one with the features "
            f"{', '.join(features) or 'none'}: choose another network."
        )
    return growing
