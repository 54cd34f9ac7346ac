"""The network of `benchmarks/cifar10.py` in PyTorch, and a training step of both side by side.

PyTorch runs eagerly with channels last, its best mode on a CPU, and both train by Nesterov's
momentum, in float32, on one batch again and again; ours is `SCANNED` steps in one program, of which
the time of one is given. First both get the same weights, and must give the same logits.
"""

import os
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from jaxtyping import PyTree
from torch import nn
from torch.nn import functional

from benchmarks.alternate import alternate, print_table
from benchmarks.cifar10_network import EPSILON, MOMENTUM, WHITENING, WIDTHS, WhitenedNet
from jaxvision import optim
from jaxvision.ops.platform import compiler_options

Run = Callable[[], None]

SCANNED = 4
RATE, DECAY = 1e-4, 0.85
TOLERANCE = 1e-4  # of the largest logit
CLASSES = 10


class Block(nn.Module):
    def __init__(self, inputs: int, width: int):
        super().__init__()
        for number, channels in ((1, inputs), (2, width)):
            conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            norm = nn.BatchNorm2d(width, eps=EPSILON, momentum=1 - MOMENTUM)
            norm.weight.requires_grad_(False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"norm{number}", norm)

    def forward(self, x):
        x = functional.gelu(self.norm1(functional.max_pool2d(self.conv1(x), 2)))
        return functional.gelu(self.norm2(self.conv2(x)))


class TorchNet(nn.Module):
    """As `WhitenedNet`, whose weights it is given."""

    def __init__(self, factor: float, train_whitening: bool):
        super().__init__()
        self.whiten = nn.Conv2d(3, WHITENING, 2)
        self.whiten.weight.requires_grad_(False)
        self.whiten.bias.requires_grad_(train_whitening)
        inputs = (WHITENING, *WIDTHS)
        blocks = (Block(*widths) for widths in zip(inputs, WIDTHS, strict=False))
        self.blocks = nn.Sequential(*blocks)
        self.head, self.factor = nn.Linear(WIDTHS[-1], CLASSES, bias=False), factor

    def forward(self, x):
        x = self.blocks(functional.gelu(self.whiten(x)))
        return self.factor * self.head(functional.max_pool2d(x, x.shape[-1]).flatten(1))


def give_weights(variables: PyTree, model: TorchNet) -> None:
    """Copies ours into PyTorch's network: kernels [h, w, n, m] become [m, n, h, w]."""
    params = jax.tree.map(np.array, variables["params"])
    theirs = {
        "whiten.weight": np.array(variables["whitening"]["kernel"]).transpose(3, 2, 0, 1),
        "whiten.bias": params["whiten_bias"],
        "head.weight": params["head"].T,
    }
    for i in range(len(WIDTHS)):
        for number in (1, 2):
            block, name = params[f"block{i + 1}"], f"blocks.{i}"
            theirs[f"{name}.conv{number}.weight"] = block[f"conv{number}"].transpose(3, 2, 0, 1)
            theirs[f"{name}.norm{number}.bias"] = block[f"norm{number}"]["bias"]
    tensors = {name: torch.from_numpy(value.copy()) for name, value in theirs.items()}
    missing = model.load_state_dict(tensors, strict=False)
    if missing.unexpected_keys:
        raise ValueError(f"`model` has no {', '.join(missing.unexpected_keys)}.")


def as_tensor(images: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return tensor.to(memory_format=torch.channels_last)


def make_twins(train_whitening: bool) -> tuple[WhitenedNet, PyTree, TorchNet]:
    """Our network, its variables, and PyTorch's with the same weights."""
    ours = WhitenedNet(CLASSES, train_whitening=train_whitening)
    key = jax.random.key(0)
    init = jax.jit(partial(ours.init, train=False))
    variables = init(key, jnp.zeros((1, 32, 32, 3)))
    shape = variables["whitening"]["kernel"].shape
    variables = {**variables, "whitening": {"kernel": 0.5 * jax.random.normal(key, shape)}}
    theirs = TorchNet(ours.factor, train_whitening).to(memory_format=torch.channels_last)
    give_weights(variables, theirs)
    return ours, variables, theirs


def largest_difference(images: np.ndarray) -> float:
    """Between the logits of both in training, as a part of the largest logit."""
    ours, variables, theirs = make_twins(train_whitening=True)

    @jax.jit
    def logits_of(variables, images):
        return ours.apply(variables, images, train=True, mutable=["batch_stats"])[0][0]

    with torch.no_grad():
        expected = theirs.train()(as_tensor(images)).numpy()
    return float(np.abs(logits_of(variables, images) - expected).max() / np.abs(expected).max())


def our_training(images: np.ndarray, labels: np.ndarray, *, train_whitening: bool) -> Run:
    model, variables, _ = make_twins(train_whitening)
    optimizer = optax.chain(optim.accumulate_ahead(DECAY), optim.descend(RATE))
    whitening = variables["whitening"]

    def step(state, images, labels):
        params, batch_stats, opt_state = state

        def objective(params):
            variables = {"params": params, "batch_stats": batch_stats, "whitening": whitening}
            (logits, _), updated = model.apply(
                variables, images, train=True, mutable=["batch_stats"]
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), updated["batch_stats"]

        (loss, batch_stats), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        return (optax.apply_updates(params, updates), batch_stats, opt_state), loss

    def steps(state, images, labels):
        return jax.lax.scan(lambda state, _: step(state, images, labels), state, length=SCANNED)

    images, labels, params = jnp.asarray(images), jnp.asarray(labels), variables["params"]
    state = params, variables["batch_stats"], optimizer.init(params)
    program = jax.jit(steps, donate_argnums=0).lower(state, images, labels)
    compiled = program.compile(compiler_options())

    def run():
        nonlocal state
        state, losses = compiled(state, images, labels)
        jax.block_until_ready(losses)

    return run


def their_training(images: np.ndarray, labels: np.ndarray, *, train_whitening: bool) -> Run:
    _, _, model = make_twins(train_whitening)
    model.train()
    images, labels = as_tensor(images), torch.from_numpy(labels)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learned, RATE, DECAY, nesterov=True, fused=True)

    def run():
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return run


def compare(batch: int, rounds: int) -> None:
    """Prints a table for each phase of the training.

    Raises:
        AssertionError: if the two networks are not one function.
    """
    random = np.random.default_rng(0)
    images = random.standard_normal((batch, 32, 32, 3), dtype=np.float32)
    labels = random.integers(CLASSES, size=batch)
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__}, PyTorch {torch.__version__} on {device}, {os.cpu_count()} cores")
    difference = largest_difference(images[:64])
    assert difference < TOLERANCE, f"the logits differ by {difference} of the largest"
    print(f"Largest difference of the logits: {difference:.1e} of the largest; {rounds} rounds")
    for flag, phase in ((True, "with the whitening's bias"), (False, "without")):
        seconds = alternate(
            {
                "PyTorch": their_training(images, labels, train_whitening=flag),
                "jaxvision, scan": our_training(images, labels, train_whitening=flag),
            },
            rounds,
        )
        seconds["jaxvision, scan"] /= SCANNED
        print_table(f"Training step {phase}, {batch} images", seconds, batch, "images")
