"""LeNet-5: convolve, subsample, twice over, so that position matters less and less.

LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc.
IEEE 86(11), 1998, section II-B, https://doi.org/10.1109/5.726791. Layer by layer, at 32 x 32:

    c1  5x5 convolution   28 x 28 x 6        c5  5x5 convolution   120
    s2  2x2 subsampling   14 x 14 x 6        f6  dense             84
    c3  5x5 convolution   10 x 10 x 16       output                classes
    s4  2x2 subsampling    5 x  5 x 16

`LeNet5` is the network that the name means today: c3 sees all of s2, the maximum subsamples, ReLU
follows c1, c3, c5 and f6, and the output is dense: 61,706 parameters for 10 classes of grey
images. `LeNet5Original` is the paper's, with f = `scaled_tanh` after every layer up to f6:

    subsampling    y = f(coefficient * (x_00 + x_01 + x_10 + x_11) + bias)
    c3             each map sees the maps of s2 in its column of Table I, and no others
    output, eq. 7  y_i = sum_j (x_j - w_ij)^2,  w_ij = +-1 fixed
    logits         -y, because softmax cross-entropy of them is the criterion of eq. 9,
                   y_D + log(sum_i exp(-y_i)), without exp(-j), its constant rubbish class

60,000 parameters, none of them in the output. Every weight and bias is drawn uniformly in
+-2.4 / F_i, with F_i the inputs of the unit i that it leads to (Appendix A).

Where we deviate: the paper draws each code w_i by hand, as the 7 x 12 picture of its character. We
take signs at random, the alternative it names, so that any number of classes has its codes. c3
stores the 60 kernels that exist, and runs them as one dense convolution, zero in the other 36.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype
from jax import lax
from jaxtyping import Array, Float

from jaxvision.models.layers import Conv, Dtype, Features, Network, check_image_size
from jaxvision.ops.activations import scaled_tanh
from jaxvision.ops.pooling import max_pool

# Table I, one row for each map of c3: the maps of s2 that it sees.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


class LeNet5(Network):
    """Images [b, h, w, c] -> (logits [b, classes], every layer's output by name).

    Any size from 16 x 16 on, where s4 is one pixel, and any number of channels; the parameters of
    c5 fit one height and width. Kernels before a ReLU have variance 2 / fan_in (see `mlp`).

    Attributes:
        num_classes: width of the output; None for no output, and then the logits are f6.
        activation: after c1, c3, c5 and f6; the features are what it returns.
        dtype: what is computed in; parameters and logits stay float32.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are below 16 x 16.
    """

    activation: Callable[[Array], Array] = nn.relu
    dtype: Dtype = None
    image_size: ClassVar[int | None] = 32
    minimum_size: ClassVar[int] = 16

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        del train  # the same function in training and in evaluation
        check_image_size(images, self.minimum_size, "lenet5")
        b = len(images)
        conv = partial(Conv, kernel_size=5, dtype=self.dtype)
        he = nn.initializers.he_normal()
        dense = partial(nn.Dense, kernel_init=he, dtype=self.dtype)

        features = {}
        x = features["c1"] = self.activation(conv(6, name="c1")(images))
        x = features["s2"] = max_pool(x, 2, 2)
        x = features["c3"] = self.activation(conv(16, name="c3")(x))
        x = features["s4"] = max_pool(x, 2, 2)
        # A dense layer is the convolution with a kernel as large as s4, whatever size that is.
        x = features["c5"] = self.activation(dense(120, name="c5")(x.reshape(b, -1)))
        x = features["f6"] = self.activation(dense(84, name="f6")(x))
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="output")(x)
        return x, features


def uniform_by_fan_in(fan_in: int | np.ndarray) -> nn.initializers.Initializer:
    """Draws uniformly in +-2.4 / `fan_in`, a number or one for each entry of the last axis.

    The bound is for inputs that go up and down together, whose sum grows with `fan_in` and not
    with its root (Appendix A).
    """

    def init(key, shape, dtype=jnp.float32):
        bound = jnp.broadcast_to(jnp.asarray(2.4 / fan_in, dtype), shape)
        return jax.random.uniform(key, shape, dtype, -1.0, 1.0) * bound

    return init


class Subsampling(nn.Module):
    """f(coefficient * (sum of a 2x2 window) + bias), one of each a map: 2 c parameters."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h//2 w//2 c"]:
        b, h, w, c = x.shape
        coefficient = self.param("coefficient", uniform_by_fan_in(4), (c,))
        bias = self.param("bias", uniform_by_fan_in(4), (c,))
        x = x.reshape(b, h // 2, 2, w // 2, 2, c).sum(axis=(2, 4))
        return scaled_tanh(coefficient.reshape(1, 1, 1, c) * x + bias.reshape(1, 1, 1, c))


class TableConv(nn.Module):
    """5x5 convolution whose output map m sees the input maps `table[m]`: a kernel for each pair.

    Attributes:
        table: for each output map, the input maps that it sees.
    """

    table: tuple[tuple[int, ...], ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h-4 w-4 maps"]:
        maps = len(self.table)
        seen = np.array([len(row) for row in self.table])
        fan_in = 25 * seen
        sources = np.concatenate(self.table)  # [pairs]
        targets = np.repeat(np.arange(maps), seen)  # [pairs]
        kernel = self.param("kernel", uniform_by_fan_in(fan_in[targets]), (5, 5, sources.size))
        bias = self.param("bias", uniform_by_fan_in(fan_in), (maps,))

        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=None)
        dense = jnp.zeros((5, 5, x.shape[-1], maps), kernel.dtype)
        dense = dense.at[:, :, sources, targets].set(kernel)
        axes = ("NHWC", "HWIO", "NHWC")
        y = lax.conv_general_dilated(x, dense, (1, 1), "VALID", dimension_numbers=axes)
        return y + bias.reshape(1, 1, 1, maps)


def class_codes(num_classes: int, bits: int) -> np.ndarray:
    """Signs [num_classes, bits] as float32: always the same; those of 10 classes begin those of 11.

    They are part of what a trained network means. So they come from NumPy's legacy generator: its
    stream is frozen, that of `default_rng` may change from version to version.
    """
    signs = np.random.RandomState(1998).randint(2, size=(num_classes, bits))
    return (2 * signs - 1).astype(np.float32)


class LeNet5Original(Network):
    """The network of 1998: images [b, 32, 32, c] -> (logits [b, classes], features by name).

    Attributes:
        num_classes: units of the output, which has no parameters; None for no output, and then
            the logits are f6.

    Raises:
        ValueError: if `num_classes` is below 1, or the images are not 32 x 32.
    """

    image_size: ClassVar[int | None] = 32
    minimum_size: ClassVar[int] = 32

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        del train
        b, h, w, c = images.shape
        if (h, w) != (32, 32):
            raise ValueError(
                f"`images` must be 32 x 32 for lenet5_original, got {h} x {w}: pad them with "
                "background (28 x 28 by 2 pixels a side) or resize them, or use lenet5."
            )

        def init(fan_in):
            draw = uniform_by_fan_in(fan_in)
            return {"kernel_init": draw, "bias_init": draw}

        conv = partial(nn.Conv, kernel_size=(5, 5), padding="VALID")
        features = {}
        x = features["c1"] = scaled_tanh(conv(6, name="c1", **init(25 * c))(images))
        x = features["s2"] = Subsampling(name="s2")(x)
        x = features["c3"] = scaled_tanh(TableConv(C3_TABLE, name="c3")(x))
        x = features["s4"] = Subsampling(name="s4")(x)
        x = scaled_tanh(conv(120, name="c5", **init(25 * 16))(x))
        x = features["c5"] = x.reshape(b, 120)  # the 5x5 kernel leaves one pixel
        x = features["f6"] = scaled_tanh(nn.Dense(84, name="f6", **init(120))(x))
        if self.num_classes is not None:
            codes = jnp.asarray(class_codes(self.num_classes, 84), x.dtype)
            y = jnp.sum((x[:, None] - codes[None]) ** 2, axis=-1)
            x = -y
        return x, features
