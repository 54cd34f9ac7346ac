"""DenseNet: every layer sees what all the layers before it have found.

Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks", CVPR 2017,
equation 2 and Table 1, https://arxiv.org/abs/1608.06993. Inside a block, with k the growth,

    x_l = H_l([x_0, x_1, ..., x_{l-1}]),   each x_l of k channels
    H_l = norm, ReLU, 3x3 to k                                          basic
          norm, ReLU, 1x1 to 4 k, norm, ReLU, 3x3 to k                  bottleneck ("B")

and between blocks a transition: norm, ReLU, 1x1 to theta of the channels, 2x2 average. theta < 1 is
compression ("C"). At 224 x 224, or 32 x 32 for CIFAR:

    DenseNet         stem   7x7/2, norm, ReLU  112 x 112     CifarDenseNet  stem  3x3  32 x 32
                     pool1  3x3/2 maximum       56 x  56
                     block1, transition1, ..  56, 28, 14, 7                 32, 16, 8
                     bn_final               norm, ReLU of the last block
                     pooled, head

A layer's input grows with every layer, so that a plain implementation keeps memory quadratic in
their number. With `remat` (Pleiss et al., "Memory-Efficient Implementation of DenseNets", 2017,
section 3, https://arxiv.org/abs/1707.06990) the backward pass keeps what the convolutions return,
which is linear, and computes concatenation, norm and ReLU again. (XLA's CPU compiler merges equal
computations, these too: there it saves nothing.)

Where we deviate: the paper leaves the ReLU out of transitions; its authors' code has it, and so
do torchvision and we. Dropout is the paper's, after every convolution but the first; torchvision
has it after the 3x3 only.
"""

import math
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.models.layers import (
    BatchNorm,
    Conv,
    Dropout,
    Dtype,
    Features,
    Network,
    check_image_size,
)
from jaxvision.ops.pooling import average_pool, max_pool


class DenseLayer(nn.Module):
    """H_l: all the arrays [b, h, w, _] of the block so far -> [b, h, w, growth].

    Attributes:
        growth: k, the channels that it adds.
        bottleneck: whether a 1x1 convolution thins out its input first.
        dropout: share of each convolution's output that is dropped in training.
        train: whether norms go by the batch and dropout is on.
        dtype: what is computed in.
    """

    growth: int
    bottleneck: bool
    dropout: Scalar
    train: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, xs: list[Float[Array, "b h w _"]]) -> Float[Array, "b h w growth"]:
        x = jnp.concatenate(xs, axis=-1)
        convolutions = [(self.growth, 3)]
        if self.bottleneck:
            convolutions.insert(0, (4 * self.growth, 1))
        for i, (features, window) in enumerate(convolutions, start=1):
            x = BatchNorm(self.train, relu=True, name=f"bn{i}")(x)
            conv = partial(Conv, padding=window // 2, use_bias=False, dtype=self.dtype)
            x = conv(features, window, name=f"conv{i}")(x)
            x = checkpoint_name(x, "convolution")
            x = Dropout(self.dropout, self.train, name=f"dropout{i}")(x)
        return x


class Transition(nn.Module):
    """Fewer channels and half the height and width: [b, h, w, n] -> [b, h//2, w//2, features]."""

    features: int
    dropout: Scalar
    train: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b h//2 w//2 features"]:
        x = BatchNorm(self.train, relu=True, name="bn")(x)
        x = Conv(self.features, 1, use_bias=False, dtype=self.dtype, name="conv")(x)
        x = Dropout(self.dropout, self.train, name="dropout")(x)
        return average_pool(x, 2, 2)


class DenseNet(Network):
    """Images [b, h, w, c] -> (logits [b, classes], stem, every block and transition by name).

    The features of the blocks and transitions, and of a CIFAR stem, are before norm and ReLU.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `pooled`.
        depths: layers in each block.
        growth: k, the channels that each layer adds.
        stem_features: channels of the first convolution.
        bottleneck: whether each layer has a 1x1 convolution before its 3x3.
        compression: theta, the share of the channels that a transition keeps.
        dropout: share of each convolution's output, after the first, that is dropped in training:
            the paper has 0.2 for CIFAR without augmentation, and else none.
        dtype: what is computed in; parameters, statistics and logits stay float32.
        remat: whether the layers' norms and ReLUs are computed again in the backward pass, which
            takes time and saves memory.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below `minimum_size`.
    """

    depths: tuple[int, ...]
    growth: int
    stem_features: int
    bottleneck: bool = True
    compression: float = 0.5
    dropout: Scalar = 0.0
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 224
    minimum_size: ClassVar[int] = 29

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, type(self).__name__)
        layer, transition = DenseLayer, partial(Transition, train=train, dtype=self.dtype)
        if self.remat:
            keep = jax.checkpoint_policies.save_only_these_names("convolution")
            layer = nn.remat(DenseLayer, policy=keep)
        layer = partial(layer, self.growth, self.bottleneck, self.dropout, train, self.dtype)

        features = self.stem(images, train)
        *_, x = features.values()
        for i, depth in enumerate(self.depths, start=1):
            xs = [x]
            for j in range(1, depth + 1):
                xs.append(layer(name=f"block{i}_layer{j}")(xs))
            x = features[f"block{i}"] = jnp.concatenate(xs, axis=-1)
            if i < len(self.depths):
                name, kept = f"transition{i}", math.floor(self.compression * x.shape[-1])
                x = features[name] = transition(kept, self.dropout, name=name)(x)
        x = features["bn_final"] = BatchNorm(train, relu=True, name="bn_final")(x)
        x = features["pooled"] = x.mean(axis=(1, 2))
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features

    def stem(self, images: Float[Array, "b h w c"], train: bool) -> Features:
        """What comes before the first block."""
        conv = partial(Conv, padding=3, use_bias=False, dtype=self.dtype)
        x = conv(self.stem_features, 7, 2, name="conv1")(images)
        x = BatchNorm(train, relu=True, name="bn1")(x)
        return {"stem": x, "pool1": max_pool(x, 3, 2, ((1, 1), (1, 1)))}


class CifarDenseNet(DenseNet):
    """The paper's network for small images: one convolution for a stem, and fewer blocks."""

    image_size: ClassVar[int | None] = 32
    minimum_size: ClassVar[int] = 4

    def stem(self, images: Float[Array, "b h w c"], train: bool) -> Features:
        """What comes before the first block."""
        conv = partial(Conv, padding=1, use_bias=False, dtype=self.dtype)
        return {"stem": conv(self.stem_features, 3, name="conv1")(images)}


densenet121 = partial(DenseNet, depths=(6, 12, 24, 16), growth=32, stem_features=64)
densenet161 = partial(DenseNet, depths=(6, 12, 36, 24), growth=48, stem_features=96)
densenet169 = partial(DenseNet, depths=(6, 12, 32, 32), growth=32, stem_features=64)
densenet201 = partial(DenseNet, depths=(6, 12, 48, 32), growth=32, stem_features=64)

cifar_densenet_40_12 = partial(
    CifarDenseNet,
    depths=(12, 12, 12),
    growth=12,
    stem_features=16,
    bottleneck=False,
    compression=1.0,
)
cifar_densenet_bc_100_12 = partial(CifarDenseNet, depths=(16, 16, 16), growth=12, stem_features=24)
