"""ESPCN: super-resolution that works on the small image and enlarges only what comes out.

Shi, Caballero, Huszar, Totz, Aitken, Bishop, Rueckert & Wang, "Real-Time Single Image and Video
Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016, section 3,
https://arxiv.org/abs/1609.05158. To enlarge r times:

    conv1    5x5    64       tanh
    conv2    3x3    32       tanh
    conv3    3x3    r^2 c    and pixel shuffle: r^2 channels become r x r pixels

With padding by zeros, so that h x w pixels become r h x r w. The paper enlarges the brightness and
leaves the colours to bicubic interpolation. Channels come out in PyTorch's order (see
`jaxvision.ops.upsampling`).
"""

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole
from jaxvision.models.layers import Conv, Dtype, Features
from jaxvision.ops.upsampling import pixel_shuffle


class ESPCN(nn.Module):
    """Images [b, h, w, c] -> (images [b, r h, r w, c], every layer's output by name).

    Features are `tanh1`, `tanh2` and `conv3`, the pixels before they are shuffled. It has no
    classes, and is none of `MODELS`. Training and evaluation are the same to it.

    Attributes:
        factor: r.
        widths: channels of the first two convolutions.
        dtype: what is computed in.
        last_init: what the last kernel is drawn by; zeros for a network that adds to what is there.

    Raises:
        ValueError: if `factor` is below 1.
    """

    factor: int = 3
    widths: tuple[int, int] = (64, 32)
    dtype: Dtype = None
    last_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    def __post_init__(self) -> None:
        require_whole("factor", self.factor, low=1, remedy="the paper has 3")
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b hs ws c"], Features]:
        del train
        x, features = images, {}
        drawn = nn.initializers.lecun_normal()
        for i, (width, kernel) in enumerate(zip(self.widths, (5, 3), strict=True), 1):
            conv = Conv(
                width,
                kernel,
                padding=kernel // 2,
                dtype=self.dtype,
                kernel_init=drawn,
                name=f"conv{i}",
            )
            x = features[f"tanh{i}"] = nn.tanh(conv(x))
        channels = self.factor**2 * images.shape[3]
        last = Conv(
            channels, 3, padding=1, dtype=self.dtype, kernel_init=self.last_init, name="conv3"
        )
        x = features["conv3"] = last(x)
        return pixel_shuffle(x, self.factor).astype(images.dtype), features
