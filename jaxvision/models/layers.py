"""What the models share: the type of their features, the rules of their doors, and four layers.

`Conv` and `BatchNorm` are Flax's in what they store ("kernel", "bias"; "scale", "bias", "mean",
"var") and `jaxvision.ops` in what they compute, whose forms are the faster ones; `ConvUnit` is
one after the other, as the Inception networks have them. `Dropout` is Flax's with a rate that may
be traced. Everything else comes from Flax.
"""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, is_zero, require
from jaxvision.ops.batch_norm import FROZEN, batch_norm, batch_norm_relu, normalize
from jaxvision.ops.conv2d import conv2d

Features = dict[str, Float[Array, "b ..."]]
"""A network's intermediate outputs by name; what nobody asks for, XLA never computes."""

Dtype = Any
"""A type to compute in, as `jnp.bfloat16`; None for that of the images and parameters."""


class Network(nn.Module):
    """What all models have in common: a head or none, and sizes of images that they are made for.

    Attributes:
        num_classes: width of the head; None for no head.
        image_size: height and width that the paper defines the network for, or None for any.
        minimum_size: the smallest height and width that work.

    Raises:
        ValueError: if there is a number of classes and it is below 1, which other libraries take
            to mean no head.
    """

    num_classes: int | None
    image_size: ClassVar[int | None] = None
    minimum_size: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.num_classes is not None and self.num_classes < 1:
            raise ValueError(
                f"`num_classes` must be at least 1, got {self.num_classes}: pass None for no head."
            )
        super().__post_init__()


def check_image_size(images: Float[Array, "b h w c"], minimum: int, model: str) -> None:
    """Refuses images that shrink to nothing on their way through a network.

    Raises:
        ValueError: if height or width is below `minimum` pixels.
    """
    _, h, w, _ = images.shape
    if min(h, w) < minimum:
        raise ValueError(
            f"`images` must be at least {minimum} x {minimum} for {model}, got {h} x {w}: enlarge "
            "them, or use a network for smaller images."
        )


class Conv(nn.Module):
    """A convolution and, unless it is left away, a bias: [b, h, w, n] -> [b, hs, ws, features].

    Attributes:
        features: output channels.
        kernel_size: pixels a side, or (rows, columns).
        stride: pixels from one window to the next.
        padding: pixels of zeros on every side, or (above and below, left and right).
        groups: parts of the channels that do not see each other.
        use_bias: whether there is a bias.
        dtype: what is computed in.
        kernel_init: by default He's for a ReLU, with variance 2 / fan_in.
        bias_init: of the bias.
    """

    features: int
    kernel_size: int | tuple[int, int]
    stride: int = 1
    padding: int | tuple[int, int] = 0
    groups: int = 1
    use_bias: bool = True
    dtype: Dtype = None
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws features"]:
        rows, columns = _pair(self.kernel_size)
        shape = (rows, columns, x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        bias = None
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        padding = tuple((pixels, pixels) for pixels in _pair(self.padding))
        stride = _pair(self.stride)
        y = conv2d(x, kernel, stride=stride, padding=padding, groups=self.groups)
        return y if bias is None else y + bias.reshape(1, 1, 1, -1)


class Dropout(nn.Module):
    """Sets entries to zero at random in training, and divides the others by their probability.

    Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout", JMLR 15, 2014, section 10:
    so the mean stays, and evaluation needs no factor. For the same key, Flax's to the bit.

    Attributes:
        rate: the probability of a zero, in [0, 1); may be a traced array, to sweep over.
        train: without, nothing happens.

    Raises:
        ValueError: if `rate` is a number outside [0, 1).
    """

    rate: Scalar
    train: bool

    @nn.compact
    def __call__(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        require("rate", self.rate, "[0, 1)", "0.5 drops half of the entries")
        if not self.train or is_zero(self.rate):
            return x
        kept = 1 - jnp.asarray(self.rate, jnp.float32)
        mask = jax.random.bernoulli(self.make_rng("dropout"), kept, x.shape)
        return jnp.where(mask, x / kept.astype(x.dtype), 0)


class BatchNorm(nn.Module):
    """Batch normalisation: by the batch's statistics in training, by running averages otherwise.

    Ioffe & Szegedy 2015, Algorithms 1 and 2 (https://arxiv.org/abs/1502.03167). After each batch of
    m values a channel,

        average <- momentum * average + (1 - momentum) * statistic

    with the unbiased variance m / (m - 1) var, as in Algorithm 2 and PyTorch (whose momentum is 1
    minus this one). Statistics and parameters stay float32 whatever the input.

    Where the collection "frozen_stats" has its statistics, and not "batch_stats", it normalises by
    them in training too, and leaves them as they are (`jaxvision.transfer`).

    Attributes:
        train: which of the two.
        relu: whether a ReLU follows, which then costs no pass of its own.
        momentum: how much of the running average stays.
        epsilon: what is added to the variance.
        scale_init: of the scale; zeros for a block that begins as the identity.
    """

    train: bool
    relu: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        shape = (x.shape[-1],)
        scale = self.param("scale", self.scale_init, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
        frozen = self.has_variable(FROZEN, "mean")
        collection = FROZEN if frozen else "batch_stats"
        mean = self.variable(collection, "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable(collection, "var", jnp.ones, shape, jnp.float32)
        if frozen or not self.train:
            y = normalize(x, mean.value, var.value, scale, bias, self.epsilon)
            return nn.relu(y) if self.relu else y

        compute = batch_norm_relu if self.relu else batch_norm
        y, batch_mean, batch_var = compute(x, scale, bias, self.epsilon)
        if not self.is_initializing():
            m = x.size // x.shape[-1]
            unbiased = batch_var * (m / max(m - 1, 1))
            for average, new in ((mean, batch_mean), (var, unbiased)):
                updated = self.momentum * average.value + (1 - self.momentum) * new
                average.value = updated.astype(average.value.dtype)
        return y


class ConvUnit(nn.Module):
    """Convolution, batch norm or bias, ReLU: [b, h, w, n] -> [b, hs, ws, features].

    Attributes:
        features: output channels.
        kernel_size: pixels a side, or (rows, columns).
        train: whether batch norm goes by the batch's statistics.
        dtype: what is computed in.
        stride: pixels from one window to the next.
        padding: pixels of zeros on every side, or (above and below, left and right).
        batch_norm: whether there is batch norm (epsilon 0.001) or a bias.
    """

    features: int
    kernel_size: int | tuple[int, int]
    train: bool
    dtype: Dtype
    stride: int = 1
    padding: int | tuple[int, int] = 0
    batch_norm: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws features"]:
        shape = (self.features, self.kernel_size, self.stride, self.padding)
        x = Conv(*shape, use_bias=not self.batch_norm, dtype=self.dtype, name="conv")(x)
        if self.batch_norm:
            return BatchNorm(self.train, relu=True, epsilon=1e-3, name="bn")(x)
        return nn.relu(x)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
