"""The part of `understanding` that is about decision regions: classifiers of points on a plane.

(a) A perceptron on classes that a line separates, and on XOR, which none does; XOR with two hidden
units; and moons, of whose labels some are wrong, with few hidden units and with many.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key
from sklearn.datasets import make_blobs, make_moons

from jaxvision import optim
from jaxvision.inspect.pictures.decision_regions import plot_decision_regions
from jaxvision.models.linear import LogisticRegression
from jaxvision.models.mlp import MLP
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.platform import compiler_options

CLASSES = ["class 0", "class 1"]
RATE = 0.05
Points = Float[np.ndarray, "n 2"]
Labels = Int[np.ndarray, " n"]
Batch = dict[str, Array]


class Learned(NamedTuple):
    """Functions of points [m, 2]: of the start with the smallest loss, and of all starts."""

    logits: Callable
    sums: Callable  # [m, units], of the hidden units
    of_all: Callable  # logits [starts, m, 2]


def step_of(model: nn.Module, optimizer: optax.GradientTransformation, batch: Batch) -> Callable:
    """(parameters, optimizer state) -> the next, with the gradient of all examples."""

    def loss(params):
        logits, _ = model.apply({"params": params}, batch["image"], train=True)
        return categorical_cross_entropy(logits, batch["label"]).mean()

    def step(carry, _=None):
        params, opt_state = carry
        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    return step


def train(model: nn.Module, batch: Batch, steps: int, rate: float, keys: Key[Array, " starts"]):
    """Parameters [starts, ...] after so many steps of Adam, in one program."""
    optimizer = optim.adam(optim.schedules.cosine(rate, steps))

    def one(key, batch):
        step = step_of(model, optimizer, batch)
        params = model.init(key, batch["image"][:1], train=False)["params"]
        carry = params, optimizer.init(params)
        return lax.scan(lambda carry, _: (step(carry), None), carry, length=steps)[0][0]

    every = jax.vmap(one, in_axes=(0, None))
    if len(keys) == 1:  # convolutions with weights of several starts are slower

        def every(keys, batch):
            return jax.tree.map(lambda a: a[None], one(keys[0], batch))

    return jax.jit(every, compiler_options=compiler_options())(keys, batch)


def as_batch(images: np.ndarray, labels: np.ndarray) -> Batch:
    return {"image": jnp.asarray(images, jnp.float32), "label": jnp.asarray(labels)}


def learn(
    model: nn.Module, points: Points, labels: Labels, steps: int, keys: Key[Array, " starts"]
) -> Learned:
    batch = as_batch(points[:, None, None], labels)
    params = train(model, batch, steps, RATE, keys)

    @jax.jit
    def of_all(points):
        images = points[:, None, None]
        return jax.vmap(lambda p: model.apply({"params": p}, images, train=False)[0])(params)

    losses = [categorical_cross_entropy(logits, batch["label"]).mean() for logits in of_all(points)]
    best = int(np.argmin(losses))

    def sums(points):
        hidden = jax.tree.map(lambda a: a[best], params["hidden1"])
        return points @ hidden["kernel"] + hidden["bias"][None]

    return Learned(lambda points: of_all(points)[best], sums, of_all)


def accuracies(learned: Learned, points: Points, labels: Labels) -> Float[np.ndarray, " starts"]:
    logits = np.asarray(learned.of_all(points.astype(np.float32)))
    return np.mean(np.argmax(logits, axis=-1) == labels[None], axis=1)


def perceptron(hidden: int) -> MLP:
    wide = nn.initializers.normal(1.0)  # lines in all directions, near the points
    return MLP(2, widths=(hidden,), activation=nn.tanh, kernel_init=wide)


def decide(steps: int, starts: int, seed: int, out: Path) -> dict[str, Any]:
    """(a) Decision regions; of all starts the median accuracies."""
    keys = jax.random.split(jax.random.key(seed), starts)
    random = np.random.default_rng(seed)
    blobs = make_blobs(60, centers=[(-1, -1), (1.2, 1)], cluster_std=0.6, random_state=seed)
    line = learn(LogisticRegression(2), *blobs, steps, keys)
    plot_decision_regions({"Perceptron": line.logits}, *blobs, CLASSES).savefig(
        out / "separable.png"
    )

    corners = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], 15, axis=0)
    xor = corners + 0.12 * random.normal(size=corners.shape), corners.sum(axis=1) % 2
    no_line = learn(LogisticRegression(2), *xor, steps, keys)
    two = learn(perceptron(2), *xor, steps, keys)
    plot_decision_regions(
        {"Perceptron": no_line.logits, "2 hidden units": two.logits}, *xor, CLASSES,
        units={"2 hidden units": two.sums},
    ).savefig(out / "xor.png")  # fmt: skip
    return {
        "separable": float(np.median(accuracies(line, *blobs))),
        "xor, perceptron": float(np.median(accuracies(no_line, *xor))),
        "xor, share of starts that solve it": float(np.mean(accuracies(two, *xor) == 1)),
        "moons": fit_moons(steps, keys, seed, random, out),
    }


def fit_moons(
    steps: int, keys: Key[Array, " starts"], seed: int, random: np.random.Generator, out: Path
) -> dict[str, Any]:
    """Too few hidden units, enough, and too many, where one label in ten is wrong."""
    moons = partial(make_moons, noise=0.2)
    points, labels = moons(100, random_state=seed)
    labels = np.where(random.permutation(100) < 10, 1 - labels, labels)
    test = moons(2000, random_state=seed + 2)
    found = {
        f"{hidden} hidden unit{'s'[: hidden - 1]}": learn(
            perceptron(hidden), points, labels, steps, keys
        )
        for hidden in (1, 3, 20)
    }
    few = list(found)[:2]
    plot_decision_regions(
        {title: learned.logits for title, learned in found.items()}, points, labels, CLASSES,
        test=moons(60, random_state=seed + 1), units={title: found[title].sums for title in few},
    ).savefig(out / "moons.png")  # fmt: skip
    return {
        title: {
            "training": float(np.median(accuracies(learned, points, labels))),
            "test": float(np.median(accuracies(learned, *test))),
        }
        for title, learned in found.items()
    }
