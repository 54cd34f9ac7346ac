"""A plain fully convolutional denoiser: three convolutions with a ReLU between them.

    conv1    3x3    n    ReLU
    conv2    3x3    n    ReLU
    conv3    3x3    c    the denoised image

With padding, so images of any size keep it. A unit sees 7 x 7 pixels. It is the least that can do
the work, to be compared with (see `dncnn`): it has to learn to pass the image on, too.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole
from jaxvision.models.layers import Conv, Dtype, Features


class ConvolutionalDenoiser(nn.Module):
    """Images [b, h, w, c] -> (denoised images of the same size, features `relu1` and `relu2`).

    It has no classes, and is none of `MODELS`. Training and evaluation are the same to it.

    Attributes:
        width: n, channels of the hidden layers.
        kernel_size: pixels a side of each kernel, an odd number.
        dtype: what is computed in.

    Raises:
        ValueError: if `width` is below 1, or `kernel_size` is even.
    """

    width: int = 64
    kernel_size: int = 3
    dtype: Dtype = None

    def __post_init__(self) -> None:
        require_whole("width", self.width, low=1)
        require_whole("kernel_size", self.kernel_size, low=1)
        if self.kernel_size % 2 == 0:
            raise ValueError(
                f"`kernel_size` must be odd, got {self.kernel_size}: an even kernel has no middle, "
                "and would move the image."
            )
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w c"], Features]:
        del train
        x, features = images, {}
        shape = {"kernel_size": self.kernel_size, "padding": self.kernel_size // 2}
        for i in (1, 2):
            x = nn.relu(Conv(self.width, **shape, dtype=self.dtype, name=f"conv{i}")(x))
            features[f"relu{i}"] = x
        normal = nn.initializers.lecun_normal()  # no ReLU follows
        last = Conv(images.shape[3], **shape, dtype=self.dtype, kernel_init=normal, name="conv3")
        return last(x).astype(images.dtype), features
