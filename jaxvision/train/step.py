"""One training step and one evaluation step, as pure functions compiled once.

train_step: (state, batch) -> (state, totals)
eval_step:  (variables, batch) -> (totals, outputs)

What goes into the model are the batch's images, or with `inputs` what else it has, as a detector
that looks at its boxes while it learns; what comes out is one array, or a tree of them.

`totals` are sums over the batch's real examples -- of the loss, of every metric, and of the
examples themselves ("count") -- because only sums add up over batches; `means` divides, once.

A step whose loss, gradient, update or batch statistics are not finite is left out: state.step goes
on and nothing else does, no example of it counts, and its total "skipped" is 1. Whoever runs the
steps decides how many may be left out (`train.epoch`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Bool, Float, Key, Num, PyTree

from jaxvision.ops.batch_norm import FROZEN
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.metrics import correct
from jaxvision.optim import Scalar, move_average
from jaxvision.train.state import TrainState, Variables, combine

Batch = dict[str, Array]  # "image" [b, h, w, c], "label", "mask" [b]; see jaxvision.data.batches
Logits = Float[Array, "b ..."]
Outputs = PyTree[Array]  # logits, or a tree of arrays [b, ...]
Loss = Callable[[Outputs, Batch], Float[Array, " b"]]  # one value an example
Metrics = Callable[[Outputs, Batch], dict[str, Array]]  # the same, each under its name
Normalize = Callable[[Num[Array, "b h w c"]], Float[Array, "b h w c"]]
Augment = Callable[[Key[Array, ""], Batch], Batch]  # see jaxvision.augment
View = Callable[[Float[Array, "b h w c"]], Float[Array, "b h w c"]]
Inputs = Callable[[Float[Array, "b ..."], Batch], PyTree]  # normalised images, batch -> inputs
Answer = Callable[[Outputs], Outputs]
Totals = dict[str, Float[Array, ""]]
NOT_MEANS = ("count", "skipped")  # totals that are counts themselves


def cross_entropy(logits: Logits, batch: Batch) -> Float[Array, " b"]:
    """The loss of a classifier's logits, with labels that are integers or distributions."""
    return categorical_cross_entropy(logits, batch["label"], batch["mask"])


def accuracy(logits: Logits, batch: Batch) -> dict[str, Array]:
    """A classifier's metrics: {"accuracy": whether the largest of an example's logits is right}."""
    return {"accuracy": correct(logits, batch["label"])}


def only_images(images: Float[Array, "b ..."], batch: Batch) -> Float[Array, "b ..."]:
    """The inputs of a model of images, or of what a frozen network has seen in them."""
    del batch
    return images


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: Loss = cross_entropy,
    metrics: Metrics = accuracy,
    normalize: Normalize = jnp.float32,
    *,
    inputs: Inputs = only_images,
    augment: Augment | None = None,
    accumulate: int = 1,
    average_decay: Scalar = 0.999,
    gather: Callable[[PyTree], PyTree] = lambda params: params,
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
        inputs: what the model is given, if it is more than these images. It may draw from the
            random stream "dropout".
        augment: changes a batch before that, at random: another key in every step.
        accumulate: the batch is gone through in so many parts, of which only one at a time needs
            memory. The gradient is the same; batch statistics are those of the parts.
        average_decay: of the average of the variables, if `init_state` was asked for one
            (`jaxvision.optim.ema_corrected` has the equation).
        gather: what the parameters pass through before the model sees them, see `train.mesh`.

    Raises:
        ValueError: if `accumulate` is less than 1; while tracing, if it does not divide the batch.
    """
    if accumulate < 1:
        raise ValueError(f"`accumulate` must be at least 1, got {accumulate}.")

    def objective(params, batch_stats, frozen, batch, key, count):
        (outputs, _), updated = model.apply(
            _variables(params, batch_stats, frozen, gather),
            inputs(normalize(batch["image"]), batch),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        if frozen is not None:
            _check_frozen(updated.get("batch_stats", {}), batch_stats)
        losses = loss(outputs, batch)
        totals = _totals({"loss": losses, **metrics(outputs, batch)}, batch["mask"])
        # Divided by the count of the whole batch, of which this may be a part.
        mean = jnp.sum(jnp.where(batch["mask"], losses, 0)) / jnp.maximum(count, 1)
        return mean, (totals, updated.get("batch_stats", {}))

    differentiate = jax.grad(objective, has_aux=True)
    if accumulate > 1:
        differentiate = _in_parts(differentiate, accumulate)

    @partial(jax.jit, donate_argnames="state")
    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Totals]:
        augment_key, dropout_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        if augment is not None:
            batch = augment(augment_key, batch)
        count = jnp.sum(batch["mask"])
        gradients, (totals, batch_stats) = differentiate(
            state.params, state.batch_stats, state.frozen, batch, dropout_key, count
        )
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        new = state.replace(
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        if state.average is not None:
            average = move_average(state.average, new.learning, average_decay)
            new = new.replace(average=average)
        ok = all_finite((totals["loss"], gradients, updates, batch_stats))
        new = _select(ok, new, state).replace(step=state.step + 1)
        totals = _select(ok, totals, jax.tree.map(jnp.zeros_like, totals))
        return new, totals | {"skipped": 1 - ok.astype(jnp.float32)}

    return train_step


def make_eval_step(
    model: nn.Module,
    loss: Loss | None = cross_entropy,
    metrics: Metrics = accuracy,
    normalize: Normalize = jnp.float32,
    *,
    inputs: Inputs = only_images,
    views: Sequence[View] = (),
    answer: Answer = lambda outputs: outputs,
) -> Callable[[Variables, Batch], tuple[Totals, Outputs]]:
    """Builds the step that measures and changes nothing; arguments as for `make_train_step`.

    Args:
        loss: None where there is none without learning, as for a detector that learns from a draw
            of what it proposes.
        views: functions of the normalised images, as `mirrored`: the logits are the mean of those
            of the images and of each view of them.
        answer: what is handed out in place of the outputs, which the loss is of.
    """

    @jax.jit
    def eval_step(variables: Variables, batch: Batch) -> tuple[Totals, Outputs]:
        images = normalize(batch["image"])
        outputs, _ = model.apply(variables, inputs(images, batch), train=False)
        for view in views:
            viewed, _ = model.apply(variables, inputs(view(images), batch), train=False)
            outputs = jax.tree.map(jnp.add, outputs, viewed)
        if views:
            outputs = jax.tree.map(lambda sums: sums / (1 + len(views)), outputs)
        losses = {} if loss is None else {"loss": loss(outputs, batch)}
        totals = _totals({**losses, **metrics(outputs, batch)}, batch["mask"])
        return totals, answer(outputs)

    return eval_step


def mirrored(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Left and right exchanged: the view of a test-time flip."""
    return images[:, :, ::-1]


def means(totals: Mapping[str, float | np.floating | Array]) -> dict[str, float]:
    """Totals, summed over batches already, as means an example; NaN if there was no example.

    >>> means({"loss": 12.0, "accuracy": 30.0, "count": 40.0, "skipped": 0.0})
    {'loss': 0.3, 'accuracy': 0.75}
    """
    count = float(totals["count"])
    return {
        name: float(total) / count if count else float("nan")
        for name, total in totals.items()
        if name not in NOT_MEANS
    }


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether no array in `tree` holds NaN or an infinity."""
    flags = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]
    return jnp.all(jnp.stack(flags))


def _select(ok: Bool[Array, ""], new: PyTree, old: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(ok, a, b), new, old)


def _variables(
    params: PyTree, batch_stats: PyTree, frozen: Variables | None, gather: Callable
) -> Variables:
    """What the model is applied to in training."""
    if frozen is None:
        return {"params": gather(params), "batch_stats": batch_stats}
    return {
        "params": gather(combine(params, frozen["params"])),
        "batch_stats": batch_stats,
        FROZEN: frozen["batch_stats"],
    }


def _check_frozen(updated: PyTree, batch_stats: PyTree) -> None:
    """Refuses layers that have made statistics for themselves where theirs are frozen."""
    names = flatten_dict(updated, sep="/").keys() - flatten_dict(batch_stats, sep="/").keys()
    if names:
        layers = sorted({name.rpartition("/")[0] for name in names})
        raise ValueError(
            f"the statistics of {', '.join(layers)} are frozen, but these layers would normalise "
            "by those of the batch: only `jaxvision.models.layers.BatchNorm` knows of frozen ones. "
            "Use it, or let the parameters of these layers learn."
        )


def _in_parts(differentiate: Callable, parts: int) -> Callable:
    """The same gradient and totals, from one part of the batch after the other."""

    def differentiate_in_parts(params, batch_stats, frozen, batch, key, count):
        def go_on(carry, part):
            gradients, batch_stats = carry
            i, rows = part
            part_key = jax.random.fold_in(key, i)
            new, (totals, batch_stats) = differentiate(
                params, batch_stats, frozen, rows, part_key, count
            )
            return (jax.tree.map(jnp.add, gradients, new), batch_stats), totals

        start = jax.tree.map(jnp.zeros_like, params), batch_stats
        numbered = jnp.arange(parts), _split(batch, parts)
        (gradients, batch_stats), totals = jax.lax.scan(go_on, start, numbered)
        return gradients, (jax.tree.map(lambda x: jnp.sum(x, axis=0), totals), batch_stats)

    return differentiate_in_parts


def _split(batch: Batch, parts: int) -> Batch:
    """A batch as `parts` smaller ones, with a leading axis of parts."""
    b = batch["mask"].shape[0]
    if b % parts:
        raise ValueError(
            f"`accumulate` must divide the batch size, {b}, got {parts}: choose a multiple of it."
        )
    # Every `parts`-th row, not neighbours: rows that lie on one device then stay there.
    return jax.tree.map(lambda x: jnp.moveaxis(x.reshape(-1, parts, *x.shape[1:]), 1, 0), batch)


def _totals(values: dict[str, Array], mask: Array) -> Totals:
    def masked_sum(values: PyTree) -> PyTree:
        return jnp.sum(jnp.where(mask, values, 0), dtype=jnp.float32)

    sums = {name: masked_sum(one) for name, one in values.items()}
    return sums | {"count": jnp.sum(mask, dtype=jnp.float32)}
