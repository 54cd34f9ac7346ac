"""Darknet: the convolutions of YOLO, 3x3 with 1x1 between them that narrow the channels.

Redmon, Divvala, Girshick & Farhadi, "You Only Look Once", CVPR 2016, section 2.1 and Figure 3,
https://arxiv.org/abs/1506.02640. Every layer is followed by max(x, 0.1 x); P is a 2x2 max pool:

    24 layers  7x7/2 64 P | 192 P | (1) 128, 256, (1) 256, 512 P
               | 4 x [(1) 256, 512], (1) 512, 1024 P
               | 2 x [(1) 512, 1024], 1024, 1024/2 | 1024, 1024
    fast       16 P | 32 P | 64 P | 128 P | 256 P | 512 P | 1024, 1024, 1024
    small      16/2 | 32 P | 64, (1) 32, 64 P | 128, (1) 64, 128, (1) 64, 128 P | 256, (1) 128, 256

with (1) for a 1x1 convolution and /2 for stride 2. The first two shrink an image 64 times; the
small one, which is ours and has batch normalisation, 16 times: for images of some 100 pixels.

Where we deviate: the paper says of the fast network that it has 9 layers and fewer filters, and not
which; the widths are those that the authors' program came with. Batch normalisation is not in the
paper; with `batch_norm` it stands in place of the biases, as in the authors' later networks.
"""

from functools import partial
from typing import Any

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

Layer = tuple[int, int, int]  # kernel's side, channels, stride


def leaky(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(x, 0.1 x), the paper's equation 2."""
    return jnp.maximum(x, 0.1 * x)


class Darknet(Network):
    """Images [b, h, w, c] -> (logits [b, classes], the output of every layer by name).

    Features are `conv1`, `conv2`, ..., and `pool1`, ... after each stage that has a pool; `average`
    is the last of them, averaged over the image, of which the head makes the logits.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `average`.
        stages: for each, its layers; between two of them is a pool, if the next one's layers begin
            with stride 1.
        pools: whether there is a pool behind each stage.
        width: what all channels are multiplied by.
        batch_norm: whether there is one in place of each bias.
        dtype: what is computed in, up to the head.

    Raises:
        ValueError: if `num_classes` is below 1, or the images shrink to nothing.
    """

    stages: tuple[tuple[Layer, ...], ...]
    pools: tuple[bool, ...]
    width: float = 1.0
    batch_norm: bool = False
    dtype: Dtype = None

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        strides = [stride for stage in self.stages for _, _, stride in stage]
        check_image_size(images, 2 ** (sum(self.pools) + strides.count(2)), "Darknet")
        x, features, number = images, {}, 0
        for stage, (layers, pool) in enumerate(zip(self.stages, self.pools, strict=True), 1):
            for kernel, channels, stride in layers:
                number += 1
                x = self._layer(x, number, kernel, channels, stride, train)
                features[f"conv{number}"] = x
            if pool:
                x = features[f"pool{stage}"] = max_pool(x, 2, 2)
        x = features["average"] = x.mean(axis=(1, 2))
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features

    def _layer(
        self, x: Array, number: int, kernel: int, channels: int, stride: int, train: bool
    ) -> Array:
        x = Conv(
            max(round(channels * self.width), 1),
            kernel,
            stride=stride,
            padding=kernel // 2,
            use_bias=not self.batch_norm,
            dtype=self.dtype,
            name=f"conv{number}",
        )(x)
        if self.batch_norm:
            x = BatchNorm(train, name=f"bn{number}")(x)
        return leaky(x)


def _twice(narrow: int, wide: int, times: int = 1) -> tuple[Layer, ...]:
    return ((1, narrow, 1), (3, wide, 1)) * times


TWENTY_FOUR: dict[str, Any] = {
    "stages": (
        ((7, 64, 2),),
        ((3, 192, 1),),
        (*_twice(128, 256), *_twice(256, 512)),
        (*_twice(256, 512, 4), *_twice(512, 1024)),
        (*_twice(512, 1024, 2), (3, 1024, 1), (3, 1024, 2)),
        ((3, 1024, 1), (3, 1024, 1)),
    ),
    "pools": (True, True, True, True, False, False),
}
NINE: dict[str, Any] = {
    "stages": (
        *(((3, channels, 1),) for channels in (16, 32, 64, 128, 256, 512)),
        ((3, 1024, 1),) * 3,
    ),
    "pools": (True,) * 6 + (False,),
}

SMALL: dict[str, Any] = {
    "stages": (
        ((3, 16, 2),),
        ((3, 32, 1),),
        ((3, 64, 1), *_twice(32, 64)),
        ((3, 128, 1), *_twice(64, 128, 2)),
        ((3, 256, 1), *_twice(128, 256)),
    ),
    "pools": (False, True, True, True, False),
    "batch_norm": True,
}

darknet24 = partial(Darknet, **TWENTY_FOUR)
darknet9 = partial(Darknet, **NINE)
darknet_small = partial(Darknet, **SMALL)
