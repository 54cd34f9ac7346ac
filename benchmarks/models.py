"""Training steps, inference and style's image gradient: ours, plain `lax`, PyTorch and Keras.

    python -m benchmarks.models                     # all of them, ten minutes
    python -m benchmarks.models lenet5 vgg16        # only these
    python -m benchmarks.models --compile lenet5    # and torch.compile, which takes minutes more

PyTorch runs eagerly with channels last, its best mode on a CPU (pip install -e '.[parity]'); Keras,
if installed, runs on JAX. Everybody trains by SGD with momentum, in float32, on one batch again and
again. "plain" is the form of the primitives for accelerators (see `ops.platform`), with XLA's own
options; ours is compiled with `compiler_options()`, as `train.epoch` does it; "scan" has
`SCANNED` steps in one program, of which the time of one is given. Run it on a quiet machine: where
others take a core now and then, whoever uses several threads waits for the slowest.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

os.environ.setdefault("KERAS_BACKEND", "jax")

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.alternate import alternate, print_table
from jaxvision import optim
from jaxvision.models.cifar_resnet import cifar_resnet20_b
from jaxvision.models.lenet import LeNet5
from jaxvision.models.resnet import resnet50, resnext50_32x4d
from jaxvision.models.vgg import vgg16
from jaxvision.ops.platform import PLAIN, compiler_options, form
from jaxvision.train import init_state, make_train_step

try:
    import torch

    from benchmarks import torch_networks
except ImportError:
    torch = None
try:
    import keras

    from benchmarks import keras_networks
except ImportError:
    keras = None

ROUNDS = 7
SCANNED = 5
RATE, MOMENTUM = 0.01, 0.9
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT = "relu4_2"
THEIR_STYLE, THEIR_CONTENT = (0, 2, 4, 7, 10), 8  # the same layers, by number

Run = Callable[[], None]


class Network(NamedTuple):
    """What is trained: our module; a name in `torch_networks`, a function that builds Keras's."""

    ours: nn.Module
    batch: tuple[int, int, int, int]
    classes: int
    torch: str
    keras: Callable | None = None
    plain: bool = True  # whether to wait for `lax`, whose grouped convolution is 100 times slower


def keras_resnet50(side: int):
    return keras.applications.ResNet50(
        weights=None, input_shape=(side, side, 3), classifier_activation=None
    )


NETWORKS = {
    "lenet5": Network(LeNet5(10), (64, 32, 32, 1), 10, "lenet5", keras and keras_networks.lenet5),
    "cifar_resnet20_b": Network(
        cifar_resnet20_b(10),
        (64, 32, 32, 3),
        10,
        "cifar_resnet20_b",
        keras and keras_networks.cifar_resnet20_b,
    ),
    "resnet50_128": Network(
        resnet50(1000), (8, 128, 128, 3), 1000, "resnet50", keras and partial(keras_resnet50, 128)
    ),
    "resnet50_224": Network(
        resnet50(1000), (8, 224, 224, 3), 1000, "resnet50", keras and partial(keras_resnet50, 224)
    ),
    "resnext50": Network(resnext50_32x4d(1000), (4, 128, 128, 3), 1000, "resnext50", plain=False),
}


def random_batch(network: Network) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    count = network.batch[0]
    return {
        "image": random.standard_normal(network.batch, dtype=np.float32),
        "label": random.integers(network.classes, size=count),
        "mask": np.ones(count, bool),
    }


def options(chosen: str | None) -> dict[str, str]:
    """The compiler's: none for `lax` as it is, what `TrainEpoch` takes for ours."""
    return {} if chosen == PLAIN else compiler_options()


def our_training(network: Network, batch: dict, chosen: str | None, *, steps: int) -> Run:
    """`steps` training steps in one program; one without a loop."""
    optimizer, batch = optim.heavy_ball(RATE, MOMENTUM), jax.device_put(batch)
    step = make_train_step(network.ours, optimizer)

    def scanned(state, batch):
        return jax.lax.scan(lambda state, _: step(state, batch), state, length=steps)

    state = init_state(network.ours, optimizer, batch["image"][:1], jax.random.key(0))
    with form(chosen):
        program = jax.jit(step if steps == 1 else scanned, donate_argnums=0)
        compiled = program.lower(state, batch).compile(options(chosen))

    def run():
        nonlocal state
        state, _ = compiled(state, batch)
        jax.block_until_ready(state)

    return run


def our_inference(network: Network, batch: dict, chosen: str | None) -> Run:
    images = jnp.asarray(batch["image"])
    variables = network.ours.init(jax.random.key(0), images[:1], train=False)

    @jax.jit
    def predict(variables, images):
        return network.ours.apply(variables, images, train=False)[0]

    with form(chosen):
        compiled = predict.lower(variables, images).compile(options(chosen))
    return lambda: compiled(variables, images).block_until_ready()


def channels_last(images: np.ndarray):
    tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return tensor.to(memory_format=torch.channels_last)


def torch_ways(network: Network, batch: dict, *, compiled: bool) -> tuple[Run, Run]:
    model = getattr(torch_networks, network.torch)().to(memory_format=torch.channels_last)
    images, labels = channels_last(batch["image"]), torch.from_numpy(batch["label"])
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, fused=True)
    forward = torch.compile(model) if compiled else model

    def train():
        model.train()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(forward(images), labels).backward()
        optimizer.step()

    def predict():
        model.eval()
        with torch.inference_mode():
            forward(images)

    return train, predict


def keras_ways(network: Network, batch: dict) -> tuple[Run, Run]:
    model = network.keras()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE, MOMENTUM), loss)
    images, labels = batch["image"], batch["label"]
    return lambda: model.train_on_batch(images, labels), lambda: model.predict_on_batch(images)


def compare(name: str, network: Network, *, compiled: bool) -> None:
    batch, train, predict = random_batch(network), {}, {}
    if torch is not None:
        train["PyTorch"], predict["PyTorch"] = torch_ways(network, batch, compiled=False)
        if compiled:
            ways = torch_ways(network, batch, compiled=True)
            train["torch.compile"], predict["torch.compile"] = ways
    if network.keras is not None:
        train["Keras on JAX"], predict["Keras on JAX"] = keras_ways(network, batch)
    for label, chosen in {"plain": PLAIN, "jaxvision": None}.items():
        if chosen is None or network.plain:
            train[label] = our_training(network, batch, chosen, steps=1)
            predict[label] = our_inference(network, batch, chosen)
    train["jaxvision, scan"] = our_training(network, batch, None, steps=SCANNED)
    seconds = alternate(train, ROUNDS)
    seconds["jaxvision, scan"] /= SCANNED
    count, side, *_ = network.batch
    title = f"{name}, {count} images of {side} x {side}"
    print_table(f"{title}: train step", seconds, count, "images")
    print_table(f"{title}: inference", alternate(predict, ROUNDS), count, "images")


def gram(features):
    """Of channels in the last axis, for JAX and PyTorch alike."""
    pixels = features.reshape(-1, features.shape[-1])
    return pixels.T @ pixels / pixels.shape[0]


def style_loss(features, style, content):
    """Squares of what the network sees: of its Gram matrices, and of one layer itself."""
    return sum((gram(features[i]) ** 2).mean() for i in style) + (features[content] ** 2).mean()


def our_image_gradient(image: np.ndarray, chosen: str | None, *, steps: int) -> Run:
    """Steps of gradient descent on the pixels, in one program; one without a loop."""
    model = vgg16(None, hidden=())
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)

    def loss(image, variables):
        _, features = model.apply(variables, image, train=False)
        return style_loss(features, STYLE, CONTENT)

    def step(image, variables):
        value, gradient = jax.value_and_grad(loss)(image, variables)
        return image - RATE * gradient, value

    def scanned(image, variables):
        return jax.lax.scan(lambda image, _: step(image, variables), image, length=steps)

    image = jnp.asarray(image)
    with form(chosen):
        lowered = jax.jit(step if steps == 1 else scanned).lower(image, variables)
        compiled = lowered.compile(options(chosen))
    return lambda: jax.block_until_ready(compiled(image, variables))


def torch_image_gradient(image: np.ndarray) -> Run:
    model = torch_networks.VGG16Features().to(memory_format=torch.channels_last)
    model.requires_grad_(False)
    image = channels_last(image).requires_grad_()

    def run():
        image.grad = None
        features = [feature.permute(0, 2, 3, 1) for feature in model(image)]
        style_loss(features, THEIR_STYLE, THEIR_CONTENT).backward()

    return run


def compare_image_gradient() -> None:
    image = np.random.default_rng(0).standard_normal((1, 224, 224, 3), dtype=np.float32)
    ways = {} if torch is None else {"PyTorch": torch_image_gradient(image)}
    ways["plain"] = our_image_gradient(image, PLAIN, steps=1)
    ways["jaxvision"] = our_image_gradient(image, None, steps=1)
    ways["jaxvision, scan"] = our_image_gradient(image, None, steps=SCANNED)
    seconds = alternate(ways, ROUNDS)
    seconds["jaxvision, scan"] /= SCANNED
    print_table("vgg16, style's loss and its gradient to a 224 x 224 image", seconds, 1, "images")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=[*NETWORKS, "vgg16"])
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores, {ROUNDS} rounds")
    for name in arguments.names:
        if name == "vgg16":
            compare_image_gradient()
        else:
            compare(name, NETWORKS[name], compiled=arguments.compile)
