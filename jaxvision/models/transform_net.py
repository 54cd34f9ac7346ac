"""The image transformation network: repaints a picture in one pass, in the style that it learned.

Johnson, Alahi & Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
ECCV 2016, section 3.1 and supplementary Table 1, https://arxiv.org/abs/1603.08155. It shrinks the
picture by four, works in residual blocks where a convolution costs a sixteenth and sees four times
as far, and enlarges it again. For images of h x w pixels and width n = 32:

    conv1               9x9, stride 1      n      h    x w
    conv2               3x3, stride 2     2n      h/2  x w/2
    conv3               3x3, stride 2     4n      h/4  x w/4
    block1 to block5    3x3, 3x3          4n      h/4  x w/4    x + norm(conv(relu(norm(conv(x)))))
    up1                 3x3               2n      h/2  x w/2
    up2                 3x3                n      h    x w
    out                 9x9                3      h    x w      (tanh(./10 + image) + 1) / 2

Normalization and a ReLU follow every convolution but the last; after the sum of a block there is no
ReLU (Gross & Wilber, "Training and Investigating Residual Nets", 2016).

Where we deviate, in all but the first as those do who use it today:

- The last convolution says what to change: to a tenth of it the picture is added, as the hyperbolic
  tangent has to see it. So an untrained network leaves a picture nearly as it is, and training
  begins with all of the content and none of the style.
- Instance normalization in the place of batch normalization (Ulyanov, Vedaldi & Lempitsky, 2016,
  https://arxiv.org/abs/1607.08022): a batch of one is painted as in training, and all layers see
  the same of a dark photograph as of a bright one.
- Up is nearest neighbour and a convolution of stride 1, where the paper's stride is 1/2: that one
  leaves a checkerboard (Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts", Distill
  2016, https://doi.org/10.23915/distill.00003).
- Each convolution reflects the picture at its border. The paper reflects 40 pixels once, and its
  blocks have no padding and cut their input instead.
- Any size comes back as it was: where a side is odd, halves are rounded up and then cut.
"""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole
from jaxvision.models.layers import Conv, Dtype, Features, check_image_size
from jaxvision.ops.normalization import instance_norm, instance_norm_relu

MINIMUM_SIZE = 16  # at a quarter of it there are 16 positions to take statistics of
WHITE = 0.98  # of the tangent's values: that of 1 is at infinity
CALM = 0.1  # Adam moves all 81 n weights of a pixel at once: ten times this saturates the tangent


class TransformNet(nn.Module):
    """Images [b, h, w, 3] -> (images of the same size, every layer's output by name), in [0, 1].

    It has no classes, and is none of `MODELS`. Training and evaluation are the same to it. Values
    outside [0, 1] give NaN.

    Attributes:
        width: channels of the first convolution; the blocks have four times as many.
        blocks: how many.
        dtype: what is computed in, up to the last convolution.

    Raises:
        ValueError: if `width` is below 1 or `blocks` below 0, or images are below 16 x 16.
    """

    width: int = 32
    blocks: int = 5
    dtype: Dtype = None

    def __post_init__(self) -> None:
        require_whole("width", self.width, low=1, remedy="the paper has 32")
        require_whole("blocks", self.blocks, low=0, remedy="the paper has 5")
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w 3"], *, train: bool
    ) -> tuple[Float[Array, "b h w 3"], Features]:
        del train
        check_image_size(images, MINIMUM_SIZE, "TransformNet")
        unit = partial(ConvNorm, dtype=self.dtype)
        x, features, sizes = images, {}, []
        for i, (channels, kernel, stride) in enumerate(((1, 9, 1), (2, 3, 2), (4, 3, 2)), 1):
            sizes.append(x.shape[1:3])
            x = unit(channels * self.width, kernel, stride=stride, name=f"conv{i}")(x)
            features[f"conv{i}"] = x

        for i in range(1, self.blocks + 1):
            y = unit(4 * self.width, 3, name=f"block{i}_conv1")(x)
            x = x + unit(4 * self.width, 3, relu=False, name=f"block{i}_conv2")(y)
            features[f"block{i}"] = x

        for i, (channels, size) in enumerate(((2, sizes[2]), (1, sizes[1])), 1):
            x = unit(channels * self.width, 3, name=f"up{i}")(enlarge(x, *size))
            features[f"up{i}"] = x

        normal = nn.initializers.lecun_normal()  # no ReLU follows
        x = Conv(3, 9, dtype=self.dtype, kernel_init=normal, name="out")(reflect(x, 4))
        x = CALM * x.astype(images.dtype) + jnp.arctanh(WHITE * (2 * images - 1))
        return (jnp.tanh(x) + 1) / 2, features


class ConvNorm(nn.Module):
    """Reflected border, convolution, instance norm and ReLU: [b, h, w, n] -> [b, hs, ws, features].

    Attributes:
        features: output channels.
        kernel_size: pixels a side, an odd number.
        dtype: what is computed in; the statistics are float32.
        stride: pixels from one window to the next.
        relu: whether a ReLU follows.
    """

    features: int
    kernel_size: int
    dtype: Dtype
    stride: int = 1
    relu: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws features"]:
        # The normalization takes out whatever a bias of the convolution would put in.
        conv = partial(Conv, use_bias=False, dtype=self.dtype, name="conv")
        x = conv(self.features, self.kernel_size, self.stride)(reflect(x, self.kernel_size // 2))
        scale = self.param("scale", nn.initializers.ones, (self.features,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        return (instance_norm_relu if self.relu else instance_norm)(x, scale, bias)


def reflect(x: Float[Array, "b h w c"], pixels: int) -> Float[Array, "b hs ws c"]:
    """Continues an image on all sides by its mirror image, in which the border is not repeated."""
    return jnp.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), "reflect")


def enlarge(
    x: Float[Array, "b h w c"], height: int, width: int
) -> Float[Array, "b {height} {width} c"]:
    """Repeats each pixel in a square of two by two, and cuts what is too much below and right."""
    b, h, w, c = x.shape
    squares = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
    return squares.reshape(b, 2 * h, 2 * w, c)[:, :height, :width]
