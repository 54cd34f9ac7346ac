"""VGG: nothing but 3x3 convolutions, two or more in a row where others have one large kernel.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015, Table 1, https://arxiv.org/abs/1409.1556. Five stages of convolutions that keep the size,
each with a 2x2 pool of stride 2 behind it, and three dense layers; a ReLU follows every layer but
the head. Kernels in each stage:

    channels         64     128    256          512          512        layers
    vgg11    A       3      3      3 3          3 3          3 3            11
    vgg13    B       3 3    3 3    3 3          3 3          3 3            13
    vgg_c    C       3 3    3 3    3 3 1        3 3 1        3 3 1          16
    vgg16    D       3 3    3 3    3 3 3        3 3 3        3 3 3          16
    vgg19    E       3 3    3 3    3 3 3 3      3 3 3 3      3 3 3 3        19

`vgg_a_lrn` is A with local response normalization after conv1_1, which did not help.

Where we deviate: kernels before a ReLU are drawn as He et al. do, with variance 2 / fan_in. The
paper draws A from N(0, 0.01), with variance 0.01, and starts the deeper networks from what A has
learned. Batch normalization (`vgg16_bn`, ...) came later; as in torchvision it stands between a
convolution, which keeps its bias, and the ReLU. Sizes other than 224 x 224 are averaged to the
7 x 7 that fc6 sees, as in torchvision; the paper slides fc6 over the image.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
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
from jaxvision.ops.local_response import local_response_normalization
from jaxvision.ops.pooling import adaptive_average_pool, max_pool


class VGG(Network):
    """Images [b, h, w, c] -> (logits [b, classes], every layer's output by name).

    Features are `relu1_1`, ... (stage and convolution; `norm1_1` after it in A-LRN), `pool1` to
    `pool5`, then `flat`, which is pool5 at 7 x 7, flattened, and `fc6` and `fc7`, with dropout.

    For the convolutions only, as for a style or a detector, `vgg16(None, hidden=())` has no other
    parameters. jit leaves out what comes after the last feature in use, so `flat` costs nothing.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are the last feature.
        kernels: for each of the five stages, the side of each convolution's kernel.
        width: channels of the first stage; each later one doubles them, up to 8 times as many.
        batch_norm: whether there is one between each convolution and its ReLU.
        local_response: whether relu1_1 is normalized over neighbouring channels.
        hidden: widths of fc6 and fc7.
        dropout: share of fc6 and fc7 that is dropped in training.
        pool: (x, window, stride) -> x behind each stage; `average_pool` for Gatys' style transfer.
        dtype: what is computed in, up to the head.
        remat: whether the backward pass computes each stage's activations again, to save memory.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below 32 x 32.
    """

    kernels: tuple[tuple[int, ...], ...]
    width: int = 64
    batch_norm: bool = False
    local_response: bool = False
    hidden: tuple[int, ...] = (4096, 4096)
    dropout: Scalar = 0.5
    pool: Callable[[Array, int, int], Array] = max_pool
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 224
    minimum_size: ClassVar[int] = 32

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, "VGG")
        x, features = images, {}
        for number in range(1, len(self.kernels) + 1):
            stage = partial(_stage, number=number, train=train)
            x, outputs = (nn.remat(stage) if self.remat else stage)(self, x)
            features |= outputs

        x = features["flat"] = adaptive_average_pool(x, 7).reshape(len(x), -1)
        dense = partial(nn.Dense, dtype=self.dtype, kernel_init=nn.initializers.he_normal())
        for i, width in enumerate(self.hidden, 6):
            x = nn.relu(dense(width, name=f"fc{i}")(x))
            x = Dropout(self.dropout, train, name=f"dropout{i}")(x)
            features[f"fc{i}"] = x
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features


def _stage(
    model: VGG, x: Float[Array, "b h w n"], *, number: int, train: bool
) -> tuple[Float[Array, "b hs ws m"], Features]:
    """The convolutions of one stage, made submodules of `model`, and the pool behind them."""
    features = {}
    width = model.width * min(2 ** (number - 1), 8)
    for i, kernel in enumerate(model.kernels[number - 1], 1):
        name = f"{number}_{i}"
        x = Conv(width, kernel, padding=kernel // 2, dtype=model.dtype, name=f"conv{name}")(x)
        x = BatchNorm(train, relu=True, name=f"bn{name}")(x) if model.batch_norm else nn.relu(x)
        features[f"relu{name}"] = x
        if model.local_response and name == "1_1":
            x = features["norm1_1"] = local_response_normalization(x)
    x = features[f"pool{number}"] = model.pool(x, 2, 2)
    return x, features


A = ((3,), (3,), (3, 3), (3, 3), (3, 3))
B = ((3, 3),) * 5
C = ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1))
D = ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
E = ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3))

vgg_a_lrn = partial(VGG, kernels=A, local_response=True)
vgg_c = partial(VGG, kernels=C)
vgg11 = partial(VGG, kernels=A)
vgg13 = partial(VGG, kernels=B)
vgg16 = partial(VGG, kernels=D)
vgg19 = partial(VGG, kernels=E)
vgg11_bn = partial(VGG, kernels=A, batch_norm=True)
vgg13_bn = partial(VGG, kernels=B, batch_norm=True)
vgg16_bn = partial(VGG, kernels=D, batch_norm=True)
vgg19_bn = partial(VGG, kernels=E, batch_norm=True)
