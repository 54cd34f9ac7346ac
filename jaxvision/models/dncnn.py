"""DnCNN: learns what the noise is, and takes it away.

Zhang, Zuo, Chen, Meng & Zhang, "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image
Denoising", IEEE TIP 26, 2017, section III, https://arxiv.org/abs/1608.03981. All kernels are 3x3
with padding, so images keep their size:

    conv1                             64    ReLU
    conv2 to conv{d-1}                64    batch norm, ReLU
    conv{d}                           c     the residual R(y), of as many channels as the image y
    output                                  y - R(y)

Each layer sees one pixel further: units see (2 d + 1) x (2 d + 1). `dncnn_s`, for noise of one
strength, has d = 17, and `dncnn_b`, for any, d = 20. No convolution has a bias, as in the weights
that are in use: batch norm has one.

The last convolution begins with zeros, where the paper draws it as the others: the image stays, and
training need not first unlearn a residual that is made up.
"""

from functools import partial

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole
from jaxvision.models.layers import BatchNorm, Conv, Dtype, Features


class DnCNN(nn.Module):
    """Images [b, h, w, c] -> (denoised images of the same size, every layer's output by name).

    Features are `relu1` to `relu{depth-1}` and `residual`, the noise. It has no classes, and is
    none of `MODELS`. The output is not held to any range.

    Attributes:
        depth: d, how many convolutions there are.
        width: channels of all but the last.
        dtype: what is computed in, up to the residual.

    Raises:
        ValueError: if `depth` is below 2 or `width` below 1.
    """

    depth: int = 17
    width: int = 64
    dtype: Dtype = None

    def __post_init__(self) -> None:
        require_whole("depth", self.depth, low=2, remedy="the paper has 17 and 20")
        require_whole("width", self.width, low=1, remedy="the paper has 64")
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w c"], Features]:
        x, features = images, {}
        conv = partial(Conv, kernel_size=3, padding=1, use_bias=False, dtype=self.dtype)
        for i in range(1, self.depth):
            x = conv(self.width, name=f"conv{i}")(x)
            x = BatchNorm(train, relu=True, name=f"bn{i}")(x) if i > 1 else nn.relu(x)
            features[f"relu{i}"] = x
        last = conv(images.shape[3], kernel_init=nn.initializers.zeros, name=f"conv{self.depth}")
        residual = last(x).astype(images.dtype)
        return images - residual, features | {"residual": residual}


dncnn_s = partial(DnCNN, depth=17)
dncnn_b = partial(DnCNN, depth=20)
