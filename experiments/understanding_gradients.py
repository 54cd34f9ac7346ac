"""The part of `understanding` that is about derivatives: how they vanish, bend, and what they cost.

(b) The gradient in each layer of deep networks at their start. (c) The largest eigenvalue of the
Hessian during gradient descent (Cohen, Kaur, Li, Kolter & Talwalkar, "Gradient Descent on Neural
Networks Typically Occurs at the Edge of Stability", ICLR 2021, https://arxiv.org/abs/2103.00065,
section 3): on a quadratic with an eigenvalue above 2 / learning_rate the steps grow without bound.
(f) Forward against reverse mode.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from jaxvision.inspect.gradients.curvature import top_eigenvalues
from jaxvision.inspect.gradients.flow import gradient_flow, plot_gradient_flow
from jaxvision.inspect.gradients.modes import jacobian_costs, plot_mode_costs
from jaxvision.inspect.picture import COLORS, Picture, house_style
from jaxvision.models.mlp import MLP
from jaxvision.ops.losses import categorical_cross_entropy

WIDTH = 64
Batch = dict[str, Array]


class ResidualMLP(nn.Module):
    """x_l = x_{l-1} + relu(x_{l-1} W_l + b_l) from the second layer on.

    The variance of W_l is 2 / (depth fan_in): so the sum of all layers is as large as the first.
    """

    depth: int
    width: int

    @nn.compact
    def __call__(self, images: Float[Array, "b h w c"], *, train: bool) -> tuple[Array, dict]:
        del train
        x = images.reshape(len(images), -1)
        x = nn.relu(
            nn.Dense(self.width, kernel_init=nn.initializers.he_normal(), name="hidden1")(x)
        )
        small = nn.initializers.variance_scaling(2 / self.depth, "fan_in", "normal")
        for i in range(2, self.depth + 1):
            x = x + nn.relu(nn.Dense(self.width, kernel_init=small, name=f"hidden{i}")(x))
        return nn.Dense(10, name="head")(x), {}


def vanish(batch: Batch, depth: int, seed: int, out: Path) -> dict[str, float]:
    """(b) The first layer's gradient as a multiple of the last hidden one's."""
    widths = (WIDTH,) * depth
    networks = {
        "sigmoid": MLP(10, widths, nn.sigmoid, nn.initializers.lecun_normal()),
        "ReLU": MLP(10, widths),
        "residual": ResidualMLP(depth, WIDTH),
    }
    order, flows = [*(f"hidden{i + 1}" for i in range(depth)), "head"], {}
    for name, model in networks.items():

        def loss(params, model=model):
            logits, _ = model.apply({"params": params}, batch["image"], train=True)
            return categorical_cross_entropy(logits, batch["label"]).mean()

        params = model.init(jax.random.key(seed), batch["image"][:1], train=False)["params"]
        flows[name] = gradient_flow(jax.jit(jax.grad(loss))(params), order)
    plot_gradient_flow(flows).savefig(out / "vanishing.png")
    return {name: flow["hidden1"] / flow[f"hidden{depth}"] for name, flow in flows.items()}


def sharpen(
    batch: Batch, rates: Sequence[float], steps: int, measured: int, seed: int, out: Path
) -> dict[str, Any]:
    """(c) The largest eigenvalue during gradient descent on squared errors, `measured` times."""
    model = MLP(10, (32, 32), nn.tanh, nn.initializers.lecun_normal())
    images = batch["image"] - batch["image"].mean(axis=0, keepdims=True)
    targets = jax.nn.one_hot(batch["label"], 10)
    start = model.init(jax.random.key(seed), batch["image"][:1], train=False)["params"]

    def loss(params):
        said, _ = model.apply({"params": params}, images, train=True)
        return 0.5 * jnp.sum((said - targets) ** 2, axis=1).mean()

    between, curves = max(1, steps // measured), {}
    for rate in rates:
        descend, params = _descent(loss, rate, between), start
        losses, sharpness = [], []
        for i in range(measured + 1):
            key = jax.random.fold_in(jax.random.key(seed), i)
            sharpness.append(float(top_eigenvalues(key, loss, params, 1, 20).values[0]))
            if i < measured:
                params, some = descend(params)
                losses.append(some)
                if not np.isfinite(some).all():
                    raise ValueError(
                        f"`rates` must not let gradient descent diverge, got {rate} for a largest "
                        f"eigenvalue of {sharpness[0]:.3g} at the start: take those up to twice "
                        "its inverse."
                    )
        curves[rate] = np.concatenate(losses), np.array(sharpness)
    draw_edge(curves, between).savefig(out / "edge.png")
    return {
        f"learning rate {rate:g}": {
            "eigenvalue at the start": float(sharpness[0]),
            "2 / learning rate": 2 / rate,
            "eigenvalue, last quarter": [
                float(f(sharpness[-max(1, len(sharpness) // 4) :])) for f in (np.min, np.max)
            ],
            "steps with a rising loss": int((np.diff(losses) > 0).sum()),
            "steps": len(losses),
            "loss at the end": float(losses[-1]),
        }
        for rate, (losses, sharpness) in curves.items()
    }


def _descent(loss: Callable[[PyTree], Array], rate: float, steps: int) -> Callable:
    """params -> those after so many steps of gradient descent, and the losses before each."""

    def step(params, _):
        value, gradient = jax.value_and_grad(loss)(params)
        return jax.tree.map(lambda p, g: p - rate * g, params, gradient), value

    return jax.jit(lambda params: lax.scan(step, params, length=steps))


@house_style
def draw_edge(curves: dict[float, tuple[np.ndarray, np.ndarray]], between: int) -> Picture:
    """The loss, and the largest eigenvalue beside 2 / learning_rate, a colour for each rate."""
    figure = Picture(figsize=(10.6, 3.9))
    left, right = (figure.place(0.85 + 5.2 * i, 0.65, 4.3, 2.45) for i in range(2))
    for color, (rate, (losses, sharpness)) in zip(COLORS, curves.items(), strict=False):
        left.plot(losses, lw=1.6, color=color, label=f"learning rate {rate:g}")
        places = between * np.arange(len(sharpness))
        right.plot(places, sharpness, "o-", ms=4, lw=1.6, color=color)
        right.axhline(2 / rate, color=color, lw=1.2, ls="--")
    left.set(yscale="log", xlabel="step")
    left.set_title("Loss", loc="left")
    right.set(xlabel="step", ylim=(0, None))
    right.set_title("Largest eigenvalue; dashed: 2 / learning rate", loc="left")
    figure.legend(
        *left.get_legend_handles_labels(), loc="upper left", ncols=3, frameon=False,
        bbox_to_anchor=(0.06, 1),
    )  # fmt: skip
    return figure


def count_costs(sizes: Sequence[int], seed: int, out: Path) -> dict[str, float]:
    """(f) What a Jacobian costs in reverse mode, as a multiple of forward mode."""

    def costs(inputs: int, outputs: int):
        shapes = (inputs, WIDTH), (WIDTH, WIDTH), (WIDTH, outputs)
        keys = jax.random.split(jax.random.key(seed), 3)
        first, second, last = map(jax.random.normal, keys, shapes)
        return jacobian_costs(
            lambda x: jnp.tanh(jnp.tanh(x @ first) @ second) @ last, jnp.zeros(inputs)
        )

    smallest = costs(1, 1)
    by_inputs = [smallest, *(costs(n, 1) for n in sizes)]
    by_outputs = [smallest, *(costs(1, n) for n in sizes)]
    plot_mode_costs(by_inputs, by_outputs).savefig(out / "modes.png")
    return {
        f"{c.inputs} to {c.outputs}": c.reverse / c.forward for c in (by_inputs[-1], by_outputs[-1])
    }
