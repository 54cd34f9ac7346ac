"""What the pictures are of: a pure function from images to logits and features by name.

    network = lambda images: model.apply(variables, images, train=False)

Any model of `jaxvision.models` gives one, and so does whatever else returns (logits, features). If
pixels are to be normalised, the function does it. Each image's outputs must depend on that image
alone, as they do in evaluation: the derivatives of a whole batch are taken at once.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer

from jaxvision.names import lookup

Network: TypeAlias = Callable[
    [Float[Array, "b h w c"]], tuple[Float[Array, "b k"], Mapping[str, Array]]
]
Classes: TypeAlias = Integer[Array, " b"] | Integer[np.ndarray, " b"] | None


def run(network: Network, images: Float[Array, "b h w c"]) -> tuple[Array, Mapping[str, Array]]:
    """`network(images)`, held to what a network returns.

    Raises:
        ValueError: if it returns something else than logits [b, k] and a dict of features.
    """
    result = network(images)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
        raise ValueError(
            f"`network` must return (logits, features by name), got {_describe(result)}: wrap it, "
            "`lambda images: (model(images), {})` if it has no features."
        )
    return result


def feature_of(
    features: Mapping[str, Array], feature: str, channel: int | None = None
) -> Float[Array, "b ..."]:
    """The feature of that name, held to have the `channel`, if one is asked for.

    Raises:
        ValueError: if there is none of that name, or not so many channels.
    """
    value = lookup("feature", feature, features)
    if channel is not None and not 0 <= channel < value.shape[-1]:
        raise ValueError(
            f"`channel` must be from 0 to {value.shape[-1] - 1} for `{feature}`, got {channel}."
        )
    return value


def spatial_feature_of(
    features: Mapping[str, Array], feature: str, channel: int | None = None
) -> Float[Array, "b i j n"]:
    """As `feature_of`, for what needs rows and columns.

    Raises:
        ValueError: likewise, or if the feature has none.
    """
    value = feature_of(features, feature, channel)
    if value.ndim != 4:
        grids = [name for name, other in features.items() if other.ndim == 4]
        raise ValueError(
            f"`feature` must be [b, h, w, c], got {feature!r} of shape {list(value.shape)}: take "
            f"one of {', '.join(grids) or 'a convolutional network'}."
        )
    return value


def chosen_classes(logits: Float[Array, "b ..."], classes: Classes) -> Int[Array, " b"]:
    """The `classes`, or each image's most probable one.

    Raises:
        ValueError: if the logits are not [b, k], or `classes` are not one of k for each image.
    """
    if logits.ndim != 2:
        raise ValueError(
            f"`network` must return logits [b, k], got shape {list(logits.shape)}: pictures of "
            "classes need a classifier."
        )
    if classes is None:
        return jnp.argmax(logits, axis=-1)
    b, k = logits.shape
    # Traced classes have no values to look at yet.
    values = None if isinstance(classes, jax.core.Tracer) else np.asarray(classes)
    if classes.shape != (b,) or (values is not None and not ((values >= 0) & (values < k)).all()):
        given = f"shape {list(classes.shape)}" if values is None else values.tolist()
        raise ValueError(
            f"`classes` must be one of 0 to {k - 1} for each of {b} images, got {given}."
        )
    return jnp.asarray(classes)


def class_scores(values: Float[Array, "b ..."], classes: Classes) -> Float[Array, " b"]:
    """Of each image the value of its class. Arguments and errors of `chosen_classes`."""
    chosen = chosen_classes(values, classes)
    return jnp.take_along_axis(values, chosen[:, None], axis=1)[:, 0]


def _describe(result: Any) -> str:
    shape = getattr(result, "shape", None)
    return type(result).__name__ if shape is None else f"an array of shape {list(shape)}"
