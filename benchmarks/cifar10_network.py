"""The network of `benchmarks/cifar10.py`: a whitened first layer and three blocks of convolutions.

Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, https://arxiv.org/abs/2404.00498,
section 3. Sizes for 32 x 32 images:

    whiten    31 x 31    24           2x2 windows, decorrelated by kernels that are never trained
    block1    15 x 15    64           3x3, max pool 2, norm, GELU, 3x3, norm, GELU
    block2     7 x  7    256          the same
    block3     3 x  3    256          the same
    head       1 x  1    classes      max pool 3, a matrix, and a constant factor

A norm has a bias and no scale. Half of the whitening kernels are the other half's negatives.

On a CPU the 3x3 convolutions go through the batch in pieces whose Winograd tiles stay in the cache.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.models.layers import Dtype, Features
from jaxvision.ops.batch_norm import batch_norm, normalize
from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.platform import prefers_cpu_form
from jaxvision.ops.pooling import max_pool
from jaxvision.ops.winograd import winograd_conv

WIDTHS = (64, 256, 256)
WHITENING = 2 * 3 * 2 * 2  # channels: each eigenvector of a 2 x 2 patch of 3 colours, and minus it
MOMENTUM, EPSILON = 0.6, 1e-12  # of batch norm; a short training needs averages that forget
AROUND = ((1, 1), (1, 1))
PIECE_TILES = 256  # of 4 x 4 pixels, in a piece of the batch (measured)
SMALLEST = 6  # pixels a side; of smaller images a whole batch's tiles are few enough (measured)


def whitening_kernel(
    images: Float[Array, "b h w 3"], epsilon: float = 5e-4
) -> Float[Array, "2 2 3 24"]:
    """Kernels whose outputs, over the 2 x 2 patches of `images`, are uncorrelated, of variance 1.

    With the patches' second moments E p p' = V diag(d) V' the rows of (d + epsilon)^(-1/2) V'.
    """
    _, h, w, _ = images.shape
    corners = [images[:, i : h - 1 + i, j : w - 1 + j] for i in (0, 1) for j in (0, 1)]
    patches = jnp.concatenate(corners, axis=-1).reshape(-1, 12).astype(jnp.float32)
    moments = jnp.matmul(patches.T, patches, precision="highest") / len(patches)
    values, vectors = jnp.linalg.eigh(moments)
    kernel = (vectors * lax.rsqrt(values + epsilon)[None, :]).reshape(2, 2, 3, 12)
    return jnp.concatenate([kernel, -kernel], axis=-1)


def uniform_init(key: Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32) -> Array:
    """Uniform in +- fan_in^(-1/2), PyTorch's default."""
    *window, _ = shape
    bound = math.prod(window) ** -0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def identity_init(key: Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32) -> Array:
    """The first of m output channels copy the n <= m inputs; the others are `uniform_init`'s.

    So a layer passes on what it is given from the first step, as a shortcut would, at no cost.
    """
    rows, columns, n, _ = shape
    same = jnp.zeros((rows, columns, n, n), dtype)
    same = same.at[rows // 2, columns // 2].set(jnp.eye(n, dtype=dtype))
    return uniform_init(key, shape, dtype).at[..., :n].set(same)


@jax.custom_jvp
def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """x P(X < x) for a standard normal X: `jax.nn.gelu`'s erfc takes longer than erf on a CPU."""
    return x * _normal_cdf(x)


@gelu.defjvp
def _gelu_derivative(primals, tangents):
    (x,), (dx,) = primals, tangents
    below, density = _normal_cdf(x), jnp.exp(-0.5 * x**2) * (2 * math.pi) ** -0.5
    return x * below, (below + x * density) * dx


def _normal_cdf(x):
    return 0.5 * (1 + lax.erf(x * 0.5**0.5))


def convolve(
    x: Float[Array, "b h w n"], kernel: Float[Array, "3 3 n m"], *, pool: bool
) -> Float[Array, "b hs ws m"]:
    """The 3x3 convolution that keeps the size, and if `pool` the max pool of 2 x 2 after it."""
    if not prefers_cpu_form() or x.dtype != jnp.float32 or x.shape[1] < SMALLEST:
        y = conv2d(x, kernel, padding=AROUND)
        return max_pool(y, 2, 2) if pool else y

    def of_piece(piece):
        # Tiles are cheaper to compute again from the cache than to read back from memory.
        y = jax.checkpoint(winograd_conv, static_argnums=2)(piece, kernel, AROUND)
        return max_pool(y, 2, 2) if pool else y

    b, h, w, _ = x.shape
    size = largest_divisor(b, PIECE_TILES // (-(-h // 4) * -(-w // 4)))
    y = lax.map(of_piece, x.reshape(b // size, size, *x.shape[1:]))
    return y.reshape(b, *y.shape[2:])


def largest_divisor(number: int, limit: int) -> int:
    """Of `number`, at most `limit` but at least 1."""
    return max(d for d in range(1, max(1, min(limit, number)) + 1) if number % d == 0)


class Norm(nn.Module):
    """Batch norm without a scale, and GELU."""

    train: bool

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        shape = (x.shape[-1],)
        ones = jnp.ones(shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        if not self.train:
            return gelu(normalize(x, mean.value, var.value, ones, bias, EPSILON))
        y, batch_mean, batch_var = batch_norm(x, ones, bias, EPSILON)
        m = x.size // x.shape[-1]
        for average, new in ((mean, batch_mean), (var, batch_var * (m / (m - 1)))):
            average.value = MOMENTUM * average.value + (1 - MOMENTUM) * new
        return gelu(y)


class Block(nn.Module):
    """Two 3x3 convolutions, each with norm and GELU; after the first half the size."""

    width: int
    train: bool

    @nn.compact
    def __call__(self, x: Float[Array, "b h w n"]) -> Float[Array, "b hs ws width"]:
        for number, pool in ((1, True), (2, False)):
            shape = (3, 3, x.shape[-1], self.width)
            kernel = self.param(f"conv{number}", identity_init, shape, jnp.float32)
            x = convolve(x, kernel.astype(x.dtype), pool=pool)
            x = Norm(self.train, name=f"norm{number}")(x)
        return x


class WhitenedNet(nn.Module):
    """Images [b, h, w, 3] -> (logits [b, classes], features by name).

    The variables are "params", "batch_stats", and "whitening", which holds the frozen kernel: zeros
    until `whitening_kernel` is put there.

    Attributes:
        num_classes: width of the head.
        factor: of the logits.
        widths: output channels of the three blocks, the first one at least 24.
        dtype: what is computed in; parameters and statistics are float32.
        train_whitening: whether the first layer's bias learns. Without, nothing before the first
            block has a gradient.
    """

    num_classes: int
    factor: float = 1 / 9
    widths: tuple[int, ...] = WIDTHS
    dtype: Dtype = jnp.float32
    train_whitening: bool = True

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w 3"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        kernel = self.variable(
            "whitening", "kernel", jnp.zeros, (2, 2, 3, WHITENING), jnp.float32
        ).value
        bias = self.param("whiten_bias", nn.initializers.zeros, (WHITENING,), jnp.float32)
        if not self.train_whitening:
            bias = lax.stop_gradient(bias)
        x = conv2d(images.astype(self.dtype), kernel.astype(self.dtype))
        x = gelu(x + bias.reshape(1, 1, 1, -1).astype(self.dtype))
        features = {"whiten": x}
        for number, width in enumerate(self.widths, start=1):
            features[f"block{number}"] = x = Block(width, train, name=f"block{number}")(x)
        x = features["pooled"] = jnp.max(x, axis=(1, 2))
        head = self.param("head", uniform_init, (x.shape[-1], self.num_classes), jnp.float32)
        # In float32: there are few products, and the loss adds up many logits.
        return (x.astype(jnp.float32) @ head) * self.factor, features
