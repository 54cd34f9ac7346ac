"""DnCNN's weights under their names in PyTorch: one `nn.Sequential`, numbered on.

    dncnn.0                             conv1, and 1 is its ReLU
    dncnn.2, .5, .8, ...                conv2, conv3, ...
    dncnn.3, .6, .9, ...                bn2, bn3, ...           and behind each its ReLU

So convolution i from the second on is number 3 i - 4, and its norm number 3 i - 3.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxvision.pretrained.torch_layout import from_torch_layout


def from_dncnn_layout(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Renames and transposes a state dict for `DnCNN`: {"params": ..., "batch_stats": ...}, nested.

    Args:
        tensors: "dncnn.0.weight" and so on, of any depth; "module.", which PyTorch's data-parallel
            training puts before each name, may be there.

    Raises:
        ValueError: as `from_torch_layout`.
    """
    return from_torch_layout(tensors, _rename)


def _rename(module: str) -> str:
    match module.removeprefix("module.").split("."):
        case ["dncnn", "0"]:
            return "conv1"
        case ["dncnn", number] if number.isdigit() and int(number) % 3 != 1:
            i, is_norm = divmod(int(number) + 4, 3)
            return f"bn{i}" if is_norm else f"conv{i}"
    return module
