"""Which parameters a transformation acts on: chosen by name, and by default the kernels.

A mask is a function from the parameters to a tree of booleans, or such a tree itself, as in Optax;
one boolean may stand for a whole branch. A parameter's name is its path, "Conv_0/kernel", and Flax
calls "kernel" what multiplies an input: the weights of every dense and convolution layer.

Only those are penalised by default (Goodfellow, Bengio & Courville, "Deep Learning", 2016, section
7.1, https://www.deeplearningbook.org). A bias meets no input, so it adds little variance, and
pulling it to zero only moves the fit; a normalisation's scale rests at 1, not at 0; a row of an
embedding would shrink in all the steps that never read it. The rule looks at the name and not at
the number of axes, because stacked layers (`vmap`, `nn.scan`) give each bias an axis more.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import PyTree

Mask: TypeAlias = Callable[[PyTree], PyTree] | PyTree  # of booleans


def kernels(params: PyTree) -> PyTree:
    """Chooses the parameters whose own name, the last part of the path, is "kernel"."""
    return _by_name(lambda name: name.split("/")[-1] == "kernel", params)


def everything(params: PyTree) -> PyTree:
    """Chooses every parameter: biases, scales and arrays without a name too."""
    return jax.tree.map(lambda _: True, params)


def named(*patterns: str) -> Callable[[PyTree], PyTree]:
    """Chooses the parameters whose name fits one of these patterns, or more.

    >>> named("head/*")({"body": {"kernel": 1}, "head": {"kernel": 2, "bias": 3}})
    {'body': {'kernel': False}, 'head': {'bias': True, 'kernel': True}}

    Args:
        patterns: shell patterns for the whole name: `*` is any text ("/" too), `?` any character.
            `Dense_0/*` is a layer, `*/bias` every bias, `head/kernel` one parameter.

    Raises:
        ValueError: if there is no pattern; and from the mask, if a pattern fits no name.
    """
    if not patterns:
        raise ValueError("`patterns` must name a parameter, got none: `named('*/kernel')`.")

    def mask(params):
        names = _names(params)
        for pattern in patterns:
            if names and not any(fnmatchcase(name, pattern) for name in names):
                raise ValueError(
                    f"`mask` names {pattern!r}, which fits no parameter; there are {_list(names)}."
                )
        return _by_name(lambda name: any(fnmatchcase(name, p) for p in patterns), params)

    return mask


def resolve(mask: Mask, params: PyTree) -> PyTree:
    """Returns the tree of booleans, one a parameter, that `mask` means for these parameters.

    Looks at the structure of `params` only, so it costs nothing in a compiled program. Parameters
    that Optax has masked out or partitioned away are not there, and `mask` may say what it likes
    about them.

    Raises:
        ValueError: if `mask` is not of booleans, does not fit `params`, or chooses none of them.
    """
    tree = mask(params) if callable(mask) else mask
    for leaf in jax.tree.leaves(tree):
        if not isinstance(leaf, bool | np.bool_):
            raise ValueError(
                f"`mask` must hold True or False for each parameter, got {type(leaf).__name__}: "
                f"a parameter is chosen as a whole, and before the program is compiled."
            )
    try:
        chosen = jax.tree.map(
            lambda choice, branch: jax.tree.map(lambda _: bool(choice), branch), tree, params
        )
    except ValueError as error:
        raise ValueError(
            f"`mask` must have the structure of the parameters, {_list(_names(params))}: {error}"
        ) from error
    choices = jax.tree.leaves(chosen)
    if choices and not any(choices):
        raise ValueError(
            f"`mask` chooses no parameter; there are {_list(_names(params))}. Choose among them "
            f"with `mask=named(...)`, or take all with `mask=everything`."
        )
    return chosen


def _by_name(choose: Callable[[str], bool], params: PyTree) -> PyTree:
    return jax.tree.map_with_path(lambda path, _: choose(_name(path)), params)


def _names(params: PyTree) -> list[str]:
    return [_name(path) for path, _ in jax.tree.leaves_with_path(params)]


def _name(path: tuple) -> str:
    # Flax's NNX has each array in a box, whose content it calls "value".
    return jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")


def _list(names: list[str]) -> str:
    shown = [name or "(one array without a name)" for name in names[:8]]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
