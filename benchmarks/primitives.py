"""The primitives of `jaxvision.ops`, forward and backward: the CPU's form, the plain one, PyTorch.

    python -m benchmarks.primitives               # pip install -e '.[parity]' for PyTorch's

At the shapes of LeNet-5, ResNet-20, ResNet-50, ResNeXt-50 and VGG-16, all in float32. What is timed
is the value and the gradients of every argument. Run it on a quiet machine, and again with each new
jaxlib: which form is faster is a property of the compiler, and may change.
"""

import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.alternate import alternate
from jaxvision.ops.batch_norm import batch_norm_relu
from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.platform import CPU, PLAIN, compiler_options, form
from jaxvision.ops.pooling import average_pool, max_pool

try:
    import torch
    import torch.nn.functional as F  # noqa: N812
except ImportError:
    torch = None

ROUNDS = 9
EPSILON = 1e-5

# name: batch, side, inputs, kernel, outputs, stride, groups
CONVOLUTIONS = {
    "LeNet-5 c1": (64, 32, 1, 5, 6, 1, 1),
    "ResNet-20 stage 1": (64, 32, 16, 3, 16, 1, 1),
    "ResNet-20 stage 2": (64, 16, 32, 3, 32, 1, 1),
    "ResNet-20 stage 3": (64, 8, 64, 3, 64, 1, 1),
    "ResNet-50 stem": (8, 224, 3, 7, 64, 2, 1),
    "ResNet-50 stage 1, 3x3": (8, 56, 64, 3, 64, 1, 1),
    "ResNet-50 stage 1, 1x1": (8, 56, 64, 1, 256, 1, 1),
    "ResNet-50 stage 2, 3x3 / 2": (8, 56, 128, 3, 128, 2, 1),
    "ResNet-50 stage 2, 1x1 / 2": (8, 56, 256, 1, 512, 2, 1),
    "ResNet-50 stage 4, 3x3": (8, 7, 512, 3, 512, 1, 1),
    "ResNeXt-50 stage 1": (4, 56, 128, 3, 128, 1, 32),
    "ResNeXt-50 stage 3": (4, 14, 512, 3, 512, 1, 32),
    "ResNeXt-50 stage 4": (4, 7, 1024, 3, 1024, 1, 32),
    "depthwise": (4, 56, 128, 3, 128, 1, 128),
    "VGG-16 conv2_2": (1, 112, 128, 3, 128, 1, 1),
}
# name: batch, side, channels, window, stride, padding
POOLS = {
    "LeNet-5 s2": (64, 28, 6, 2, 2, 0),
    "VGG-16 pool1": (1, 224, 64, 2, 2, 0),
    "ResNet-50 pool1": (8, 112, 64, 3, 2, 1),
}
# name: batch, side, channels
NORMALISATIONS = {
    "ResNet-20 stage 1": (64, 32, 16),
    "ResNet-50 stage 1": (8, 56, 256),
    "ResNet-50 stage 4": (8, 7, 2048),
}


def random_arrays(*shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape, dtype=np.float32) for shape in shapes]


def jax_way(function, arrays, chosen):
    """A function that waits for the value and the gradients of every argument."""
    arguments = [jnp.asarray(array) for array in arrays]

    def both(arguments):
        y, transpose = jax.vjp(function, *arguments)
        return y, transpose(y)

    with form(chosen):
        options = compiler_options() if chosen == CPU else {}
        compiled = jax.jit(both).lower(arguments).compile(options)
    return lambda: jax.block_until_ready(compiled(arguments))


def torch_way(function, arrays):
    """The same of PyTorch: images and kernels channels last, as it likes them best."""

    def parameter(array):
        tensor = torch.from_numpy(array)
        if tensor.ndim == 4:
            tensor = tensor.to(memory_format=torch.channels_last)
        return tensor.requires_grad_()

    arguments = [parameter(array) for array in arrays]

    def run():
        for argument in arguments:
            argument.grad = None
        y = function(*arguments)
        y.backward(y.detach())

    return run


def channels_first(image):
    return np.ascontiguousarray(image.transpose(0, 3, 1, 2))


def convolution(batch, side, inputs, kernel, outputs, stride, groups):
    x, weights = random_arrays(
        (batch, side, side, inputs), (kernel, kernel, inputs // groups, outputs)
    )
    edge = kernel // 2
    ours = partial(
        conv2d, stride=(stride, stride), padding=((edge, edge), (edge, edge)), groups=groups
    )
    arrays = channels_first(x), np.ascontiguousarray(weights.transpose(3, 2, 0, 1))
    return ours, (x, weights), lambda x, w: F.conv2d(x, w, None, stride, edge, 1, groups), arrays


def pool(ours, theirs, batch, side, channels, window, stride, edge):
    (x,) = random_arrays((batch, side, side, channels))
    ours = partial(ours, window=window, stride=stride, padding=((edge, edge), (edge, edge)))
    return ours, (x,), lambda x: theirs(x, window, stride, edge), (channels_first(x),)


def normalisation(batch, side, channels):
    x, scale, bias = random_arrays((batch, side, side, channels), (channels,), (channels,))

    def theirs(x, scale, bias):
        return torch.relu(F.batch_norm(x, None, None, scale, bias, training=True, eps=EPSILON))

    def ours(x, scale, bias):
        return batch_norm_relu(x, scale, bias, EPSILON)[0]

    return ours, (x, scale, bias), theirs, (channels_first(x), scale, bias)


def cases():
    for name, settings in CONVOLUTIONS.items():
        yield f"convolution, {name}", convolution(*settings)
    for name, settings in POOLS.items():
        yield f"max pool, {name}", pool(max_pool, torch and F.max_pool2d, *settings)
        yield f"average pool, {name}", pool(average_pool, torch and F.avg_pool2d, *settings)
    for name, settings in NORMALISATIONS.items():
        yield f"batch norm + ReLU, {name}", normalisation(*settings)


if __name__ == "__main__":
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores, {ROUNDS} rounds\n")
    print("| value and gradients | CPU form, ms | x plain | x PyTorch |")
    print("| --- | ---: | ---: | ---: |")
    for name, (ours, arrays, theirs, their_arrays) in cases():
        ways = {chosen: jax_way(ours, arrays, chosen) for chosen in (CPU, PLAIN)}
        if torch is not None:
            ways["PyTorch"] = torch_way(theirs, their_arrays)
        seconds = alternate(ways, ROUNDS)
        ratios = (f"{seconds[way] / seconds[CPU]:.2f}" for way in list(ways)[1:])
        print(f"| {name} | {1e3 * seconds[CPU]:.2f} | {' | '.join(ratios)} |", flush=True)
