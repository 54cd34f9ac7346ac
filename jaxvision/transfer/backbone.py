"""A network as the lower part of another: without its head, perhaps trained, perhaps frozen."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Key

from jaxvision.models import MODELS, Network, make_model
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.pretrained import load_pretrained
from jaxvision.pretrained.channel_order import for_rgb
from jaxvision.pretrained.named import parse_named
from jaxvision.train.state import Variables
from jaxvision.transfer.partition import parameters_below, partition
from jaxvision.transfer.stages import features_of, find_feature


class Pretraining(NamedTuple):
    """A backbone that has learned."""

    variables: Variables
    normalization: Normalization | None  # of the pixels that it has seen; None: nobody has said it
    options: dict[str, Any]  # attributes of the network


def load_backbone(pretrained: str, channels: int) -> Pretraining:
    """The weights of this name: MODEL, MODEL:WEIGHTS or MODEL:FILE.

    Raises:
        ValueError: if they are not those of the network, or of one with other channels.
        FileNotFoundError: if they are not where they should be.
        ConnectionError: if they are neither in the cache nor to be had.
    """
    named = parse_named(pretrained)
    found = load_pretrained(
        named.model,
        named.weights,
        file=named.file,
        num_classes=None,
        in_channels=channels,
        **_without_dense(make_model(named.model, None)),
    )
    normalization = None
    if found.preprocessing is not None:
        found = for_rgb(found)
        normalization = Normalization(found.preprocessing.mean, found.preprocessing.std)
    options = dict(found.known.options) if found.known else {}
    return Pretraining(found.variables, normalization, options)


def make_backbone(
    name: str,
    dtype: str,
    options: Mapping[str, Any] | None = None,
    networks: Mapping[str, Callable[..., Network]] = MODELS,
) -> Network:
    """The network of this name without a head and without hidden dense layers.

    Args:
        name: one of `networks`.
        dtype: what it computes in.
        options: its other attributes, as pretrained weights want them.
        networks: by their names.

    Raises:
        ValueError: if it is unknown or does not compute in the type that is asked for.
    """
    network = lookup("backbone", name, networks)(num_classes=None)
    attributes = dict(options or {}) | _without_dense(network)
    if dtype != "float32":
        if "dtype" not in {field.name for field in dataclasses.fields(network)}:
            raise ValueError(
                f"`dtype` cannot be chosen for {name}: leave it out, or take another backbone"
            )
        attributes["dtype"] = jnp.dtype(dtype)
    return network.clone(**attributes)


def begin_on_backbone(
    model: nn.Module,
    pretraining: Pretraining | None,
    image_shape: tuple[int, int, int],
    used: Iterable[str],
    freeze: str | None,
    key: Key[Array, ""],
) -> dict[str, Variables]:
    """What the training of a network on a backbone begins with, as `init_state` takes it.

    What of the backbone nothing depends on stays as it is: so nothing is computed there.

    Args:
        model: with a module `backbone`.
        pretraining: what the backbone begins with; None for drawn parameters.
        image_shape: [h, w, c].
        used: the features of the backbone that `model` looks at.
        freeze: what this feature is made of does not learn; None: all of it does.
        key: for what is drawn.

    Raises:
        ValueError: if there is no such feature to freeze.
    """
    images = jnp.zeros((1, *image_shape))
    drawn = jax.jit(lambda key: model.init(key, images, train=False))(key)
    variables = {"params": dict(drawn["params"]), "batch_stats": dict(drawn.get("batch_stats", {}))}
    if pretraining is not None:
        for name, own in pretraining.variables.items():
            if own:
                variables[name]["backbone"] = own
    of_backbone = {name: tree.get("backbone", {}) for name, tree in variables.items()}
    kept = not_learned(model.backbone, of_backbone, image_shape, used, freeze)
    if not kept:
        return {"variables": variables}
    frozen = {f"backbone/{name}" for name in kept}
    learning, still = partition(variables, lambda name: name not in frozen)
    return {"variables": learning, "frozen": still}


def not_learned(
    backbone: Network,
    variables: Variables,
    image_shape: tuple[int, int, int],
    used: Iterable[str],
    freeze: str | None,
) -> set[str]:
    """The backbone's parameters that are frozen, or that nothing depends on.

    Args:
        backbone: the network.
        variables: its own.
        image_shape: [h, w, c].
        used: the features that are looked at.
        freeze: what this feature is made of does not learn; None: all of it does.

    Raises:
        ValueError: if there is no such feature to freeze.
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    needed: set[str] = set()
    for feature in used:
        needed |= set(parameters_below(backbone, variables, image, feature))
    kept = set(flatten_dict(variables["params"], sep="/")) - needed
    if freeze is not None:
        frozen = find_feature(freeze, features_of(backbone, variables, image))
        kept |= set(parameters_below(backbone, variables, image, frozen))
    return kept


def _without_dense(network: Network) -> dict[str, Any]:
    """The attributes with which a network has no hidden dense layers."""
    has_some = any(field.name == "hidden" for field in dataclasses.fields(network))
    return {"hidden": ()} if has_some else {}
