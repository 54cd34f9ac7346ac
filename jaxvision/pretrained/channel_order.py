"""Weights that learned with blue first, for images with red first."""

import jax

from jaxvision.pretrained.load import Pretrained


def for_rgb(found: Pretrained) -> Pretrained:
    """With a first convolution for RGB, where the weights are for BGR."""
    preprocessing = found.preprocessing
    if preprocessing.channels == "RGB":
        return found
    params = jax.tree.map(
        lambda x: x[:, :, ::-1] if x.ndim == 4 and x.shape[2] == 3 else x,
        found.variables["params"],
    )
    return found._replace(
        variables=found.variables | {"params": params},
        preprocessing=preprocessing._replace(
            mean=preprocessing.mean[::-1], std=preprocessing.std[::-1], channels="RGB"
        ),
    )
