"""Inception v3: GoogLeNet with its large windows factorised into small and narrow ones.

Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, "Rethinking the Inception Architecture for Computer
Vision", CVPR 2016, Table 1 and Figures 5-8 and 10, https://arxiv.org/abs/1512.00567. Two 3x3
convolutions see 5x5 pixels at 18/25 of the cost; 1x7 and 7x1 see 7x7 at 2/7:

    conv2d_1a_3x3  3x3/2  149 x 149 x 32     mixed_5b .. 5d  InceptionA  35 x 35 x 256, 288, 288
    conv2d_2a_3x3  3x3    147 x 147 x 32     mixed_6a        InceptionB  17 x 17 x 768
    conv2d_2b_3x3  3x3    147 x 147 x 64     mixed_6b .. 6e  InceptionC  17 x 17 x 768
    maxpool1       3x3/2   73 x  73          mixed_7a        InceptionD   8 x  8 x 1280
    conv2d_3b_1x1  1x1     73 x  73 x 80     mixed_7b, 7c    InceptionE   8 x  8 x 2048
    conv2d_4a_3x3  3x3     71 x  71 x 192    pooled                      2048
    maxpool2       3x3/2   35 x  35          head            dropout 0.5, classes

Batch norm (epsilon 0.001) and ReLU follow every convolution. What has stride 2 is not padded, nor
are conv2d_2a and conv2d_4a. After mixed_6e there may be an auxiliary head, which acts as a
regulariser (section 4, Figure 8). 23,834,568 parameters, 27,161,264 with it.

Where we deviate: the paper's Table 1 is not the network that its authors released and torchvision
ported, which is the one above. In Table 1 the stem goes on from maxpool1 with three 3x3
convolutions, the second of stride 2, and Figure 5 has no 5x5. Average pooling counts the padding
as zeros, as in torchvision; TensorFlow leaves it out. The paper says nothing of the initialisation:
ours is He's, torchvision's normal with deviation 0.1.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.models.layers import ConvUnit, Dropout, Dtype, Features, Network, check_image_size
from jaxvision.ops.pooling import adaptive_average_pool, average_pool, max_pool

Unit = Callable[..., nn.Module]
"""Makes a convolution with batch norm and ReLU: `ConvUnit`, but for `train` and `dtype`."""

Layer = tuple[int, int | tuple[int, int]]
"""Channels of a convolution and its window, pixels a side or (rows, columns)."""


class InceptionA(nn.Module):
    """Windows up to 5x5 (Figure 5): [b, h, w, n] -> [b, h, w, 224 + pool_features].

    Attributes:
        unit: makes a convolution.
        pool_features: channels of the branch that averages.
    """

    unit: Unit
    pool_features: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b h w m"]:
        return _side_by_side(
            self.unit(64, 1, name="branch1x1")(x),
            _branch(x, self.unit, "branch5x5", (48, 1), (64, 5)),
            _branch(x, self.unit, "branch3x3dbl", (64, 1), (96, 3), (96, 3)),
            self.unit(self.pool_features, 1, name="branch_pool")(_average(x)),
        )


class InceptionB(nn.Module):
    """Half the height and width (Figure 10): [b, h, w, n] -> [b, (h-1)//2, (w-1)//2, n + 480]."""

    unit: Unit

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws m"]:
        return _side_by_side(
            self.unit(384, 3, stride=2, name="branch3x3")(x),
            _branch(x, self.unit, "branch3x3dbl", (64, 1), (96, 3), (96, 3), stride=2),
            max_pool(x, 3, 2),
        )


class InceptionC(nn.Module):
    """1x7 and 7x1 in place of 7x7 (Figure 6): [b, h, w, n] -> [b, h, w, 768].

    Attributes:
        unit: makes a convolution.
        width: channels between the first and the last convolution of a branch.
    """

    unit: Unit
    width: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b h w 768"]:
        reduce, row, column = (self.width, 1), (self.width, (1, 7)), (self.width, (7, 1))
        twice = (reduce, column, row, column, (192, (1, 7)))
        return _side_by_side(
            self.unit(192, 1, name="branch1x1")(x),
            _branch(x, self.unit, "branch7x7", reduce, row, (192, (7, 1))),
            _branch(x, self.unit, "branch7x7dbl", *twice),
            self.unit(192, 1, name="branch_pool")(_average(x)),
        )


class InceptionD(nn.Module):
    """Half the height and width again: [b, h, w, n] -> [b, (h-1)//2, (w-1)//2, n + 512]."""

    unit: Unit

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws m"]:
        seven = ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3))
        return _side_by_side(
            _branch(x, self.unit, "branch3x3", (192, 1), (320, 3), stride=2),
            _branch(x, self.unit, "branch7x7x3", *seven, stride=2),
            max_pool(x, 3, 2),
        )


class InceptionE(nn.Module):
    """Branches that fork into 1x3 and 3x1 (Figure 7): [b, h, w, n] -> [b, h, w, 2048]."""

    unit: Unit

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b h w 2048"]:
        once = _branch(x, self.unit, "branch3x3", (384, 1))
        twice = _branch(x, self.unit, "branch3x3dbl", (448, 1), (384, 3))
        return _side_by_side(
            self.unit(320, 1, name="branch1x1")(x),
            self.unit(384, (1, 3), padding=(0, 1), name="branch3x3_2a")(once),
            self.unit(384, (3, 1), padding=(1, 0), name="branch3x3_2b")(once),
            self.unit(384, (1, 3), padding=(0, 1), name="branch3x3dbl_3a")(twice),
            self.unit(384, (3, 1), padding=(1, 0), name="branch3x3dbl_3b")(twice),
            self.unit(192, 1, name="branch_pool")(_average(x)),
        )


BLOCKS = {
    "mixed_5b": (InceptionA, 32),
    "mixed_5c": (InceptionA, 64),
    "mixed_5d": (InceptionA, 64),
    "mixed_6a": (InceptionB,),
    "mixed_6b": (InceptionC, 128),
    "mixed_6c": (InceptionC, 160),
    "mixed_6d": (InceptionC, 160),
    "mixed_6e": (InceptionC, 192),
    "mixed_7a": (InceptionD,),
    "mixed_7b": (InceptionE,),
    "mixed_7c": (InceptionE,),
}


class AuxiliaryHead(nn.Module):
    """Logits from mixed_6e (Figure 8): [b, h, w, n] -> [b, num_classes].

    From 17 x 17 on, the paper's size, it averages 5x5 windows with stride 3; below, where that
    leaves less than the 5 x 5 that its convolution needs, it averages over a grid of 5 x 5.

    Attributes:
        unit: makes a convolution.
        num_classes: width of the output.
    """

    unit: Unit
    num_classes: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b num_classes"]:
        _, h, w, _ = x.shape
        x = average_pool(x, 5, 3) if min(h, w) >= 17 else adaptive_average_pool(x, 5)
        x = self.unit(128, 1, name="conv0")(x)
        x = self.unit(768, 5, name="conv1")(x)
        return nn.Dense(self.num_classes, name="head")(x.mean(axis=(1, 2)))


class InceptionV3(Network):
    """Images [b, h, w, c] -> (logits [b, classes], every block's output by name).

    Attributes:
        num_classes: width of the heads; None for no heads, and then the logits are `pooled`.
        auxiliary: whether there is one more head, whose logits are the feature `aux`.
        dropout: share of `pooled` that is dropped in training.
        dtype: what is computed in; parameters, statistics and logits stay float32.
        remat: whether each block's activations are computed again in the backward pass, which
            takes time and saves memory.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below 75 x 75.
    """

    auxiliary: bool = False
    dropout: Scalar = 0.5
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 299
    minimum_size: ClassVar[int] = 75

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, "InceptionV3")
        unit = partial(ConvUnit, train=train, dtype=self.dtype)
        features = {}

        x = features["conv2d_1a_3x3"] = unit(32, 3, stride=2, name="conv2d_1a_3x3")(images)
        x = features["conv2d_2a_3x3"] = unit(32, 3, name="conv2d_2a_3x3")(x)
        x = features["conv2d_2b_3x3"] = unit(64, 3, padding=1, name="conv2d_2b_3x3")(x)
        x = features["maxpool1"] = max_pool(x, 3, 2)
        x = features["conv2d_3b_1x1"] = unit(80, 1, name="conv2d_3b_1x1")(x)
        x = features["conv2d_4a_3x3"] = unit(192, 3, name="conv2d_4a_3x3")(x)
        x = features["maxpool2"] = max_pool(x, 3, 2)

        for name, (block, *widths) in BLOCKS.items():
            block = nn.remat(block) if self.remat else block
            x = features[name] = block(unit, *widths, name=name)(x)
            if name == "mixed_6e" and self.auxiliary and self.num_classes is not None:
                features["aux"] = AuxiliaryHead(unit, self.num_classes, name="aux")(x)

        x = features["pooled"] = x.mean(axis=(1, 2))
        if self.num_classes is not None:
            x = Dropout(self.dropout, train, name="dropout")(x)
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features


def _branch(
    x: Float[Array, "b h w n"], unit: Unit, name: str, *layers: Layer, stride: int = 1
) -> Float[Array, "b hs ws m"]:
    """Convolutions `name`_1, `name`_2, ..., padded to keep the size; a last of stride 2 is not."""
    for i, (features, window) in enumerate(layers, start=1):
        rows, columns = (window, window) if isinstance(window, int) else window
        step = stride if i == len(layers) else 1
        padding = (rows // 2, columns // 2) if step == 1 else 0
        x = unit(features, window, stride=step, padding=padding, name=f"{name}_{i}")(x)
    return x


def _average(x: Float[Array, "b h w n"]) -> Float[Array, "b h w n"]:
    return average_pool(x, 3, 1, ((1, 1), (1, 1)))


def _side_by_side(*branches: Float[Array, "b h w _"]) -> Float[Array, "b h w n"]:
    return jnp.concatenate(branches, axis=-1)
