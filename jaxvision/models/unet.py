"""U-Net: what is there, seen coarsely, is handed up to where it is, seen finely; a class a pixel.

Ronneberger, Fischer & Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015, Figure 1 and section 2, https://arxiv.org/abs/1505.04597. With width n = 64:

    down1 to down4    3x3, 3x3     n, 2n, 4n, 8n    each followed by pool1 to pool4, 2x2
    bottom            3x3, 3x3     16n              with dropout behind it, and behind down4
    upconv4 to 1      2x2 up       8n, 4n, 2n, n    a transposed convolution of stride 2
    up4 to up1        3x3, 3x3     8n, 4n, 2n, n    on the middle of down_i and upconv_i together
    head              1x1          classes

with a ReLU behind every 3x3 convolution. None of them has padding, so an answer never depends on
anything but the image: 572 x 572 pixels give the middle 388 x 388 a class. A side must be

    16 s + 60, with s at least 8, of which 16 s - 124 are left

Larger images are cut into tiles that overlap by 184 pixels (Figure 2). Where we deviate: the paper
does not say how much is dropped; it is a half, as in the authors' program.

`PaddedUNet` is the form that most use now: padded convolutions, batch normalization instead of
their biases (but for upconv and head), no dropout; the answer is of the image's size. An image
whose sides are no multiples of 16 is continued to the right and below by its last column and row,
and what the network says of these pixels is cut off; in training they are in the batch statistics.

`EncoderUNet` has any network of the zoo in the place of down and bottom. From its coarsest feature
it goes up to the next, enlarging it to that one's size by interpolation, whatever their ratio.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.models.layers import BatchNorm, Conv, Dropout, Dtype, Features, Network
from jaxvision.names import lookup
from jaxvision.ops.pooling import max_pool
from jaxvision.ops.upsampling import transposed_conv2d, upsample_bilinear

Logits = Float[Array, "b hs ws classes"]


class UNet(Network):
    """Images [b, h, w, c] -> (logits [b, h - 184, w - 184, classes], features by name).

    Features are `down1`, `pool1`, ..., `bottom`, then from `upconv4`, `up4` to `up1`, of which the
    head makes the logits.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `up1`.
        width: n, channels of the first convolutions.
        depth: how many pools there are; the paper has 4, of which the sizes above speak.
        dropout: share of the last of down and of the bottom that is dropped in training.
        dtype: what is computed in, up to the head.

    Raises:
        ValueError: if `num_classes` is below 1, or the images have a size that does not fit.
    """

    width: int = 64
    depth: int = 4
    dropout: Scalar = 0.5
    dtype: Dtype = None
    image_size: ClassVar[int | None] = 572
    minimum_size: ClassVar[int] = 188

    @nn.compact
    def __call__(self, images: Float[Array, "b h w c"], *, train: bool) -> tuple[Logits, Features]:
        for side in images.shape[1:3]:
            unet_output_size(side, self.depth)
        block = partial(TwoConvs, padding=0, batch_norm=False, train=train, dtype=self.dtype)
        return _down_and_up(self, images, block, partial(Dropout, self.dropout, train))


class PaddedUNet(Network):
    """Images [b, h, w, c] -> (logits [b, h, w, classes], features by name), of any size.

    Features are those of `UNet`, of the image as it was continued; `up1` is cut to its size.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `up1`.
        width: channels of the first convolutions.
        depth: how many pools there are; sides are continued to multiples of 2^depth.
        dtype: what is computed in, up to the head.

    Raises:
        ValueError: if `num_classes` is below 1.
    """

    width: int = 64
    depth: int = 4
    dtype: Dtype = None

    @nn.compact
    def __call__(self, images: Float[Array, "b h w c"], *, train: bool) -> tuple[Logits, Features]:
        _, h, w, _ = images.shape
        below, right = (-side % 2**self.depth for side in (h, w))
        x = jnp.pad(images, ((0, 0), (0, below), (0, right), (0, 0)), "edge")
        block = partial(TwoConvs, padding=1, batch_norm=True, train=train, dtype=self.dtype)
        return _down_and_up(self, x, block, lambda name: lambda x: x, size=(h, w))


class EncoderUNet(Network):
    """Images [b, h, w, c] -> (logits [b, h, w, classes], the backbone's features and ours by name).

    Ours are `up{n-1}` to `up1`, of the sizes of the backbone's, and `up0`, of the image's.

        EncoderUNet(21, resnet18(None), ("stem", "stage1", "stage2", "stage3"), (16, 32, 64, 128))

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `up0`.
        backbone: any network, without its head.
        features: the n of its features that are looked at, the finest first.
        widths: channels of `up0` to `up{n-1}`.
        dtype: what is computed in behind the backbone, up to the head.

    Raises:
        ValueError: if `num_classes` is below 1, the backbone has no such feature or it is no map,
            or there are not as many widths as features.
    """

    backbone: Network
    features: tuple[str, ...]
    widths: tuple[int, ...]
    dtype: Dtype = None

    @nn.compact
    def __call__(self, images: Float[Array, "b h w c"], *, train: bool) -> tuple[Logits, Features]:
        if len(self.widths) != len(self.features) or not self.features:
            raise ValueError(
                f"`widths` must be one for each of `features`, at least one, got {self.widths} for "
                f"{self.features}: the first is that of the image's size."
            )
        _, features = self.backbone(images, train=train)
        maps = [lookup("feature", name, features) for name in self.features]
        for name, x in zip(self.features, maps, strict=True):
            if x.ndim != 4:
                raise ValueError(
                    f"`features` must be maps [b, h, w, c], got {name!r} of shape {x.shape}: take "
                    "those before it."
                )
        block = partial(TwoConvs, padding=1, batch_norm=True, train=train, dtype=self.dtype)
        x = maps.pop()
        for i, width in reversed(list(enumerate(self.widths))):
            _, height, columns, _ = (maps[i - 1] if i else images).shape
            x = upsample_bilinear(x, height, columns, align_corners=False)
            if i:
                x = jnp.concatenate([maps[i - 1], x], axis=3)
            x = features[f"up{i}"] = block(width, name=f"up{i}")(x)
        if self.num_classes is not None:
            x = Conv(self.num_classes, 1, name="head")(x)
        return x, features


class TwoConvs(nn.Module):
    """Twice a convolution, batch norm or bias, and a ReLU: [b, h, w, n] -> [b, hs, ws, features].

    Attributes:
        features: output channels of both.
        padding: pixels of zeros on every side; 1 keeps the size.
        batch_norm: whether there is batch norm, or a bias.
        train: whether batch norm goes by the batch's statistics.
        dtype: what is computed in.
    """

    features: int
    padding: int
    batch_norm: bool
    train: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws features"]:
        options = {"padding": self.padding, "use_bias": not self.batch_norm, "dtype": self.dtype}
        for i in (1, 2):
            x = Conv(self.features, 3, **options, name=f"conv{i}")(x)
            if self.batch_norm:
                x = BatchNorm(self.train, relu=True, name=f"bn{i}")(x)
            else:
                x = nn.relu(x)
        return x


class UpConv(nn.Module):
    """A transposed convolution, 2x2 with stride 2, and a bias: [b, h, w, n] -> [b, 2 h, 2 w, m].

    Attributes:
        features: m, output channels.
        dtype: what is computed in.
    """

    features: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws m"]:
        # Each pixel sees one of the four taps: fan_in is 4 n, and the paper's variance 2 / n.
        init = nn.initializers.variance_scaling(8.0, "fan_in", "truncated_normal")
        kernel = self.param("kernel", init, (2, 2, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return transposed_conv2d(x, kernel, 2) + bias.reshape(1, 1, 1, -1)


def unet_output_size(side: int, depth: int = 4) -> int:
    """How many pixels of a side `UNet` gives a class.

    Raises:
        ValueError: if it does not take images of that side; names the nearest that it takes.
    """
    step, lost = 2**depth, 4 * (2**depth - 1)
    # The bottom's input loses 4, and on the way up must not shrink to nothing.
    smallest = next(s for s in range(5, 9) if step * (s - 4) > lost)
    s, beyond = divmod(side - lost, step)
    if beyond or s < smallest:
        near = sorted({max(s, smallest), max(s + 1, smallest)})
        sizes = " or ".join(str(step * s + lost) for s in near)
        raise ValueError(
            f"`images` must have sides of {step} s + {lost} pixels, s at least {smallest}, for a "
            f"UNet with {depth} pools, got {side}: pad or crop it to {sizes}, or use PaddedUNet."
        )
    return step * (s - 4) - lost


def _down_and_up(
    model: UNet | PaddedUNet,
    x: Float[Array, "b h w c"],
    block: Callable[..., nn.Module],
    dropout: Callable[..., Callable[[Array], Array]],
    size: tuple[int, int] | None = None,
) -> tuple[Logits, Features]:
    """The layers of both forms, made submodules of `model`; what comes out is cut to `size`."""
    features, skips = {}, []
    for i in range(1, model.depth + 1):
        x = block(model.width * 2 ** (i - 1), name=f"down{i}")(x)
        if i == model.depth:
            x = dropout(name=f"dropout_down{i}")(x)
        features[f"down{i}"] = x
        skips.append(x)
        x = features[f"pool{i}"] = max_pool(x, 2, 2)
    x = block(model.width * 2**model.depth, name="bottom")(x)
    x = features["bottom"] = dropout(name="dropout_bottom")(x)
    for i in range(model.depth, 0, -1):
        width = model.width * 2 ** (i - 1)
        x = features[f"upconv{i}"] = UpConv(width, model.dtype, name=f"upconv{i}")(x)
        x = jnp.concatenate([_middle(skips.pop(), *x.shape[1:3]), x], axis=3)
        x = features[f"up{i}"] = block(width, name=f"up{i}")(x)
    if size is not None:
        x = features["up1"] = x[:, : size[0], : size[1]]
    if model.num_classes is not None:
        x = Conv(model.num_classes, 1, name="head")(x)
    return x, features


def _middle(x: Float[Array, "b h w c"], height: int, width: int) -> Array:
    top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
    return x[:, top : top + height, left : left + width]
