"""One training step and one evaluation step, as pure functions compiled once.

    train_step: (state, batch) -> (state, totals)
    eval_step:  (variables, batch) -> (totals, logits)

`totals` are sums over the batch's real examples -- of the loss, of every metric, and of the
examples themselves ("count") -- because only sums add up over batches; `means` divides, once.
"""

from collections.abc import Callable, Mapping
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Num, PyTree

from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.metrics import correct, masked_mean
from jaxvision.train.state import TrainState, Variables

Batch = dict[str, Array]  # "image" [b, h, w, c], "label", "mask" [b]; see jaxvision.data.batches
Outputs = Float[Array, "b ..."]
Loss = Callable[[Outputs, Batch], Float[Array, " b"]]  # one value an example
Metrics = Callable[[Outputs, Batch], dict[str, Array]]  # the same, each under its name
Normalize = Callable[[Num[Array, "b h w c"]], Float[Array, "b h w c"]]
Totals = dict[str, Float[Array, ""]]


def cross_entropy(logits: Outputs, batch: Batch) -> Float[Array, " b"]:
    """The loss of a classifier with integer labels."""
    return categorical_cross_entropy(logits, batch["label"], batch["mask"])


def accuracy(logits: Outputs, batch: Batch) -> dict[str, Array]:
    """The metrics of a classifier: {"accuracy": whether each example's largest logit is right}."""
    return {"accuracy": correct(logits, batch["label"])}


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: Loss = cross_entropy,
    metrics: Metrics = accuracy,
    normalize: Normalize = jnp.float32,
) -> Callable[[TrainState, Batch], tuple[TrainState, Totals]]:
    """Builds the step; the gradient is that of the mean loss over the batch's real examples.

    The state passed in is donated: use the one returned. Totals stay on the device, so whoever
    reads them decides when to wait.

    Args:
        model: see `jaxvision.models`.
        optimizer: ours or any of Optax's.
        loss: one value an example.
        metrics: what else to sum up over the examples; "loss" among them replaces the loss's own.
        normalize: what makes the model's input of a batch's pixels, inside the program.
    """

    @partial(jax.jit, donate_argnames="state")
    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Totals]:
        def objective(params):
            (logits, _), updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                normalize(batch["image"]),
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": jax.random.fold_in(state.key, state.step)},
            )
            losses = loss(logits, batch)
            totals = _totals(losses, metrics(logits, batch), batch["mask"])
            return masked_mean(losses, batch["mask"]), (totals, updated.get("batch_stats", {}))

        gradients, (totals, batch_stats) = jax.grad(objective, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        state = state.replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        return state, totals

    return train_step


def make_eval_step(
    model: nn.Module,
    loss: Loss = cross_entropy,
    metrics: Metrics = accuracy,
    normalize: Normalize = jnp.float32,
) -> Callable[[Variables, Batch], tuple[Totals, Outputs]]:
    """Builds the step that measures and changes nothing; arguments as for `make_train_step`."""

    @jax.jit
    def eval_step(variables: Variables, batch: Batch) -> tuple[Totals, Outputs]:
        logits, _ = model.apply(variables, normalize(batch["image"]), train=False)
        totals = _totals(loss(logits, batch), metrics(logits, batch), batch["mask"])
        return totals, logits

    return eval_step


def means(totals: Mapping[str, float | np.floating | Array]) -> dict[str, float]:
    """Totals, summed over batches already, as means an example."""
    count = float(totals["count"])
    return {name: float(total) / count for name, total in totals.items() if name != "count"}


def _totals(losses: Array, metrics: dict[str, Array], mask: Array) -> Totals:
    def masked_sum(values: PyTree) -> PyTree:
        return jnp.sum(jnp.where(mask, values, 0), dtype=jnp.float32)

    sums = {name: masked_sum(values) for name, values in {"loss": losses, **metrics}.items()}
    return sums | {"count": jnp.sum(mask, dtype=jnp.float32)}
