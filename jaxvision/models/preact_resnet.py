"""Pre-activation ResNet: nothing but additions on the way from the first block to the last.

He, Zhang, Ren & Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016,
https://arxiv.org/abs/1603.05027. Batch norm and ReLU move from after each convolution to before it,
so that no ReLU follows the sum: with a = relu(norm(x)) a block computes (Fig. 4e)

    y = x + F(a)

and the features of block L are those of block l plus the sum of all F between them (eq. 4). The
appendix gives the three exceptions:

    first block    its activation comes right after conv1, before the paths part: y = x + F(x), and
                   `bn1` is the stem's
    last block     one more norm and ReLU follow it, here `bn_last`
    new shape      a projection starts from the activation: y = conv_shortcut(a) + F(a)

The projection has no batch norm; so it is in the authors' code, too (github.com/KaimingHe/
resnet-1k-layers). For CIFAR, `cifar_preact_resnet110` has the blocks of section 4.2 of the first
paper (see `cifar_resnet`) with its parameter-free shortcuts, which take x itself; 164 and 1001 have
9n + 2 layers in bottlenecks, whose first 1x1 convolution takes the stride, as in that code.

Where we deviate: the paper trains depths 152 and 200 on ImageNet; 18 to 101 follow the rule. Their
bottlenecks have the stride in the 3x3 convolution, as in `resnet` and in timm (`resnetv2_50`). timm
puts the first norm after the pool: in evaluation the same function, if its scales are positive.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.models import cifar_resnet
from jaxvision.models.layers import (
    BatchNorm,
    Conv,
    Dtype,
    Features,
    Network,
    check_image_size,
)
from jaxvision.models.resnet import Layer, apply_block, imagenet_stem


def project(
    x: Float[Array, "b h w n"], a: Float[Array, "b h w n"], features: int, stride: int, conv: Layer
) -> Float[Array, "b hs ws features"]:
    """The shortcut of option B: a 1x1 convolution of the activation `a` of x."""
    del x
    return conv(features, 1, stride, name="conv_shortcut")(a)


def pad(
    x: Float[Array, "b h w n"], a: Float[Array, "b h w n"], features: int, stride: int, conv: Layer
) -> Float[Array, "b hs ws features"]:
    """The shortcut of option A: x itself, subsampled, among channels of zeros."""
    del a, conv
    return cifar_resnet.pad(x, features, stride)


class PreActBasicBlock(nn.Module):
    """x + two 3x3 convolutions of its activation: -> [b, h/stride, w/stride, features].

    Attributes:
        features: channels of both convolutions.
        stride: pixels from one window of the first to the next.
        train: whether batch norm takes the batch's statistics.
        activate: whether the block begins with norm and ReLU; not where the stem ends with them.
        shortcut: `project` or `pad`; called where the shape changes.
        dtype: what is computed in.
    """

    features: int
    stride: int
    train: bool
    activate: bool = True
    shortcut: Callable[..., Array] = project
    dtype: Dtype = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws features"]:
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(BatchNorm, self.train, relu=True)

        a = norm(name="bn1")(x) if self.activate else x
        y = conv(self.features, 3, self.stride, padding=1, name="conv1")(a)
        y = norm(name="bn2")(y)
        y = conv(self.features, 3, padding=1, name="conv2")(y)
        if x.shape != y.shape:
            x = self.shortcut(x, a, self.features, self.stride, conv)
        return x + y


class PreActBottleneck(nn.Module):
    """x + 1x1, 3x3 and 1x1 convolutions of its activation: -> [b, h/stride, w/stride, 4 features].

    Attributes:
        features: channels of the 3x3 convolution, a quarter of the output's.
        stride: pixels from one window of the 3x3 convolution to the next.
        train: whether batch norm takes the batch's statistics.
        activate: whether the block begins with norm and ReLU; not where the stem ends with them.
        stride_first: whether the first 1x1 convolution takes the stride in place of the 3x3.
        dtype: what is computed in.
    """

    features: int
    stride: int
    train: bool
    activate: bool = True
    stride_first: bool = False
    dtype: Dtype = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws 4*{self.features}"]:
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(BatchNorm, self.train, relu=True)
        stride1, stride2 = (self.stride, 1) if self.stride_first else (1, self.stride)

        a = norm(name="bn1")(x) if self.activate else x
        y = conv(self.features, 1, stride1, name="conv1")(a)
        y = norm(name="bn2")(y)
        y = conv(self.features, 3, stride2, padding=1, name="conv2")(y)
        y = norm(name="bn3")(y)
        y = conv(4 * self.features, 1, name="conv3")(y)
        if x.shape != y.shape:
            x = project(x, a, 4 * self.features, self.stride, conv)
        return x + y


class PreActResNet(Network):
    """Images [b, h, w, c] -> (logits [b, classes], features by name).

    Any size and any number of channels. The features of a block, `stage1_block1` and so on, and of
    a stage, `stage1` (its last block once more), are sums that no ReLU has cut. `stem` and `pool1`
    before them, and `last` and `pooled` after them, are activations.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `pooled`.
        depths: blocks in each stage; each stage after the first halves height and width.
        block: `PreActBasicBlock` or `PreActBottleneck`, with more of their attributes given by
            `partial`.
        stem: what comes before the blocks, its features in order.
        width: channels of the stem, and `features` of the first stage's blocks; each later stage
            doubles them.
        dtype: what is computed in; parameters, statistics and logits stay float32.
        remat: whether the backward pass computes each block's activations again instead of
            keeping them.

    Raises:
        ValueError: if `num_classes` is below 1, or the images have no pixels.
    """

    depths: tuple[int, ...]
    block: Layer = PreActBasicBlock
    stem: Callable[..., Features] = imagenet_stem
    width: int = 64
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 224

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, type(self).__name__)
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(BatchNorm, train)
        block = partial(self.block, train=train, dtype=self.dtype)
        apply = nn.remat(apply_block) if self.remat else apply_block

        features = self.stem(images, self.width, conv, norm)
        *_, x = features.values()
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                name = f"stage{i + 1}_block{j + 1}"
                stride = 2 if i > 0 and j == 0 else 1
                activate = i > 0 or j > 0
                layer = block(self.width * 2**i, stride, activate=activate, name=name)
                x = features[name] = apply(layer, x)
            features[f"stage{i + 1}"] = x
        x = features["last"] = norm(relu=True, name="bn_last")(x)
        x = features["pooled"] = jnp.mean(x, axis=(1, 2))

        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features


class CifarPreActResNet(PreActResNet):
    """Images [b, h, w, c] -> (logits [b, classes], features by name): a narrower `PreActResNet`.

    Attributes and features as there, but for `pool1`, which it has not.
    """

    stem: Callable[..., Features] = cifar_resnet.cifar_stem
    width: int = 16
    image_size: ClassVar[int | None] = 32


preact_resnet18 = partial(PreActResNet, depths=(2, 2, 2, 2))
preact_resnet34 = partial(PreActResNet, depths=(3, 4, 6, 3))
preact_resnet50 = partial(PreActResNet, depths=(3, 4, 6, 3), block=PreActBottleneck)
preact_resnet101 = partial(PreActResNet, depths=(3, 4, 23, 3), block=PreActBottleneck)
preact_resnet152 = partial(PreActResNet, depths=(3, 8, 36, 3), block=PreActBottleneck)
preact_resnet200 = partial(PreActResNet, depths=(3, 24, 36, 3), block=PreActBottleneck)

padded_block = partial(PreActBasicBlock, shortcut=pad)
original_bottleneck = partial(PreActBottleneck, stride_first=True)

cifar_preact_resnet110 = partial(CifarPreActResNet, depths=(18, 18, 18), block=padded_block)
cifar_preact_resnet164 = partial(CifarPreActResNet, depths=(18, 18, 18), block=original_bottleneck)
cifar_preact_resnet1001 = partial(
    CifarPreActResNet, depths=(111, 111, 111), block=original_bottleneck
)
