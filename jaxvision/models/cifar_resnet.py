"""ResNets for 32 x 32 images: narrow, three stages, and as deep as one likes.

He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2,
https://arxiv.org/abs/1512.03385. With n blocks of two 3x3 convolutions in a stage, 6n + 2 layers
have weights: n = 3, 5, 7, 9, 18 for 20, 32, 44, 56, 110.

    stage     output     channels
    stem      32 x 32    16           one 3x3 convolution
    stage1    32 x 32    16           n blocks
    stage2    16 x 16    32           n blocks, the first of stride 2
    stage3     8 x  8    64           n blocks, the first of stride 2
    pooled     1 x  1    64           average over all pixels, then the head

The paper's shortcuts have no parameters anywhere (option A): where a stage begins, x is subsampled
and padded with channels of zeros. `cifar_resnet20_b` and so on project x instead (option B), for
2,752 parameters more.

Where the paper is silent: which channels are the zeros. Half of them come before those of x and
half after, as in the PyTorch code whose trained weights are in use (github.com/akamaster/
pytorch_resnet_cifar10). With random weights any order gives the same network.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.models.layers import Features
from jaxvision.models.resnet import BasicBlock, Layer, ResNet


def pad(
    x: Float[Array, "b h w n"], features: int, stride: int, *_: Layer
) -> Float[Array, "b hs ws features"]:
    """The shortcut of option A: every `stride`-th pixel, among channels of zeros; no layers."""
    zeros = features - x.shape[-1]
    before = zeros // 2
    seen = lax.slice(x, (0, 0, 0, 0), x.shape, (1, stride, stride, 1))
    return jnp.pad(seen, ((0, 0), (0, 0), (0, 0), (before, zeros - before)))


def cifar_stem(images: Float[Array, "b h w c"], width: int, conv: Layer, norm: Layer) -> Features:
    """What comes before the first block: every pixel stays."""
    x = conv(width, 3, padding=1, name="conv1")(images)
    return {"stem": norm(relu=True, name="bn1")(x)}


class CifarResNet(ResNet):
    """Images [b, h, w, c] -> (logits [b, classes], features by name): a narrower `ResNet`.

    Attributes and features as there, but for `pool1`, which it has not.
    """

    block: Layer = partial(BasicBlock, shortcut=pad)
    stem: Callable[..., Features] = cifar_stem
    width: int = 16
    image_size: ClassVar[int | None] = 32


cifar_resnet20 = partial(CifarResNet, depths=(3, 3, 3))
cifar_resnet32 = partial(CifarResNet, depths=(5, 5, 5))
cifar_resnet44 = partial(CifarResNet, depths=(7, 7, 7))
cifar_resnet56 = partial(CifarResNet, depths=(9, 9, 9))
cifar_resnet110 = partial(CifarResNet, depths=(18, 18, 18))

cifar_resnet20_b = partial(CifarResNet, depths=(3, 3, 3), block=BasicBlock)
cifar_resnet32_b = partial(CifarResNet, depths=(5, 5, 5), block=BasicBlock)
cifar_resnet44_b = partial(CifarResNet, depths=(7, 7, 7), block=BasicBlock)
cifar_resnet56_b = partial(CifarResNet, depths=(9, 9, 9), block=BasicBlock)
cifar_resnet110_b = partial(CifarResNet, depths=(18, 18, 18), block=BasicBlock)
