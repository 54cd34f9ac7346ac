"""AlexNet: five convolutions and three dense layers, deep enough to need ReLU and dropout.

Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012, section 3.5 and Figure 2,
https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks;
with one tower, Krizhevsky, "One Weird Trick for Parallelizing Convolutional Neural Networks", 2014,
https://arxiv.org/abs/1404.5997. Channels, kernel and output side of both:

             AlexNet2012, 227 x 227            AlexNet, 224 x 224
    conv1    96, 11x11/4             55         64, 11x11/4, padded by 2   55
    norm1    local response
    pool1    3x3/2                   27        3x3/2                       27
    conv2    256, 5x5, two groups    27        192, 5x5                    27
    norm2    local response
    pool2    3x3/2                   13        3x3/2                       13
    conv3    384, 3x3                13        384, 3x3                    13
    conv4    384, 3x3, two groups    13        256, 3x3                    13
    conv5    256, 3x3, two groups    13        256, 3x3                    13
    pool5    3x3/2                    6        3x3/2                        6
    fc6, fc7, head: 4096, 4096 and the classes

A ReLU follows every layer but the head. The windows of the pools overlap (section 3.4). The two
groups are the paper's two GPUs: conv2, conv4 and conv5 see only what lies on their own.

Where we deviate: the paper writes 224 x 224, from which its 55 x 55 does not follow; 227 x 227 is
what it follows from. `AlexNet` is torchvision's: the author's one tower has norm1 and norm2 too,
and drops units after fc6 and fc7, as in 2012, where torchvision drops them before. We draw its
kernels as He's paper for ReLUs does. Other sizes are averaged to the 6 x 6 of pool5.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.models.layers import Conv, Dropout, Dtype, Features, Network, check_image_size
from jaxvision.ops.local_response import local_response_normalization
from jaxvision.ops.pooling import adaptive_average_pool, max_pool


class AlexNet2012(Network):
    """Images [b, h, w, c] -> (logits [b, classes], every layer's output by name).

    `flat` is pool5 at 6 x 6, flattened: what fc6 sees. Kernels are drawn from N(0, 0.01^2); biases
    are 1 in conv2, conv4, conv5, fc6 and fc7, so that their ReLUs begin open, and 0 elsewhere
    (section 5).

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are the last feature.
        groups: parts of the channels that conv2, conv4 and conv5 keep apart; 1 for one GPU.
        hidden: widths of fc6 and fc7. With () and no head there are the convolutions only.
        dropout: share of each hidden layer that is dropped in training.
        dtype: what is computed in, up to the head.
        remat: whether the backward pass computes each layer's activations again, to save memory.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below 67 x 67.
    """

    groups: int = 2
    hidden: tuple[int, ...] = (4096, 4096)
    dropout: Scalar = 0.5
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 227
    minimum_size: ClassVar[int] = 67

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, "alexnet_2012")
        gaussian, ones = nn.initializers.normal(0.01), nn.initializers.ones
        conv = partial(Conv, dtype=self.dtype, kernel_init=gaussian)
        grouped = partial(conv, groups=self.groups, bias_init=ones)
        x, features = _convolve(
            self,
            images,
            partial(conv, 96, 11, stride=4),
            partial(grouped, 256, 5, padding=2),
            partial(conv, 384, 3, padding=1),
            partial(grouped, 384, 3, padding=1),
            partial(grouped, 256, 3, padding=1),
            normalize=True,
        )
        dense = partial(nn.Dense, dtype=self.dtype, kernel_init=gaussian, bias_init=ones)
        for i, width in enumerate(self.hidden, 6):
            x = nn.relu(dense(width, name=f"fc{i}")(x))
            x = Dropout(self.dropout, train, name=f"dropout{i}")(x)
            features[f"fc{i}"] = x
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, kernel_init=gaussian, name="head")(x)
        return x, features


class AlexNet(Network):
    """Images [b, h, w, c] -> (logits [b, classes], every layer's output by name).

    The one tower that torchvision has weights for. Attributes and features as for `AlexNet2012`,
    without groups and without norm1 and norm2.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below 63 x 63.
    """

    hidden: tuple[int, ...] = (4096, 4096)
    dropout: Scalar = 0.5
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 224
    minimum_size: ClassVar[int] = 63

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, "alexnet")
        conv = partial(Conv, dtype=self.dtype)
        x, features = _convolve(
            self,
            images,
            partial(conv, 64, 11, stride=4, padding=2),
            partial(conv, 192, 5, padding=2),
            partial(conv, 384, 3, padding=1),
            partial(conv, 256, 3, padding=1),
            partial(conv, 256, 3, padding=1),
            normalize=False,
        )
        dense = partial(nn.Dense, dtype=self.dtype, kernel_init=nn.initializers.he_normal())
        for i, width in enumerate(self.hidden, 6):
            x = Dropout(self.dropout, train, name=f"dropout{i}")(x)
            x = features[f"fc{i}"] = nn.relu(dense(width, name=f"fc{i}")(x))
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features


def _convolve(
    model: AlexNet2012 | AlexNet,
    images: Float[Array, "b h w c"],
    *convolutions: Callable[..., Conv],
    normalize: bool,
) -> tuple[Float[Array, "b n"], Features]:
    """The five convolutions with all that lies between them, and `flat`."""
    x, features = images, {}
    for number, conv in enumerate(convolutions, 1):
        layer = partial(_layer, conv=conv, number=number, normalize=normalize)
        x, outputs = (nn.remat(layer) if model.remat else layer)(model, x)
        features |= outputs
    x = features["flat"] = adaptive_average_pool(x, 6).reshape(len(x), -1)
    return x, features


def _layer(
    model: nn.Module,
    x: Float[Array, "b h w c"],
    *,
    conv: Callable[..., Conv],
    number: int,
    normalize: bool,
) -> tuple[Float[Array, "b hs ws n"], Features]:
    del model  # `remat` asks for it; the convolution becomes its submodule by being made here
    features = {}
    x = features[f"relu{number}"] = nn.relu(conv(name=f"conv{number}")(x))
    if normalize and number in (1, 2):
        x = features[f"norm{number}"] = local_response_normalization(x)
    if number in (1, 2, 5):
        x = features[f"pool{number}"] = max_pool(x, 3, 2)
    return x, features
