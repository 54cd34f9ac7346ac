"""One update of every optimizer: ours, Optax's, PyTorch's; and how much memory each has to move.

    python -m benchmarks.optimizers               # pip install -e '.[parity]' for PyTorch's

25.6 million float32 parameters in the 161 arrays of a ResNet-50, an array of gradients for each.
The step is compiled with its buffers donated: gradients in, parameters and state replaced. "floor"
is how many arrays as large as the parameters the equations must read and write once; "moves" is
what XLA counts in the compiled program.
"""

import os
from collections.abc import Callable

import jax
import numpy as np
import optax

from benchmarks.alternate import alternate, print_table
from jaxvision import optim

try:
    import torch
except ImportError:
    torch = None

ROUNDS = 15

# ours, Optax's, PyTorch's class and settings, and the arrays that the equations read and write.
OPTIMIZERS = {
    "sgd": (optim.sgd(0.1), optax.sgd(0.1), ("SGD", {"lr": 0.1}), 3),
    "heavy_ball": (
        optim.heavy_ball(0.1),
        optax.sgd(0.1, momentum=0.9),
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        5,
    ),
    "nesterov": (
        optim.nesterov(0.1),
        optax.sgd(0.1, momentum=0.9, nesterov=True),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        5,
    ),
    "adagrad": (optim.adagrad(0.1), optax.adagrad(0.1), ("Adagrad", {"lr": 0.1}), 5),
    "rmsprop": (optim.rmsprop(0.1), optax.rmsprop(0.1), ("RMSprop", {"lr": 0.1}), 5),
    "adadelta": (optim.adadelta(1.0), optax.adadelta(1.0), ("Adadelta", {"lr": 1.0}), 7),
    "adam": (optim.adam(1e-3), optax.adam(1e-3), ("Adam", {"lr": 1e-3}), 7),
    "adamw": (
        optim.adamw(1e-3, mask=optim.everything),
        optax.adamw(1e-3, weight_decay=1e-2),
        ("AdamW", {"lr": 1e-3}),
        7,
    ),
    "nadam": (optim.nadam(1e-3), optax.nadam(1e-3), ("NAdam", {"lr": 1e-3}), 7),
    "adamax": (optim.adamax(1e-3), optax.adamax(1e-3), ("Adamax", {"lr": 1e-3}), 7),
}


def resnet50_shapes() -> list[tuple[int, ...]]:
    """The shapes of a ResNet-50's kernels, and of the scale and bias of each normalisation."""

    def convolution(size, inputs, outputs):
        return [(size, size, inputs, outputs), (outputs,), (outputs,)]

    shapes, inputs = convolution(7, 3, 64), 64
    for blocks, width in ((3, 64), (4, 128), (6, 256), (3, 512)):
        for block in range(blocks):
            shapes += convolution(1, inputs, width) + convolution(3, width, width)
            shapes += convolution(1, width, 4 * width)
            if block == 0:
                shapes += convolution(1, inputs, 4 * width)
            inputs = 4 * width
    return [*shapes, (inputs, 1000), (1000,)]


def random_arrays(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [0.01 * random.standard_normal(s, dtype=np.float32) for s in resnet50_shapes()]


def contestant(optimizer: optax.GradientTransformation) -> tuple[Callable[[], None], float]:
    """A function that makes one update and waits for it, and the bytes that XLA says it moves."""
    params, gradients = (jax.device_put(random_arrays(seed)) for seed in (0, 1))
    state = optimizer.init(params)

    def step(params, state, gradients):
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    compiled = jax.jit(step, donate_argnums=(0, 1)).lower(params, state, gradients).compile()

    def run():
        nonlocal params, state
        params, state = compiled(params, state, gradients)
        jax.block_until_ready(params)

    return run, compiled.cost_analysis()["bytes accessed"]


def torch_contestant(name: str, settings: dict, **form: bool) -> Callable[[], None] | None:
    """The same of PyTorch, where it has that form of the optimizer."""
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    params = [torch.nn.Parameter(torch.from_numpy(a).to(device)) for a in random_arrays(0)]
    for parameter, gradient in zip(params, random_arrays(1), strict=True):
        parameter.grad = torch.from_numpy(gradient).to(device)
    try:
        optimizer = getattr(torch.optim, name)(params, **settings, **form)
        optimizer.step()
    except (TypeError, RuntimeError):
        return None

    def run():
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


if __name__ == "__main__":
    size = 4 * sum(int(np.prod(shape)) for shape in resnet50_shapes())
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}, {os.cpu_count()} CPU cores,")
    print(f"{size / 4:,.0f} parameters in {len(resnet50_shapes())} arrays, {ROUNDS} rounds")
    for name, (ours, theirs, (torch_name, settings), floor) in OPTIMIZERS.items():
        their_run, their_bytes = contestant(theirs)
        our_run, our_bytes = contestant(ours)
        ways = {"Optax": their_run, "jaxvision": our_run}
        if torch is not None:
            for form in ("foreach", "fused"):
                run = torch_contestant(torch_name, settings, **{form: True})
                if run is not None:
                    ways[f"PyTorch, {form}"] = run
        title = (
            f"{name}: floor {floor} arrays, moves {our_bytes / size:.1f} "
            f"(Optax {their_bytes / size:.1f})"
        )
        print_table(title, alternate(ways, ROUNDS), floor * size / 1e9, "GB")
