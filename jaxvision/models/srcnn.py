"""SRCNN: sharpens an image that was enlarged, the first network for super-resolution.

Dong, Loy, He & Tang, "Learning a Deep Convolutional Network for Image Super-Resolution", ECCV 2014,
section 3.1, https://arxiv.org/abs/1501.00092. It takes the image enlarged by bicubic interpolation:

    conv1    9x9    64    ReLU    patches, and what each is like
    conv2    1x1    32    ReLU    what each would be like, sharp
    conv3    5x5    c             put together

Convolutions are padded with zeros, and images keep their size. Where we deviate: the paper trains
without padding. That is the same for all but 6 pixels at each border, which a loss can leave away.
The first two layers are drawn as He et al. do, and the last as for no ReLU; in the paper all from
N(0, 0.001^2).
"""

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.models.layers import Conv, Dtype, Features


class SRCNN(nn.Module):
    """Images [b, h, w, c], enlarged -> (sharper ones of the same size, features by name).

    Features are `relu1` and `relu2`. It has no classes, and is none of `MODELS`. Training and
    evaluation are the same to it.

    Attributes:
        widths: channels of the first two convolutions.
        dtype: what is computed in.
        last_init: what the last kernel is drawn by; zeros for a network that adds to what is there.
    """

    widths: tuple[int, int] = (64, 32)
    dtype: Dtype = None
    last_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w c"], Features]:
        del train
        x, features = images, {}
        for i, (width, kernel) in enumerate(zip(self.widths, (9, 1), strict=True), 1):
            conv = Conv(width, kernel, padding=kernel // 2, dtype=self.dtype, name=f"conv{i}")
            x = features[f"relu{i}"] = nn.relu(conv(x))
        conv = Conv(
            images.shape[3],
            5,
            padding=2,
            dtype=self.dtype,
            kernel_init=self.last_init,
            name="conv3",
        )
        return conv(x).astype(images.dtype), features
