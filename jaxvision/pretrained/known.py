"""The weights that are known by name: where they are, how good they are, and what they expect.

Accuracies are the publishers' on ImageNet's 50,000 validation images, or on CIFAR-10's 10,000 test
images, in percent. torchvision names its files by the first digits of their SHA-256, and publishes
no more; where several independent projects have measured and printed the whole one, it is in
`WHOLE_SHA256`. What the Hugging Face hub states of its own files is asked for there.
"""

from typing import Any, NamedTuple

from jaxvision.pretrained.preprocessing import (
    CAFFE,
    CIFAR,
    GOOGLENET,
    IMAGENET,
    IMAGENET_232,
    INCEPTION,
    Preprocessing,
)


class Known(NamedTuple):
    """Weights of one network."""

    model: str
    weights: str  # "lpips", "timm", "torchvision_v1", ...: who has trained or published them
    url: str | None  # None for a package's, or for a file that one has
    sha256: str | None  # its first digits, or all; None where the hub is asked
    top1: float | None
    top5: float | None
    licence: str
    preprocessing: Preprocessing
    options: dict[str, Any]  # attributes of the network that they are for


TORCHVISION = "https://download.pytorch.org/models/"
# Model, generation, file, top-1 and top-5, as torchvision states them.
TORCHVISION_FILES = (
    ("alexnet", "v1", "alexnet-owt-7be5be79.pth", 56.52, 79.07),
    ("vgg11", "v1", "vgg11-8a719046.pth", 69.02, 88.63),
    ("vgg13", "v1", "vgg13-19584684.pth", 69.93, 89.25),
    ("vgg16", "v1", "vgg16-397923af.pth", 71.59, 90.38),
    ("vgg19", "v1", "vgg19-dcbb9e9d.pth", 72.38, 90.88),
    ("vgg11_bn", "v1", "vgg11_bn-6002323d.pth", 70.37, 89.81),
    ("vgg13_bn", "v1", "vgg13_bn-abd245e5.pth", 71.59, 90.37),
    ("vgg16_bn", "v1", "vgg16_bn-6c64b313.pth", 73.36, 91.52),
    ("vgg19_bn", "v1", "vgg19_bn-c79401a0.pth", 74.22, 91.84),
    ("googlenet", "v1", "googlenet-1378be20.pth", 69.78, 89.53),
    ("inception_v3", "v1", "inception_v3_google-0cc3c7bd.pth", 77.29, 93.45),
    ("resnet18", "v1", "resnet18-f37072fd.pth", 69.76, 89.08),
    ("resnet34", "v1", "resnet34-b627a593.pth", 73.31, 91.42),
    ("resnet50", "v1", "resnet50-0676ba61.pth", 76.13, 92.86),
    ("resnet50", "v2", "resnet50-11ad3fa6.pth", 80.86, 95.43),
    ("resnet101", "v1", "resnet101-63fe2227.pth", 77.37, 93.55),
    ("resnet101", "v2", "resnet101-cd907fc2.pth", 81.89, 95.78),
    ("resnet152", "v1", "resnet152-394f9c45.pth", 78.31, 94.05),
    ("resnet152", "v2", "resnet152-f82ba261.pth", 82.28, 96.00),
    ("resnext50_32x4d", "v1", "resnext50_32x4d-7cdf4587.pth", 77.62, 93.70),
    ("resnext50_32x4d", "v2", "resnext50_32x4d-1a0047aa.pth", 81.20, 95.34),
    ("resnext101_32x8d", "v1", "resnext101_32x8d-8ba56ff5.pth", 79.31, 94.53),
    ("resnext101_32x8d", "v2", "resnext101_32x8d-110c445d.pth", 82.83, 96.23),
    ("resnext101_64x4d", "v1", "resnext101_64x4d-173b62eb.pth", 83.25, 96.45),
    ("wide_resnet50_2", "v1", "wide_resnet50_2-95faca4d.pth", 78.47, 94.09),
    ("wide_resnet50_2", "v2", "wide_resnet50_2-9ba9bcbe.pth", 81.60, 95.76),
    ("wide_resnet101_2", "v1", "wide_resnet101_2-32ee1156.pth", 78.85, 94.28),
    ("wide_resnet101_2", "v2", "wide_resnet101_2-d733dc28.pth", 82.51, 96.02),
    ("densenet121", "v1", "densenet121-a639ec97.pth", 74.43, 91.97),
    ("densenet161", "v1", "densenet161-8d451a50.pth", 77.14, 93.56),
    ("densenet169", "v1", "densenet169-b2777c0a.pth", 75.60, 92.81),
    ("densenet201", "v1", "densenet201-c1103571.pth", 76.90, 93.37),
)
WHOLE_SHA256 = (
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",  # alexnet
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",  # vgg16
    "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",  # vgg19
    "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",  # resnet18
    "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",  # resnet34
    "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",  # resnet50, v1
    "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",  # resnet50, v2
    "a639ec97d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395",  # densenet121
)
OWN_PREPROCESSING = {"googlenet": GOOGLENET, "inception_v3": INCEPTION}
# These want the short side at 232 pixels: the second generation, and one that came with it.
AT_232 = ("v2", "resnext101_64x4d")
NOT_AT_TIMM = ("alexnet", "googlenet", "resnext101_64x4d")


def _torchvision(row: tuple[str, str, str, float, float]) -> Known:
    model, generation, file, top1, top5 = row
    at_232 = generation in AT_232 or model in AT_232
    preprocessing = OWN_PREPROCESSING.get(model, IMAGENET_232 if at_232 else IMAGENET)
    digits = file.removesuffix(".pth").rpartition("-")[2]
    sha256 = next((whole for whole in WHOLE_SHA256 if whole.startswith(digits)), digits)
    weights, url = f"torchvision_{generation}", TORCHVISION + file
    return Known(model, weights, url, sha256, top1, top5, "BSD-3-Clause", preprocessing, {})


def _timm(known: Known) -> Known:
    """torchvision's weights as timm has them on the hub: safetensors, that need no PyTorch."""
    url = f"hf://timm/{known.model}.tv_in1k/model.safetensors"
    return known._replace(weights="timm", url=url, sha256=None)


FROM_TORCHVISION = tuple(map(_torchvision, TORCHVISION_FILES))
KNOWN: tuple[Known, ...] = (
    *(
        Known(model, "lpips", None, None, None, None, "BSD-2-Clause", IMAGENET, {"hidden": ()})
        for model in ("vgg16", "alexnet")
    ),
    *(
        _timm(known)
        for known in FROM_TORCHVISION
        if known.weights == "torchvision_v1" and known.model not in NOT_AT_TIMM
    ),
    *FROM_TORCHVISION,
    Known("resnet50_v1", "keras", None, None, 74.9, 92.1, "MIT", CAFFE, {"epsilon": 1e-3}),
    *(
        Known(f"cifar_resnet{depth}", "akamaster", None, None, top1, None, "BSD", CIFAR, {})
        for depth, top1 in ((20, 91.73), (32, 92.63), (44, 93.10), (56, 93.39), (110, 93.68))
    ),
)
"""In the order in which `load_pretrained` prefers them: no network, no PyTorch, the rest."""


def known_for(model: str) -> dict[str, Known]:
    """The known weights of a model by name, the preferred first; {} if there are none."""
    return {known.weights: known for known in KNOWN if known.model == model}
