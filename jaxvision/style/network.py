"""A network that paints in the style it has learned: applied, and kept in one small file.

It is a safetensors file of the parameters in half precision, which moves a few pixels by one of
their 256 levels; the network computes in float32. The metadata hold what it is rebuilt from, and a
sum of all by which a damaged file is told.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxvision.models.transform_net import MINIMUM_SIZE, TransformNet
from jaxvision.ops.platform import compiler_options
from jaxvision.style.picture import Picture
from jaxvision.train.export import load_variables
from jaxvision.train.run import write_whole
from jaxvision.train.state import Variables

METADATA = "jaxvision.transform_net"  # one key, for the library does not keep the order of several


class StyleNetwork(NamedTuple):
    """An image transformation network and its parameters."""

    model: TransformNet
    variables: Variables


def apply_transform_net(network: StyleNetwork, image: Picture) -> Picture:
    """Paints a picture, of any size, in one pass.

    The first picture of a size compiles the program for it.

    Args:
        network: of `fit_transform_net` or `load_transform_net`.
        image: RGB with values in [0, 1], at least 16 x 16; those of the result are in [0, 1] too.

    Raises:
        ValueError: if the image is smaller, or has other values.
    """
    check_unit_range("image", image)
    return np.asarray(_program(network.model)(network.variables, image[None])[0])


def save_transform_net(path: str | Path, network: StyleNetwork) -> None:
    """Writes the network to `path`, whole or not at all.

    Parameters are rounded to half precision.

    Raises:
        ValueError: if one of them is not finite in half precision.
    """
    from safetensors.numpy import save

    tensors = {}
    for name, x in flatten_dict(jax.device_get(network.variables), sep="/").items():
        with np.errstate(over="ignore"):  # it is refused, and not warned about
            tensors[name] = np.ascontiguousarray(x, np.float16)
        if not np.isfinite(tensors[name]).all():
            raise ValueError(
                f"`network` must have finite parameters up to 65504, got others in {name}: train "
                "it anew, with a smaller learning rate."
            )
    shape = {"width": network.model.width, "blocks": network.model.blocks}
    description = json.dumps(shape | {"sha256": _digest(shape, tensors)})
    write_whole(Path(path), save(tensors, {METADATA: description}), then="save it again")


def load_transform_net(path: str | Path) -> StyleNetwork:
    """Reads what `save_transform_net` wrote, all of it or nothing.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. Check the path.")
    try:
        with safe_open(path, "numpy") as file:
            description = (file.metadata() or {}).get(METADATA)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file: {error}. Train anew, or copy it again."
        ) from None
    if description is None:
        raise ValueError(
            f"{path} holds no network for style transfer: give a file that `save_transform_net` "
            "wrote."
        )
    try:
        shape = json.loads(description)
        whole = shape.pop("sha256") == _digest(shape, tensors)
    except (ValueError, KeyError, AttributeError, TypeError):
        whole = False
    if not whole:
        raise ValueError(f"{path} is damaged: its sum is wrong. Train anew, or copy it again.")
    model = TransformNet(**shape)
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.float16), _shapes(model))
    variables = load_variables(path, like)
    return StyleNetwork(model, jax.tree.map(lambda x: x.astype(np.float32), variables))


def check_unit_range(name: str, picture: Picture) -> None:
    """Refuses pictures whose white is not 1.

    Raises:
        ValueError: if a value is outside [0, 1], or NaN.
    """
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"`{name}` must have values in [0, 1], got {low:g} to {high:g}: divide pixels by 255."
        )


@cache
def _program(model: TransformNet):
    def paint(variables, images):
        return model.apply(variables, images, train=False)[0]

    return jax.jit(paint, compiler_options=compiler_options())


def _shapes(model: TransformNet) -> Variables:
    images = jnp.zeros((1, MINIMUM_SIZE, MINIMUM_SIZE, 3))
    return jax.eval_shape(lambda key: model.init(key, images, train=False), jax.random.key(0))


def _digest(shape: dict[str, int], tensors: dict[str, np.ndarray]) -> str:
    found = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for name, x in sorted(tensors.items()):
        found.update(f"{name} {x.dtype} {x.shape}".encode() + x.tobytes())
    return found.hexdigest()
