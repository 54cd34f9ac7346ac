"""ResNet: learn what to add to the input, not what to replace it with.

He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1,
https://arxiv.org/abs/1512.03385. Every block computes y = relu(shortcut(x) + F(x)), where the
shortcut is x itself, or a 1x1 convolution of x where a stage changes the shape (option B). F is two
3x3 convolutions (`BasicBlock`), or a 3x3 between two 1x1 that narrow and widen (`Bottleneck`). At
224 x 224, with n the channels of F's 3x3 convolutions:

    stage     output       n      blocks: 18  34  50  101  152
    stem      112 x 112           one 7x7 convolution to 64 channels, stride 2
    pool1      56 x 56            3x3 maximum, stride 2
    stage1     56 x 56     64              2   3   3    3    3      the paper's conv2_x
    stage2     28 x 28    128              2   4   4    4    8
    stage3     14 x 14    256              2   6   6   23   36
    stage4      7 x 7     512              2   3   3    3    3
    pooled      1 x 1             average over all pixels, then the head

`resnet50` is torchvision's, which halves a stage in the 3x3 convolution of its first block;
`resnet50_v1` is the paper's, which does so in the 1x1 before it and never looks at three pixels of
four. Two papers since have changed only that 3x3 convolution:

- ResNeXt (Xie, Girshick, Dollar, Tu & He, CVPR 2017, Table 1, https://arxiv.org/abs/1611.05431)
  widens it and splits it into `groups`: 32x4d is 32 groups of 4 channels in stage 1.
- Wide ResNet (Zagoruyko & Komodakis, BMVC 2016, section 3, https://arxiv.org/abs/1605.07146)
  only widens it: `wide_resnet50_2` doubles it.

Where the paper leaves a choice: padding is PyTorch's, the same on all sides, and depths 18 and 34
project, too (its Table 2 pads them, its Table 3 compares both). Kernels are drawn with variance
2 / fan_in, as there (torchvision: fan_out), and every scale begins at one. For blocks that begin as
the identity (Goyal et al. 2017, section 5.1, https://arxiv.org/abs/1706.02677), say so:
`resnet50(1000, block=partial(Bottleneck, last_scale_init=nn.initializers.zeros))`.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.models.layers import (
    BatchNorm,
    Conv,
    Dtype,
    Features,
    Network,
    check_image_size,
)
from jaxvision.ops.pooling import max_pool

Layer = Callable[..., nn.Module]
"""Makes a layer or a block: a class, or a `partial` of one."""


def project(
    x: Float[Array, "b h w n"], features: int, stride: int, conv: Layer, norm: Layer
) -> Float[Array, "b hs ws features"]:
    """The shortcut of option B: a 1x1 convolution and its batch norm, which learn the new shape."""
    return norm(name="bn_shortcut")(conv(features, 1, stride, name="conv_shortcut")(x))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: [b, h, w, n] -> [b, h/stride, w/stride, features].

    Attributes:
        features: channels of both convolutions.
        stride: pixels from one window of the first to the next.
        train: whether batch norm takes the batch's statistics.
        shortcut: `project`, or another such function; called where the shape changes.
        last_scale_init: of the scale of `bn2`; zeros for a block that begins as its shortcut.
        epsilon: what batch norm adds to the variance.
        dtype: what is computed in.
    """

    features: int
    stride: int
    train: bool
    shortcut: Callable[..., Array] = project
    last_scale_init: nn.initializers.Initializer = nn.initializers.ones
    epsilon: float = 1e-5
    dtype: Dtype = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws features"]:
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(BatchNorm, self.train, epsilon=self.epsilon)

        y = conv(self.features, 3, self.stride, padding=1, name="conv1")(x)
        y = norm(relu=True, name="bn1")(y)
        y = conv(self.features, 3, padding=1, name="conv2")(y)
        y = norm(scale_init=self.last_scale_init, name="bn2")(y)
        if x.shape != y.shape:
            x = self.shortcut(x, self.features, self.stride, conv, norm)
        return nn.relu(x + y)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut: -> [b, h/stride, w/stride, 4 features].

    Attributes:
        features: a quarter of the output's channels.
        stride: pixels from one window of the 3x3 convolution to the next.
        train: whether batch norm takes the batch's statistics.
        widen: how many times `features` the 3x3 convolution is wide.
        groups: parts of its channels that do not see each other.
        stride_first: whether the first 1x1 convolution takes the stride in place of the 3x3.
        last_scale_init: of the scale of `bn3`; zeros for a block that begins as its shortcut.
        epsilon: what batch norm adds to the variance.
        dtype: what is computed in.
    """

    features: int
    stride: int
    train: bool
    widen: int = 1
    groups: int = 1
    stride_first: bool = False
    last_scale_init: nn.initializers.Initializer = nn.initializers.ones
    epsilon: float = 1e-5
    dtype: Dtype = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws 4*{self.features}"]:
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(BatchNorm, self.train, epsilon=self.epsilon)
        inner, outer = self.widen * self.features, 4 * self.features
        stride1, stride2 = (self.stride, 1) if self.stride_first else (1, self.stride)

        y = conv(inner, 1, stride1, name="conv1")(x)
        y = norm(relu=True, name="bn1")(y)
        y = conv(inner, 3, stride2, padding=1, groups=self.groups, name="conv2")(y)
        y = norm(relu=True, name="bn2")(y)
        y = conv(outer, 1, name="conv3")(y)
        y = norm(scale_init=self.last_scale_init, name="bn3")(y)
        if x.shape != y.shape:
            x = project(x, outer, self.stride, conv, norm)
        return nn.relu(x + y)


def imagenet_stem(
    images: Float[Array, "b h w c"], width: int, conv: Layer, norm: Layer
) -> Features:
    """What comes before the first block, for photographs: a quarter of the height and width."""
    x = conv(width, 7, 2, padding=3, name="conv1")(images)
    x = norm(relu=True, name="bn1")(x)
    return {"stem": x, "pool1": max_pool(x, 3, 2, ((1, 1), (1, 1)))}


def apply_block(block: nn.Module, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws m"]:
    """What `nn.remat` wraps: a function, so that a block may be a partial."""
    return block(x)


class ResNet(Network):
    """Images [b, h, w, c] -> (logits [b, classes], features by name).

    Any size and any number of channels. The features are what follows a ReLU: `stem`, `pool1`, each
    block as `stage1_block1`, the last of each stage once more as `stage1`, and `pooled`.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `pooled`.
        depths: blocks in each stage; each stage after the first halves height and width.
        block: `BasicBlock` or `Bottleneck`, with more of their attributes given by `partial`.
        stem: what comes before the blocks, its features in order.
        width: channels of the stem, and `features` of the first stage's blocks; each later stage
            doubles them.
        epsilon: what batch norm adds to the variance.
        dtype: what is computed in; parameters, statistics and logits stay float32.
        remat: whether the backward pass computes each block's activations again instead of
            keeping them.

    Raises:
        ValueError: if `num_classes` is below 1, or the images have no pixels.
    """

    depths: tuple[int, ...]
    block: Layer = BasicBlock
    stem: Callable[..., Features] = imagenet_stem
    width: int = 64
    epsilon: float = 1e-5
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 224

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, type(self).__name__)
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(BatchNorm, train, epsilon=self.epsilon)
        block = partial(self.block, train=train, epsilon=self.epsilon, dtype=self.dtype)
        apply = nn.remat(apply_block) if self.remat else apply_block

        features = self.stem(images, self.width, conv, norm)
        *_, x = features.values()
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                name = f"stage{i + 1}_block{j + 1}"
                stride = 2 if i > 0 and j == 0 else 1
                x = features[name] = apply(block(self.width * 2**i, stride, name=name), x)
            features[f"stage{i + 1}"] = x
        x = features["pooled"] = jnp.mean(x, axis=(1, 2))

        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features


original_bottleneck = partial(Bottleneck, stride_first=True)

resnet18 = partial(ResNet, depths=(2, 2, 2, 2))
resnet34 = partial(ResNet, depths=(3, 4, 6, 3))
resnet50 = partial(ResNet, depths=(3, 4, 6, 3), block=Bottleneck)
resnet101 = partial(ResNet, depths=(3, 4, 23, 3), block=Bottleneck)
resnet152 = partial(ResNet, depths=(3, 8, 36, 3), block=Bottleneck)
resnet50_v1 = partial(ResNet, depths=(3, 4, 6, 3), block=original_bottleneck)
resnet101_v1 = partial(ResNet, depths=(3, 4, 23, 3), block=original_bottleneck)
resnet152_v1 = partial(ResNet, depths=(3, 8, 36, 3), block=original_bottleneck)
resnext50_32x4d = partial(
    ResNet, depths=(3, 4, 6, 3), block=partial(Bottleneck, widen=2, groups=32)
)
resnext101_32x8d = partial(
    ResNet, depths=(3, 4, 23, 3), block=partial(Bottleneck, widen=4, groups=32)
)
resnext101_64x4d = partial(
    ResNet, depths=(3, 4, 23, 3), block=partial(Bottleneck, widen=4, groups=64)
)
wide_resnet50_2 = partial(ResNet, depths=(3, 4, 6, 3), block=partial(Bottleneck, widen=2))
wide_resnet101_2 = partial(ResNet, depths=(3, 4, 23, 3), block=partial(Bottleneck, widen=2))
