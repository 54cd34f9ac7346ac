"""Which maps of its backbone a detector looks at, by their strides."""

import jax
import jax.numpy as jnp

from jaxvision.detection.config import DetectConfig
from jaxvision.models import Network
from jaxvision.transfer.stages import features_of


def stride_of(config: DetectConfig) -> int:
    """The stride of the feature map that the configuration's detector looks at."""
    if config.stride is not None:
        return config.stride
    return 8 if config.data == "scenes" else 16


def find_levels(
    config: DetectConfig, backbone: Network, image_shape: tuple[int, int, int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The features that Faster R-CNN looks at, and the strides of its levels.

    A pyramid has one of each stride from the configuration's on, doubled as long as the backbone
    has such a map, and a level above all of them.

    Raises:
        ValueError: if the backbone has no map of the configuration's stride.
    """
    stride = stride_of(config)
    features, strides = [find_map(backbone, image_shape, stride)], [stride]
    if config.pyramid is None:
        return tuple(features), tuple(strides)
    maps = _maps(backbone, image_shape)
    while found := _of_stride(maps, image_shape, 2 * strides[-1]):
        features.append(found[-1])
        strides.append(2 * strides[-1])
    return tuple(features), (*strides, 2 * strides[-1])


def find_map(backbone: Network, image_shape: tuple[int, int, int], stride: int) -> str:
    """The last feature whose map has a place for every `stride` pixels of the image.

    Raises:
        ValueError: if there is none; names those that there are.
    """
    maps = _maps(backbone, image_shape)
    found = _of_stride(maps, image_shape, stride)
    if not found:
        height, width, _ = image_shape
        known = sorted({round(height / rows) for rows, _ in maps.values()})
        raise ValueError(
            f"`stride` must be one that a feature map of the backbone has at {height} x {width} "
            f"pixels, got {stride}: it has {', '.join(map(str, known))}."
        )
    return found[-1]


def _maps(backbone: Network, image_shape: tuple[int, int, int]) -> dict[str, tuple[int, int]]:
    """The sides of each feature map, in the order of the network."""
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    variables = jax.eval_shape(
        lambda images: backbone.init(jax.random.key(0), images, train=False), images
    )
    features = features_of(backbone, variables, images)
    return {name: x.shape[1:3] for name, x in features.items() if x.ndim == 4}


def _of_stride(
    maps: dict[str, tuple[int, int]], image_shape: tuple[int, int, int], stride: int
) -> list[str]:
    height, width, _ = image_shape
    # A last row that fills no stride is kept by some networks and dropped by others.
    whole, part = (height // stride, width // stride), (-(-height // stride), -(-width // stride))
    return [name for name, shape in maps.items() if shape in (whole, part)]
