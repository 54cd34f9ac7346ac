"""Another head on a trained network: new classes over what it has learned."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Float, Key

from jaxvision.pretrained.load import HEADS
from jaxvision.train.state import Variables

MOST = 3  # leaves that a message names


class Head(nn.Module):
    """The last layer by itself, for what comes before it: [b, d] -> (logits [b, classes], {}).

    It takes the variables of the whole network, of which it uses its own.

    Attributes:
        num_classes: of the network.
        layer: what the network calls its head.
    """

    num_classes: int
    layer: str

    @nn.compact
    def __call__(
        self, features: Float[Array, "b d"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], dict[str, Array]]:
        return nn.Dense(self.num_classes, name=self.layer)(features), {}


def head_of(params: Mapping[str, Any]) -> str | None:
    """What a network calls its head, by its parameters; None if it has none."""
    return next((name for name in HEADS if name in params), None)


def remove_head(variables: Variables) -> Variables:
    """The variables of the network of the same name without a head."""
    head = head_of(variables["params"])
    kept = {name: tree for name, tree in variables["params"].items() if name != head}
    return {**variables, "params": kept}


def replace_head(
    model: nn.Module,
    variables: Variables,
    num_classes: int,
    images: Float[Array, "b h w c"] | jax.ShapeDtypeStruct,
    key: Key[Array, ""],
) -> tuple[nn.Module, Variables]:
    """The network with a head for `num_classes`, drawn anew; everything else is as it was.

    Args:
        variables: of `model`, with any head or none.
        images: only shape and dtype matter.
        key: decides the head.

    Raises:
        ValueError: if the network has no head to replace, or the variables are not the network's.
    """
    other = model.clone(num_classes=num_classes)

    def init(key: Key[Array, ""]) -> Variables:
        return other.init(key, jnp.zeros(images.shape, images.dtype), train=False)

    shapes = jax.eval_shape(init, key)
    head = head_of(shapes["params"])
    if head is None:
        raise ValueError(
            f"`model` must have a head, a layer called {' or '.join(HEADS)}, got one with "
            f"{', '.join(shapes['params'])}: give it a last layer of this name."
        )
    # Compiled, so that nothing but the head is drawn.
    drawn = jax.jit(lambda key: init(key)["params"][head])(key)
    body = remove_head(variables)["params"]
    expected = {name: tree for name, tree in shapes["params"].items() if name != head}
    found, wanted = (
        {name: list(x.shape) for name, x in flatten_dict(tree, sep="/").items()}
        for tree in (body, expected)
    )
    wrong = [
        f"{name} is {found.get(name, 'missing')} and must be {wanted.get(name, 'left out')}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]
    if wrong:
        more = f" and {len(wrong) - MOST} more" if len(wrong) > MOST else ""
        raise ValueError(
            f"`variables` must be those of `model` for images of {list(images.shape[1:])}, but "
            f"{'; '.join(wrong[:MOST])}{more}: take images of the size that the network has "
            "learned with, and variables from its `init` or `load_pretrained`."
        )
    return other, {**variables, "params": {**body, head: drawn}}
