"""Two recipes for `benchmarks/cifar10.py`: which optimizer for which parameters, and how long.

    nesterov    Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3,
                https://arxiv.org/abs/2404.00498: 9.9 epochs, Nesterov's momentum, Lookahead
    muon        its author's later one, https://github.com/KellerJordan/cifar10-airbench, with 4 of
                its 200 steps more: 8.16 epochs, Muon for the 3x3 kernels,
                https://kellerjordan.github.io/posts/muon/

Muon takes a step along the nearest orthogonal matrix to the momentum of each kernel as a matrix
[window and inputs, outputs], and keeps the kernel's own size at sqrt(outputs). With X the momentum
over its norm, each of `ROUNDS` rounds of a Newton-Schulz iteration takes all singular values of X
closer to 1 by the polynomial a s + b s^3 + c s^5:

    X <- a X + X (b X'X + c (X'X)^2)

The learning rate, momentum and weight decay of the first recipe are for 1024 examples and do not
depend on each other (section 3 there): a constant gradient makes steps of `rate` whatever the
momentum is. The loss is a sum over the batch, as the rates of both suppose.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float

from jaxvision import optim
from jaxvision.optim import schedules
from jaxvision.optim.regularize import regularizer

COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 3  # a, b, c; Muon's, with a steep slope at 0
MOMENTUM = 0.85  # of all but Muon

Optimizer = optax.GradientTransformation


class Recipe(NamedTuple):
    """What differs between the two.

    Attributes:
        epochs: of the whole training, not always whole.
        batch_size: examples a step.
        factor: of the logits.
        unit_head: whether the head begins with a standard deviation of 1.
        lookahead: whether slow weights pull the trained ones back.
        author_seconds: of training on an A100 GPU, as its author states them.
        optimizer: (steps in all, steps of the whitening bias, batch size) -> the optimizer.
    """

    epochs: float
    batch_size: int
    factor: float
    unit_head: bool
    lookahead: bool
    author_seconds: float
    optimizer: Callable[[int, int, int], Optimizer]


def group_of(path: tuple, leaf: Array) -> str:
    """Which parameters share a learning rate."""
    if path[0].key in ("whiten_bias", "head"):
        return path[0].key
    return "kernel" if leaf.ndim == 4 else "norm_bias"


def grouped(groups: dict[str, Optimizer]) -> Optimizer:
    return optax.partition(groups, partial(jax.tree.map_with_path, group_of))


def sgd(rate: float, shape: optim.Schedule, decay: float) -> Optimizer:
    """Nesterov's momentum with the rate, `rate` times a schedule, outside of the sum.

    `decay` is the part of the weights that a step takes away where the schedule is 1 and the
    momentum is none: it does not depend on `rate`.
    """
    penalty = optim.l2(decay / rate, mask=optim.everything)
    descent = optim.descend(lambda count: rate * shape(count))
    return optax.chain(penalty, optim.accumulate_ahead(MOMENTUM), descent)


def triangle(
    steps: int, start: float = 0.2, peak: float = 0.23, end: float = 0.07
) -> optim.Schedule:
    """From `start` up to 1 when a part `peak` is over, and down to `end`."""
    top = max(1, int(peak * steps))
    up, down = schedules.linear(start, top, 1.0), schedules.linear(1.0, max(1, steps - top), end)
    return schedules.joined([up, down], [top])


def until(steps: int, shape: optim.Schedule) -> optim.Schedule:
    return lambda count: jnp.where(count < steps, shape(count), 0.0)


def nesterov_optimizer(steps: int, whitening_steps: int, batch_size: int) -> Optimizer:
    # By how much momentum, and the sum over so many examples, make a step larger.
    scale = 1024 * (1 + 1 / (1 - MOMENTUM))
    rate, decay, shape = 11.5 / scale, 0.0153 * batch_size / scale, triangle(steps)
    others = sgd(rate, shape, decay)
    whitening = sgd(rate, until(whitening_steps, shape), decay)
    norms = sgd(64 * rate, shape, decay)
    return grouped({"whiten_bias": whitening, "norm_bias": norms, "kernel": others, "head": others})


def muon_optimizer(steps: int, whitening_steps: int, batch_size: int) -> Optimizer:
    decay, shape = 2e-6 * batch_size, schedules.linear(1.0, steps)
    whitening = sgd(0.053, schedules.linear(1.0, max(1, whitening_steps)), decay)
    norms, head = sgd(0.053, shape, decay), sgd(0.67, shape, decay)
    kernels = muon(schedules.linear(0.24, steps), 0.6)
    return grouped({"whiten_bias": whitening, "norm_bias": norms, "kernel": kernels, "head": head})


def muon(learning_rate: optim.Schedule, mu: float) -> Optimizer:
    """The module's second update, for kernels [h, w, n, m]."""

    def direction(u, w):
        del w
        return orthogonal(u.reshape(-1, u.shape[-1])).reshape(u.shape)

    def keep_size(u, w):
        return u + (math.sqrt(w.shape[-1]) * lax.rsqrt(jnp.sum(w**2)) - 1) * w

    return optax.chain(
        optim.accumulate_ahead(mu),
        optax.stateless_with_tree_map(direction),
        optim.descend(learning_rate),
        regularizer(keep_size, optim.everything),
    )


def orthogonal(matrix: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Roughly the matrix with the same singular vectors and singular values of 1."""
    rows, columns = matrix.shape
    x = matrix if rows >= columns else matrix.T
    x = x / (jnp.linalg.norm(x) + 1e-7)
    if jax.default_backend() != "cpu":
        x = x.astype(jnp.bfloat16)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        square = x.T @ x
        x = a * x + x @ (b * square + c * square @ square)
    return (x if rows >= columns else x.T).astype(matrix.dtype)


RECIPES = {
    "muon": Recipe(8.16, 2000, 1 / 256, True, False, 2.59, muon_optimizer),
    "nesterov": Recipe(9.9, 1024, 1 / 9, False, True, 3.29, nesterov_optimizer),
}
