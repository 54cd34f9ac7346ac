"""Network in Network: a small perceptron slides over the image in place of a linear filter.

Lin, Chen & Yan, "Network In Network", ICLR 2014, sections 3.1 and 3.2,
https://arxiv.org/abs/1312.4400. An mlpconv layer is a convolution and two 1x1 convolutions after
it, with a ReLU behind each (equation 2; "cccp", cascaded cross channel parametric pooling, is the
paper's other name of a 1x1 convolution). For CIFAR-10, at 32 x 32:

    conv1  192, 5x5    cccp1  160, 1x1    cccp2      96, 1x1    pool1  16 x 16    dropout
    conv2  192, 5x5    cccp3  192, 1x1    cccp4     192, 1x1    pool2   8 x  8    dropout
    conv3  192, 3x3    cccp5  192, 1x1    head  classes, 1x1    mean over the pixels

No layer is dense: the last mlpconv layer draws one map for each class, and the logit is the map's
mean. The pools take the maximum of 3x3 windows at stride 2, which hang over the lower and right
edge. Sizes, pools and dropout are those of the authors' definition for cuda-convnet,
https://github.com/mavenlin/cuda-convnet/blob/master/NIN/cifar-10_def.

Where we deviate: kernels have He's variance for a ReLU, 2 / fan_in, where the authors draw all of
them with a deviation of 0.05. Their later definition for Caffe has the mean in pool2.
"""

from functools import partial
from typing import ClassVar

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.models.layers import Conv, Dropout, Dtype, Features, Network, check_image_size
from jaxvision.ops.pooling import ceil_padding, max_pool

# Name, channels and kernel of each convolution in each mlpconv layer; the last of all is the head.
MLPCONVS = (
    (("conv1", 192, 5), ("cccp1", 160, 1), ("cccp2", 96, 1)),
    (("conv2", 192, 5), ("cccp3", 192, 1), ("cccp4", 192, 1)),
    (("conv3", 192, 3), ("cccp5", 192, 1)),
)


class NiN(Network):
    """Images [b, h, w, c] -> (logits [b, classes], every layer's output by name).

    Features are the convolutions after their ReLU, `pool1` and `pool2` before their dropout, and
    `pooled` [b, 192], the mean of cccp5 over the pixels. With a head, `class_maps` [b, h/4, w/4,
    classes] follow: where in the image each class was seen (Figure 4).

    Attributes:
        num_classes: channels of the last 1x1 convolution; None for none, and then the logits are
            `pooled`.
        dropout: share of pool1 and pool2 that is dropped in training.
        dtype: what is computed in, up to the head.
        remat: whether the backward pass computes each mlpconv layer's activations again, to save
            memory.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below 4 x 4.
    """

    dropout: Scalar = 0.5
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 32
    minimum_size: ClassVar[int] = 4

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, "nin_cifar10")
        x, features = images, {}
        for number in (1, 2, 3):
            mlpconv = partial(_mlpconv, number=number)
            x, outputs = (nn.remat(mlpconv) if self.remat else mlpconv)(self, x)
            features |= outputs
            if number < 3:
                x = Dropout(self.dropout, train, name=f"dropout{number}")(x)

        features["pooled"] = x.mean(axis=(1, 2))
        if self.num_classes is None:
            return features["pooled"], features
        x = features["class_maps"] = nn.relu(Conv(self.num_classes, 1, name="head")(x))
        return x.mean(axis=(1, 2)), features


def _mlpconv(
    model: NiN, x: Float[Array, "b h w n"], *, number: int
) -> tuple[Float[Array, "b hs ws m"], Features]:
    """An mlpconv layer, its convolutions made submodules of `model`, and the pool behind it."""
    features = {}
    for name, width, kernel in MLPCONVS[number - 1]:
        conv = Conv(width, kernel, padding=kernel // 2, dtype=model.dtype, name=name)
        x = features[name] = nn.relu(conv(x))
    if number < 3:
        _, h, w, _ = x.shape
        x = features[f"pool{number}"] = max_pool(x, 3, 2, ceil_padding(h, w, 3, 2))
    return x, features
