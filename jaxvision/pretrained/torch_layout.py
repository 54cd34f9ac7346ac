"""PyTorch's state dicts in our layout: [out, in, h, w] -> [h, w, in, out], and names to paths.

    PyTorch                            here
    weight [out, in, h, w]             params       kernel [h, w, in, out], in groups alike
    weight [out, in]                   params       kernel [in, out]
    weight [c]                         params       scale
    bias                               params       bias
    running_mean, running_var          batch_stats  mean, var
    num_batches_tracked                nothing: our averages do not need the count

PyTorch flattens [c, h, w], we [h, w, c]: the rows of the dense kernel that follows are permuted.
A transposed convolution's weight, [in, out, h, w], is not for this table.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict
from jaxtyping import Float

WEIGHTS = {4: ("kernel", (2, 3, 1, 0)), 2: ("kernel", (1, 0)), 1: ("scale", (0,))}  # by rank
OTHERS = {
    "bias": ("params", "bias"),
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}


def from_torch_layout(
    tensors: Mapping[str, np.ndarray],
    rename: Callable[[str], str | None],
    flattened: Mapping[str, tuple[int, int, int]] | None = None,
) -> dict[str, Any]:
    """Renames and transposes a PyTorch state dict: {"params": ..., "batch_stats": ...}, nested.

    Args:
        tensors: the state dict, "layer1.0.conv1.weight" and so on.
        rename: from a PyTorch module, "layer1.0.conv1", to ours, "stage1_block1/conv1"; None for
            one to leave out.
        flattened: for each of our dense modules that follows a flattening, the channels, height
            and width of what is flattened.

    Raises:
        ValueError: if a tensor is not in the module's table, two would get the same name, or
            `flattened` names what is no dense kernel of as many rows.
    """
    sources: dict[str, str] = {}
    leaves: dict[str, np.ndarray] = {}
    for source, tensor in tensors.items():
        module, _, leaf = source.rpartition(".")
        if leaf == "num_batches_tracked" or (target := rename(module)) is None:
            continue
        if leaf == "weight" and tensor.ndim in WEIGHTS:
            name, axes = WEIGHTS[tensor.ndim]
            collection, tensor = "params", tensor.transpose(axes)
        elif leaf in OTHERS:
            collection, name = OTHERS[leaf]
        else:
            raise ValueError(
                f"`tensors` must hold weights, biases and batch norms' statistics, got {source} of "
                f"shape {list(tensor.shape)}: let `rename` give None for {module!r}, or convert it "
                "yourself."
            )
        path = f"{collection}/{target}/{name}"
        if path in leaves:
            raise ValueError(
                f"`rename` must give each module a name of its own: {sources[path]} and {source} "
                f"would both be {path}. Tell them apart."
            )
        sources[path], leaves[path] = source, tensor
    for module, (c, h, w) in (flattened or {}).items():
        path = f"params/{module}/kernel"
        kernel = leaves.get(path, np.empty(()))
        if kernel.ndim != 2 or len(kernel) != c * h * w:
            found = f"of shape {list(kernel.shape)}" if path in leaves else "missing"
            raise ValueError(
                f"`flattened` must name dense kernels: {path} after [{c}, {h}, {w}] must have "
                f"{c * h * w} rows, and is {found}. Correct its name or sizes."
            )
        rows = kernel.reshape(c, h, w, -1).transpose(1, 2, 0, 3)
        leaves[path] = rows.reshape(kernel.shape)
    return {"params": {}, "batch_stats": {}} | unflatten_dict(leaves, sep="/")


def adapt_first_convolution(
    kernel: Float[np.ndarray, "h w n out"], in_channels: int
) -> Float[np.ndarray, "h w {in_channels} out"]:
    """The kernel of a first convolution for images with another number of channels; timm's rule.

    One channel gets the sum of the kernel's n: what it gives for a grey image is what the kernel
    gives for that image repeated n times. More channels get the kernel's in turn (R G B R G ...),
    times n / in_channels, so that the output keeps its size; for multiples of n, an image repeated
    gives again what it gave. `timm.models.adapt_input_conv` does the same.

    Raises:
        ValueError: if `in_channels` is below 1.
    """
    if in_channels < 1:
        raise ValueError(
            f"`in_channels` must be at least 1, got {in_channels}: give the number of the images."
        )
    n = kernel.shape[2]
    if in_channels == n:
        return kernel
    if in_channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel[:, :, np.arange(in_channels) % n] * kernel.dtype.type(n / in_channels)
