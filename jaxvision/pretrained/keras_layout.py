"""Keras' ResNets in our layout: the same kernels, other names, and biases that batch norm absorbs.

    Keras                              here
    kernel                             params       kernel
    gamma, beta                        params       scale, bias
    moving_mean, moving_variance       batch_stats  mean, var

Keras' ResNets have a bias in every convolution, each with a batch norm behind it, whose output is
scale (x + bias - mean) / std: mean - bias in place of mean makes the same function without one.
Both generations of names are known, "res2a_branch2b" and "conv2_block1_2_conv".
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict

LEAVES = {
    "kernel": ("params", "kernel"),
    "bias": ("params", "bias"),
    "gamma": ("params", "scale"),
    "beta": ("params", "bias"),
    "moving_mean": ("batch_stats", "mean"),
    "moving_variance": ("batch_stats", "var"),
}
BRANCHES = {"1": "shortcut", "2a": "1", "2b": "2", "2c": "3"}


def rename_keras_resnet(layer: str) -> str:
    """From "res2a_branch2b" or "conv2_block1_2_conv" to "stage1_block1/conv2"; else as it is."""
    names = {"conv1": "conv1", "bn_conv1": "bn1", "conv1_conv": "conv1", "conv1_bn": "bn1"}
    names |= {"fc1000": "head", "probs": "head", "predictions": "head"}
    if old := re.fullmatch(r"(res|bn)(\d)([a-z])_branch(1|2[abc])", layer):
        kind, stage, letter, branch = old.groups()
        block, which = ord(letter) - ord("a") + 1, BRANCHES[branch]
    elif new := re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", layer):
        stage, block, which, kind = new.groups()
        which = "shortcut" if which == "0" else which
    else:
        return names.get(layer, layer)
    part = "bn" if kind == "bn" else "conv"
    separator = "_" if which == "shortcut" else ""
    return f"stage{int(stage) - 1}_block{block}/{part}{separator}{which}"


def from_keras_resnet(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Renames a Keras ResNet's weights: {"params": ..., "batch_stats": ...}, nested.

    Args:
        tensors: by names that end in layer and weight, as "res2a_branch2b/kernel"; what Keras
            writes before and after them, as ":0", may be there.

    Raises:
        ValueError: if a weight is none of the module's table, or two would get the same name.
    """
    leaves: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        *_, layer, leaf = ("/" + name.removesuffix(":0")).split("/")
        if leaf not in LEAVES:
            raise ValueError(
                f"`tensors` must hold Keras' kernels, biases and batch norms, got {name}: load "
                "weights of a ResNet."
            )
        collection, ours = LEAVES[leaf]
        path = f"{collection}/{rename_keras_resnet(layer)}/{ours}"
        if path in leaves:
            raise ValueError(f"`tensors` must hold every weight once, got {name} a second time.")
        leaves[path] = tensor
    for path in [path for path in leaves if re.search(r"/conv[^/]*/bias$", path)]:
        mean = path.replace("params/", "batch_stats/").replace("/conv", "/bn")
        mean = f"{mean.removesuffix('bias')}mean"
        if mean in leaves:
            leaves[mean] = leaves[mean] - leaves.pop(path)
    return {"params": {}, "batch_stats": {}} | unflatten_dict(leaves, sep="/")
