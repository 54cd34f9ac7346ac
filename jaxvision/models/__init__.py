"""Models: images -> (logits, features by name), one paper a file.

Every one of them is a linen module with the same contract:

    model, variables = create_model("resnet50", num_classes=10)
    logits, features = model.apply(variables, images, train=False)

with images [b, h, w, c], logits [b, num_classes] and features a dict of arrays [b, ...]. Nobody
pays for a feature that is not asked for: inside `jit` the layers after the last one that is asked
for are never computed. `num_classes=None` leaves the head away, and the logits are the last
features. In training, batch norm needs `mutable=["batch_stats"]` and dropout a key:

    model.apply(variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": key})

`image_size` is the height and width that the paper defines the network for, or None for any, and
`minimum_size` the smallest that works. The larger networks compute in the `dtype` that they are
given, with parameters, statistics and logits in float32, and trade time for memory with `remat`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from jaxvision.models import (
    cifar_resnet,
    densenet,
    preact_resnet,
    randwire,
    resnet,
    vgg,
)
from jaxvision.models.alexnet import AlexNet, AlexNet2012
from jaxvision.models.densenet import DenseNet
from jaxvision.models.googlenet import GoogLeNet, GoogLeNet2014
from jaxvision.models.inception import InceptionV3
from jaxvision.models.layers import Network
from jaxvision.models.lenet import LeNet5, LeNet5Original
from jaxvision.models.linear import LogisticRegression, SoftmaxRegression
from jaxvision.models.mlp import MLP
from jaxvision.models.nin import NiN
from jaxvision.models.preact_resnet import PreActResNet
from jaxvision.models.randwire import RandWire
from jaxvision.models.resnet import ResNet
from jaxvision.models.self_normalizing import SelfNormalizingMLP
from jaxvision.models.vgg import VGG
from jaxvision.names import lookup

MODELS: dict[str, Callable[..., Network]] = {
    "softmax_regression": SoftmaxRegression,
    "logistic_regression": LogisticRegression,
    "perceptron": LogisticRegression,  # two names of one network
    "mlp": MLP,
    "self_normalizing_mlp": SelfNormalizingMLP,
    "lenet5": LeNet5,
    "lenet5_original": LeNet5Original,
    "alexnet": AlexNet,
    "alexnet_2012": AlexNet2012,
    "vgg_a_lrn": vgg.vgg_a_lrn,
    "vgg_c": vgg.vgg_c,
    "vgg11": vgg.vgg11,
    "vgg13": vgg.vgg13,
    "vgg16": vgg.vgg16,
    "vgg19": vgg.vgg19,
    "vgg11_bn": vgg.vgg11_bn,
    "vgg13_bn": vgg.vgg13_bn,
    "vgg16_bn": vgg.vgg16_bn,
    "vgg19_bn": vgg.vgg19_bn,
    "nin_cifar10": NiN,
    "googlenet": GoogLeNet,
    "googlenet_2014": GoogLeNet2014,
    "inception_v3": InceptionV3,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnet152": resnet.resnet152,
    "resnet50_v1": resnet.resnet50_v1,
    "resnet101_v1": resnet.resnet101_v1,
    "resnet152_v1": resnet.resnet152_v1,
    "resnext50_32x4d": resnet.resnext50_32x4d,
    "resnext101_32x8d": resnet.resnext101_32x8d,
    "resnext101_64x4d": resnet.resnext101_64x4d,
    "wide_resnet50_2": resnet.wide_resnet50_2,
    "wide_resnet101_2": resnet.wide_resnet101_2,
    "cifar_resnet20": cifar_resnet.cifar_resnet20,
    "cifar_resnet32": cifar_resnet.cifar_resnet32,
    "cifar_resnet44": cifar_resnet.cifar_resnet44,
    "cifar_resnet56": cifar_resnet.cifar_resnet56,
    "cifar_resnet110": cifar_resnet.cifar_resnet110,
    "cifar_resnet20_b": cifar_resnet.cifar_resnet20_b,
    "cifar_resnet32_b": cifar_resnet.cifar_resnet32_b,
    "cifar_resnet44_b": cifar_resnet.cifar_resnet44_b,
    "cifar_resnet56_b": cifar_resnet.cifar_resnet56_b,
    "cifar_resnet110_b": cifar_resnet.cifar_resnet110_b,
    "preact_resnet18": preact_resnet.preact_resnet18,
    "preact_resnet34": preact_resnet.preact_resnet34,
    "preact_resnet50": preact_resnet.preact_resnet50,
    "preact_resnet101": preact_resnet.preact_resnet101,
    "preact_resnet152": preact_resnet.preact_resnet152,
    "preact_resnet200": preact_resnet.preact_resnet200,
    "cifar_preact_resnet110": preact_resnet.cifar_preact_resnet110,
    "cifar_preact_resnet164": preact_resnet.cifar_preact_resnet164,
    "cifar_preact_resnet1001": preact_resnet.cifar_preact_resnet1001,
    "densenet121": densenet.densenet121,
    "densenet161": densenet.densenet161,
    "densenet169": densenet.densenet169,
    "densenet201": densenet.densenet201,
    "cifar_densenet_40_12": densenet.cifar_densenet_40_12,
    "cifar_densenet_bc_100_12": densenet.cifar_densenet_bc_100_12,
    "randwire_er": randwire.randwire_er,
    "randwire_ba": randwire.randwire_ba,
    "randwire_ws": randwire.randwire_ws,
}

Variables = dict[str, PyTree]


def make_model(name: str, num_classes: int | None, **options: Any) -> Network:
    """Builds the network of this name, without parameters.

    Args:
        name: a key of `MODELS`.
        num_classes: width of the head; None for no head.
        options: other attributes of its class, as `dtype=jnp.bfloat16` or `remat=True`.

    Raises:
        ValueError: if there is no such model or it has no such option; says which was probably
            meant. Or if an option has a value that the network refuses.
    """
    constructor = lookup("model", name, MODELS)
    model = constructor(num_classes=num_classes)
    known = {
        field.name: field
        for field in dataclasses.fields(model)
        if field.name not in ("name", "parent", "num_classes")
    }
    for option in options:
        lookup("option", option, known)
    return model.clone(**options)


def create_model(
    name: str,
    num_classes: int | None = 1000,
    in_channels: int = 3,
    *,
    image_size: int | None = None,
    key: Key[Array, ""] | None = None,
    **options: Any,
) -> tuple[Network, Variables]:
    """Builds the network of this name and draws its parameters.

        model, variables = create_model("resnet50", num_classes=10, dtype=jnp.bfloat16)

    Args:
        name: a key of `MODELS`.
        num_classes: width of the head; None for no head.
        in_channels: of the images.
        image_size: pixels a side. It matters where parameters depend on it (`mlp`, `lenet5`), and
            by default is what the paper has, or 32.
        key: decides the parameters; by default `jax.random.key(0)`.
        options: other attributes of its class, as `dtype=jnp.bfloat16` or `remat=True`.

    Raises:
        ValueError: as `make_model`, or if `in_channels` or `image_size` is too small.
    """
    if in_channels < 1:
        raise ValueError(f"`in_channels` must be at least 1, got {in_channels}: 1 is grey, 3 RGB.")
    model = make_model(name, num_classes, **options)
    size = image_size or model.image_size or 32
    images = jnp.zeros((1, size, size, in_channels))
    # Compiled, because running the initialisers one by one compiles each of them by itself.
    init = jax.jit(lambda key: model.init(key, images, train=False))
    return model, init(jax.random.key(0) if key is None else key)


__all__ = [
    "MLP",
    "MODELS",
    "VGG",
    "AlexNet",
    "AlexNet2012",
    "DenseNet",
    "GoogLeNet",
    "GoogLeNet2014",
    "InceptionV3",
    "LeNet5",
    "LeNet5Original",
    "LogisticRegression",
    "Network",
    "NiN",
    "PreActResNet",
    "RandWire",
    "ResNet",
    "SelfNormalizingMLP",
    "SoftmaxRegression",
    "create_model",
    "make_model",
]
