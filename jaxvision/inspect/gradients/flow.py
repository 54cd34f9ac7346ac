"""How large the gradient is in each layer: whether what the loss says still reaches the first.

The gradient of a layer is a product of the slopes of all layers after it. A sigmoid's is at most
1/4, so that in a deep network of them the first layers learn nothing: the vanishing gradient
(Hochreiter, diploma thesis, TU Munich, 1991; Bengio, Simard & Frasconi, "Learning Long-Term
Dependencies with Gradient Descent is Difficult", IEEE TNN 5(2), 1994). A ReLU's slope is 1 where it
is active, and past a residual connection the gradient goes unchanged. With g the n numbers of a
layer's gradient,

    rms = sqrt(sum g^2 / n)
"""

import re
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import PyTree

from jaxvision.hyperparameters import Scalar
from jaxvision.inspect.picture import COLORS, SMALL, Picture, house_style, shorten, text_width

LONGEST = 28  # characters of a name that are written


def gradient_flow(grads: PyTree, order: Sequence[str] | None = None) -> dict[str, float]:
    """The root mean square of each layer's gradient, the first layer first.

    A layer is the arrays of one place in the tree: kernel and bias, under "stage1/block2/conv1".

    Args:
        grads: as from `jax.grad`, with layers by name.
        order: the names at the top of the tree, or beginnings of the layers' names, as they follow
            each other, as the keys of a network's features. By default the names' natural order,
            in which "conv10" is behind "conv2"; `jax.grad` keeps no other.

    Raises:
        ValueError: if there is no gradient, or `order` leaves out a layer.
    """
    sums: dict[str, list[float]] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(grads)[0]:
        name = jax.tree_util.keystr(path[:-1], simple=True, separator="/") or "params"
        values = np.asarray(leaf).astype(np.float64)
        one = sums.setdefault(name, [0.0, 0.0])
        one[0] += float(np.sum(values**2))
        one[1] += values.size
    if not sums:
        raise ValueError("`grads` must hold at least one array, got none.")
    names = sorted(sums, key=_natural)
    if order is not None:
        places = {name: _place(name, order) for name in names}
        names.sort(key=places.__getitem__)  # stable: inside of a place the natural order stays
    return {name: float(np.sqrt(sums[name][0] / max(sums[name][1], 1))) for name in names}


@house_style
def plot_gradient_flow(flows: Mapping[str, Mapping[str, Scalar]]) -> Picture:
    """Draws the gradient of each layer, on a logarithmic scale, a line for each network.

    Networks may have different depths: a line goes from the first layer to the last. Where the
    gradient is 0 the line ends.

    Args:
        flows: by the name of the network, as from `gradient_flow`.

    Raises:
        ValueError: if there is no network, or one without layers, or all is 0 or not finite.
    """
    values = {name: np.array(list(flow.values()), float) for name, flow in flows.items()}
    if not values or not all(map(len, values.values())):
        raise ValueError(f"`flows` must have layers for each network, got {dict(flows)}.")
    seen = np.concatenate(list(values.values()))
    if not (seen[np.isfinite(seen)] > 0).any():
        raise ValueError(
            "`flows` must have a gradient that is not 0, got none: nothing is to draw."
        )
    names = max(flows.values(), key=len)
    labels = [shorten(name, LONGEST) for name in names] if _same_layers(flows) else None
    below = 0.65 if labels is None else 0.4 + max(map(text_width, labels))
    right = 0.75 + max(text_width(shorten(name, LONGEST), 11) for name in flows)
    figure = Picture(figsize=(0.95 + 4.8 + right, below + 3.2 + 0.2))
    axes = figure.place(0.95, below, 4.8, 3.2)
    for color, (name, flow) in zip(COLORS * len(values), values.items(), strict=False):
        positive = np.where(np.isfinite(flow) & (flow > 0), flow, np.nan)
        depths = np.arange(1, len(flow) + 1)
        axes.plot(depths, positive, "o-", c=color, lw=1.8, ms=5, label=shorten(name, LONGEST))
    axes.set_yscale("log")
    axes.set(xlabel="layer", ylabel="gradient (root mean square)", xlim=(0.5, len(names) + 0.5))
    if labels is None:
        axes.set_xticks(np.unique(np.linspace(1, len(names), min(len(names), 8)).round()))
    else:
        axes.set_xticks(np.arange(1, len(labels) + 1), labels, rotation=90, fontsize=SMALL)
        axes.set_xlabel("")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    return figure


def _same_layers(flows: Mapping[str, Mapping[str, Scalar]]) -> bool:
    """Whether the layers have the same names in all networks, few enough to be written."""
    first, *rest = (list(flow) for flow in flows.values())
    return len(first) <= 24 and all(names == first for names in rest)


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Numbers in it count as numbers, and come before letters."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _place(name: str, order: Sequence[str]) -> int:
    for place, beginning in enumerate(order):
        if name == beginning or name.startswith(beginning + "/"):
            return place
    raise ValueError(
        f"`order` must name every layer, or how it begins, and has nothing for {name!r}, got "
        f"{list(order)}."
    )
