"""GoogLeNet: look at every place through windows of several sizes at once, and stay cheap.

Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, Table 1 and Figures 2(b) and 3,
https://arxiv.org/abs/1409.4842. An inception block lays four views of its input side by side; 1x1
convolutions ("reduce") thin out the channels before the wide windows:

    1x1  |  1x1 -> 3x3  |  1x1 -> 5x5  |  3x3 maximum -> 1x1 (pool_proj)

    conv1            7x7/2   112 x 112 x 64      inception_4a .. 4e    14 x 14 x 512 .. 832
    pool1            3x3/2    56 x  56           pool4        3x3/2     7 x  7
    conv2_reduce     1x1      56 x  56 x 64      inception_5a, 5b       7 x  7 x 832, 1024
    conv2            3x3      56 x  56 x 192     pooled                 1024
    pool2            3x3/2    28 x  28           head                   dropout, classes
    inception_3a, 3b          28 x  28 x 256, 480
    pool3            3x3/2    14 x  14           at 4a and 4d: aux1, aux2 (section 5)

ReLU follows every convolution, and every grid is rounded up. In training the paper adds 0.3 times
the losses of the two auxiliary heads, so that gradients reach the middle; afterwards it drops them.

`GoogLeNet2014` is the paper's, with biases and, as in Figure 3, local response normalisation after
pool1 and conv2: 6,998,552 parameters. `GoogLeNet` is torchvision's: batch norm in place of both,
3x3 windows in place of 5x5 (`conv5x5` keeps its name), pool4 2x2/2 and dropout 0.2: 6,624,904.

Where we deviate: the paper gives no constants for its normalisation, we take AlexNet's; nor an
initialisation, we take He's (torchvision: normal with deviation 0.01). Its auxiliary heads pool 5x5
with stride 3, which fits 14 x 14 only; elsewhere we average over a grid of 4 x 4, as torchvision.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.models.layers import ConvUnit, Dropout, Dtype, Features, Network, check_image_size
from jaxvision.ops.local_response import local_response_normalization
from jaxvision.ops.pooling import adaptive_average_pool, average_pool, ceil_padding, max_pool

# Table 1: channels of 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5 and pool proj.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Four views of one input (Figure 2b): [b, h, w, n] -> [b, h, w, channels of all four].

    Attributes:
        widths: the block's row of `TABLE_1`.
        largest: pixels a side of the largest window, 5 in the paper.
        unit: makes a convolution with what follows it.
    """

    widths: tuple[int, int, int, int, int, int]
    largest: int
    unit: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b h w m"]:
        one, reduce3, three, reduce5, five, proj = self.widths
        y1 = self.unit(one, 1, name="conv1x1")(x)
        y3 = self.unit(reduce3, 1, name="conv3x3_reduce")(x)
        y3 = self.unit(three, 3, padding=1, name="conv3x3")(y3)
        y5 = self.unit(reduce5, 1, name="conv5x5_reduce")(x)
        y5 = self.unit(five, self.largest, padding=self.largest // 2, name="conv5x5")(y5)
        pooled = max_pool(x, 3, 1, ((1, 1), (1, 1)))
        pooled = self.unit(proj, 1, name="pool_proj")(pooled)
        return jnp.concatenate([y1, y3, y5, pooled], axis=-1)


class AuxiliaryHead(nn.Module):
    """Logits from the middle of the network: [b, 4, 4, c] -> [b, num_classes].

    Attributes:
        num_classes: width of the output.
        unit: makes a convolution with what follows it.
        train: whether dropout is on.
        dtype: what is computed in, up to the logits.
    """

    num_classes: int
    unit: Callable[..., nn.Module]
    train: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Float[Array, "b 4 4 c"]) -> Float[Array, "b num_classes"]:
        x = self.unit(128, 1, name="conv")(x).reshape(x.shape[0], -1)
        he = nn.initializers.he_normal()
        x = nn.relu(nn.Dense(1024, dtype=self.dtype, kernel_init=he, name="dense")(x))
        x = Dropout(0.7, self.train, name="dropout")(x)
        return nn.Dense(self.num_classes, name="head")(x)


class GoogLeNet2014(Network):
    """Images [b, h, w, c] -> (logits [b, classes], every block's output by name).

    Attributes:
        num_classes: width of the heads; None for no heads, and then the logits are `pooled`.
        auxiliary: whether there are two more heads, whose logits are the features `aux1` and
            `aux2`: 13,378,280 parameters here and 13,004,888 in `GoogLeNet`.
        dropout: share of `pooled` that is dropped in training.
        dtype: what is computed in; parameters, statistics and logits stay float32.
        remat: whether each inception block's activations are computed again in the backward
            pass, which takes time and saves memory.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below `minimum_size`.
    """

    auxiliary: bool = False
    dropout: Scalar = 0.4
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 224
    minimum_size: ClassVar[int] = 31
    batch_norm: ClassVar[bool] = False  # in place of biases and local response normalisation
    largest: ClassVar[int] = 5  # pixels a side of the inception blocks' largest window
    pool4: ClassVar[int] = 3  # pixels a side of the last maximum

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, type(self).__name__)
        unit = partial(ConvUnit, batch_norm=self.batch_norm, train=train, dtype=self.dtype)
        block = partial(nn.remat(Inception) if self.remat else Inception, unit=unit)

        features = {}
        x = features["conv1"] = unit(64, 7, stride=2, padding=3, name="conv1")(images)
        x = features["pool1"] = _pool(x, 3)
        x = x if self.batch_norm else local_response_normalization(x)
        x = features["conv2_reduce"] = unit(64, 1, name="conv2_reduce")(x)
        x = features["conv2"] = unit(192, 3, padding=1, name="conv2")(x)
        x = x if self.batch_norm else local_response_normalization(x)
        x = features["pool2"] = _pool(x, 3)
        for name, widths in TABLE_1.items():
            if name == "4a":
                x = features["pool3"] = _pool(x, 3)
            if name == "5a":
                x = features["pool4"] = _pool(x, self.pool4)
            inception = f"inception_{name}"
            x = features[inception] = block(widths, self.largest, name=inception)(x)
            if name in ("4a", "4d") and self.auxiliary and self.num_classes is not None:
                aux = "aux1" if name == "4a" else "aux2"
                head = AuxiliaryHead(self.num_classes, unit, train, self.dtype, name=aux)
                features[aux] = head(self.auxiliary_grid(x))
        x = features["pooled"] = x.mean(axis=(1, 2))
        if self.num_classes is not None:
            x = Dropout(self.dropout, train, name="dropout")(x)
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features

    @staticmethod
    def auxiliary_grid(x: Float[Array, "b h w c"]) -> Float[Array, "b 4 4 c"]:
        """What an auxiliary head sees of a block's output."""
        if x.shape[1:3] == (14, 14):
            return average_pool(x, 5, 3)
        return adaptive_average_pool(x, 4)


class GoogLeNet(GoogLeNet2014):
    """torchvision's network: the same one with other constants, those of the module's docstring."""

    dropout: Scalar = 0.2
    minimum_size: ClassVar[int] = 15
    batch_norm: ClassVar[bool] = True
    largest: ClassVar[int] = 3
    pool4: ClassVar[int] = 2

    @staticmethod
    def auxiliary_grid(x: Float[Array, "b h w c"]) -> Float[Array, "b 4 4 c"]:
        """What an auxiliary head sees of a block's output."""
        return adaptive_average_pool(x, 4)


def _pool(x: Float[Array, "b h w c"], window: int) -> Float[Array, "b hs ws c"]:
    _, h, w, _ = x.shape
    return max_pool(x, window, 2, ceil_padding(h, w, window, 2))
