"""Where each module of PyTorch's networks lives in ours: torchvision's names, timm's, akamaster's.

A function for each family takes "layer1.0.conv1" to "stage1_block1/conv1". What it does not know
keeps its name, so that merging names it as unexpected, and is not lost in silence.

timm's ResNets, DenseNets and Inception v3 have torchvision's names but for the head; its VGGs keep
fc6 and fc7 as convolutions (`pre_logits.fc1`), its pre-activation ResNets the head. akamaster's are
the CIFAR ResNets of github.com/akamaster/pytorch_resnet_cifar10.
"""

import re
from collections.abc import Callable, Mapping
from itertools import count
from types import MappingProxyType
from typing import NamedTuple

from jaxvision.models import vgg

HEADS = ("fc", "linear", "classifier", "head.fc")


def rename_resnet(module: str) -> str:
    """torchvision's and timm's ResNets, ResNeXts and wide ResNets, and akamaster's."""
    if module in HEADS:
        return "head"
    match module.split("."):
        case [stage, block, *layer] if stage.startswith("layer"):
            layer = ".".join(layer)
            layer = {"downsample.0": "conv_shortcut", "downsample.1": "bn_shortcut"}.get(
                layer, layer
            )
            return f"stage{stage.removeprefix('layer')}_block{int(block) + 1}/{layer}"
    return module


def rename_preact_resnet(module: str) -> str:
    """timm's `resnetv2_50` to `resnetv2_152`, whose first block has the norm of our stem.

    Its `resnetv2_18` and `resnetv2_34` are other networks: there the first shortcut begins before
    the first ReLU.
    """
    names = {"stem.conv": "conv1", "stages.0.blocks.0.norm1": "bn1", "norm": "bn_last"}
    match module.split("."):
        case _ if module in names:
            return names[module]
        case ["stages", stage, "blocks", block, *layer]:
            inner = (
                ".".join(layer).replace("norm", "bn").replace("downsample.conv", "conv_shortcut")
            )
            return f"stage{int(stage) + 1}_block{int(block) + 1}/{inner}"
    return "head" if module in HEADS else module


def rename_alexnet(module: str) -> str:
    """Our name of a module of torchvision's AlexNet."""
    layers = {f"features.{i}": f"conv{n}" for n, i in enumerate((0, 3, 6, 8, 10), 1)}
    return (layers | {"classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "head"}).get(
        module, module
    )


def rename_vgg(
    kernels: tuple[tuple[int, ...], ...], batch_norm: bool = False
) -> Callable[[str], str]:
    """The function for a configuration: PyTorch numbers convolutions, norms, ReLUs and pools on."""
    index, names = count(), {}
    for stage, sides in enumerate(kernels, 1):
        for i, _ in enumerate(sides, 1):
            names[f"features.{next(index)}"] = f"conv{stage}_{i}"
            if batch_norm:
                names[f"features.{next(index)}"] = f"bn{stage}_{i}"
            next(index)  # the ReLU
        next(index)  # the pool
    names |= {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "head"}
    names |= {"pre_logits.fc1": "fc6", "pre_logits.fc2": "fc7", "head.fc": "head"}  # timm

    def rename(module: str) -> str:
        return names.get(module, module)

    return rename


def rename_densenet(module: str) -> str:
    """torchvision's and timm's DenseNets; files of before 2018 have "norm.1" for "norm1"."""
    if module in HEADS:
        return "head"
    match module.removeprefix("features.").split("."):
        case ["conv0"]:
            return "conv1"
        case ["norm0"]:
            return "bn1"
        case ["norm5"]:
            return "bn_final"
        case [block, layer, *inner] if block.startswith("denseblock"):
            inner = "".join(inner).replace("norm", "bn")
            return f"{block.removeprefix('dense')}_{layer.removeprefix('dense')}/{inner}"
        case [transition, inner] if transition.startswith("transition"):
            return f"{transition}/{inner.replace('norm', 'bn')}"
    return module


def rename_googlenet(module: str) -> str:
    """Our name of a module of torchvision's GoogLeNet."""
    branches = {
        "branch1": "conv1x1",
        "branch2.0": "conv3x3_reduce",
        "branch2.1": "conv3x3",
        "branch3.0": "conv5x5_reduce",
        "branch3.1": "conv5x5",
        "branch4.1": "pool_proj",
    }
    head, _, layer = module.rpartition(".")
    if inception := re.fullmatch(r"inception(\d[a-e])\.(.+)", head):
        block, branch = inception.groups()
        return f"inception_{block}/{branches.get(branch, branch)}/{layer}"
    if head in ("aux1.conv", "aux2.conv"):
        return f"{head.replace('.', '/')}/{layer}"
    names = {"conv2": "conv2_reduce", "conv3": "conv2"}
    names |= {f"aux{i}.fc1": f"aux{i}/dense" for i in (1, 2)}
    names |= {f"aux{i}.fc2": f"aux{i}/head" for i in (1, 2)} | {"fc": "head"}
    return names.get(module) or f"{names.get(head, head)}/{layer}"


def rename_inception(module: str) -> str:
    """Our name of a module of torchvision's Inception v3."""
    names = {"fc": "head", "AuxLogits.fc": "aux/head"}
    return names.get(module) or module.lower().replace("auxlogits", "aux").replace(".", "/")


class TorchNames(NamedTuple):
    """How a family's PyTorch state dicts become ours."""

    rename: Callable[[str], str | None]
    first: str  # the first convolution, which sees the image
    flattened: Mapping[str, tuple[int, int, int]] = MappingProxyType({})  # (c, h, w) before these
    dense: tuple[str, ...] = ()  # layers that timm keeps as convolutions, and those of `flattened`


VGG_FLAT = {"fc6": (512, 7, 7)}
RESNET = TorchNames(rename_resnet, "conv1")
DENSENET = TorchNames(rename_densenet, "conv1")
PREACT_RESNET = TorchNames(rename_preact_resnet, "conv1", dense=("head",))


def _vgg(kernels: tuple[tuple[int, ...], ...], batch_norm: bool = False) -> TorchNames:
    return TorchNames(rename_vgg(kernels, batch_norm), "conv1_1", VGG_FLAT, ("fc6", "fc7"))


TORCH_NAMES: dict[str, TorchNames] = {
    "alexnet": TorchNames(rename_alexnet, "conv1", {"fc6": (256, 6, 6)}, ("fc6",)),
    "vgg11": _vgg(vgg.A),
    "vgg13": _vgg(vgg.B),
    "vgg16": _vgg(vgg.D),
    "vgg19": _vgg(vgg.E),
    "vgg11_bn": _vgg(vgg.A, batch_norm=True),
    "vgg13_bn": _vgg(vgg.B, batch_norm=True),
    "vgg16_bn": _vgg(vgg.D, batch_norm=True),
    "vgg19_bn": _vgg(vgg.E, batch_norm=True),
    "googlenet": TorchNames(
        rename_googlenet,
        "conv1/conv",
        {f"aux{i}/dense": (128, 4, 4) for i in (1, 2)},
        ("aux1/dense", "aux2/dense"),
    ),
    "inception_v3": TorchNames(rename_inception, "conv2d_1a_3x3/conv"),
    **dict.fromkeys(
        (
            *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
            *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
            *("wide_resnet50_2", "wide_resnet101_2"),
            *(f"cifar_resnet{depth}" for depth in (20, 32, 44, 56, 110)),
            *(f"cifar_resnet{depth}_b" for depth in (20, 32, 44, 56, 110)),
        ),
        RESNET,
    ),
    **dict.fromkeys((f"preact_resnet{depth}" for depth in (50, 101, 152)), PREACT_RESNET),
    **dict.fromkeys(("densenet121", "densenet161", "densenet169", "densenet201"), DENSENET),
}
"""The networks of ours that PyTorch has too, by our names, which are torchvision's."""
