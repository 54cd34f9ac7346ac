"""Which variables of a network learn, and which stay as they are.

    learning, frozen = partition(variables, ["head"])  # a module, and all that is in it
    learning, frozen = partition(variables, lambda name: name.endswith("bias"))
    variables = combine(learning, frozen)

Both parts are trees like the whole, without the leaves of the other: what is differentiated is the
one, so nothing is computed for the other, and no optimizer keeps anything for it.

One rule for parameters and statistics: where no parameter of a layer learns, its running statistics
stay as well, and it normalises by them. A layer without parameters of its own has none.
"""

from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float

from jaxvision.inspect.program import find_sources, read_program
from jaxvision.names import lookup
from jaxvision.train.state import Variables, combine

__all__ = ["Chosen", "Parts", "combine", "parameters_below", "partition"]

Chosen = Collection[str] | Callable[[str], bool]
"""Names of parameters ("c1/kernel") or of modules that they are in ("c1"), in which * stands for
anything ("stage3_*"); or a function of a parameter's name."""


class Parts(NamedTuple):
    """Variables in two parts, {"params": ..., "batch_stats": ...} each."""

    learning: Variables
    frozen: Variables


def partition(variables: Mapping[str, Any], learning: Chosen) -> Parts:
    """Takes `variables` apart into what learns and what is frozen.

    >>> variables = {"params": {"body": {"kernel": 1}, "head": {"kernel": 2, "bias": 3}}}
    >>> partition(variables, ["head"]).learning["params"]
    {'head': {'kernel': 2, 'bias': 3}}

    Args:
        variables: of a model: "params", and "batch_stats" if there are any.
        learning: which parameters learn.

    Raises:
        ValueError: if a name is none of a parameter or module, or if all or none of the
            parameters would learn.
    """
    params = flatten_dict(dict(variables["params"]), sep="/")
    chosen = _choose(params, learning)
    if not chosen or len(chosen) == len(params):
        which = "all" if chosen else "none"
        raise ValueError(
            f"`learning` must be some of the {len(params)} parameters, got {which} of them: "
            + (
                "leave the partition out."
                if chosen
                else f"there are {', '.join(_modules(params))}."
            )
        )
    layers = {_layer(name) for name in chosen}
    statistics = flatten_dict(dict(variables.get("batch_stats", {})), sep="/")
    moving = {name for name in statistics if _layer(name) in layers}

    def part(of_params: Collection[str], of_statistics: Collection[str]) -> Variables:
        return {
            "params": _tree({name: x for name, x in params.items() if name in of_params}),
            "batch_stats": _tree({n: x for n, x in statistics.items() if n in of_statistics}),
        }

    return Parts(part(chosen, moving), part(params.keys() - chosen, statistics.keys() - moving))


def parameters_below(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: Float[Array, "b h w c"] | jax.ShapeDtypeStruct,
    feature: str,
) -> list[str]:
    """The names of all parameters that a feature is made of, itself included.

    They are found in the traced program, so it does not matter how the network is written.

    Args:
        variables: of the model, or their shapes.
        images: only shape and dtype matter.
        feature: one of the names that the model gives its features.

    Raises:
        ValueError: if the model has no feature of this name.
    """

    def features(params, others, images):
        return model.apply({**others, "params": params}, images, train=False)[1]

    others = {name: tree for name, tree in variables.items() if name != "params"}
    given = variables["params"], others, images
    lookup("feature", feature, jax.eval_shape(features, *given))
    program = read_program(lambda *given: features(*given)[feature], *given)
    names = list(flatten_dict(dict(variables["params"]), sep="/"))
    leaves = dict(zip(_paths(variables["params"]), program.inputs, strict=False))
    bits = find_sources(program, leaves.values())[program.outputs[0]]
    return [name for name in names if bits >> leaves[name] & 1]


def _paths(params: Mapping[str, Any]) -> list[str]:
    """The names of the leaves in the order in which JAX flattens them."""
    with_path = jax.tree_util.tree_flatten_with_path(params)[0]
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in with_path]


def _choose(params: Mapping[str, Any], learning: Chosen) -> set[str]:
    if callable(learning):
        return {name for name in params if learning(name)}
    modules = _modules(params)
    chosen: set[str] = set()
    for pattern in learning:
        meant = {n for n in params if fnmatchcase(n, pattern) or fnmatchcase(n, f"{pattern}/*")}
        if not meant:
            lookup("learning", pattern, dict.fromkeys(modules))
        chosen |= meant
    return chosen


def _modules(params: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(name.split("/")[0] for name in params))


def _layer(name: str) -> str:
    return name.rpartition("/")[0]


def _tree(leaves: Mapping[str, Any]) -> dict[str, Any]:
    return unflatten_dict(dict(leaves), sep="/")
