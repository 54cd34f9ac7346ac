"""LeNet-5 on the digits with every optimizer, rate and seed: one compiled program.

A rate is a traced array, so an optimizer is traced once for its whole grid. A *lane* is one
training: a rate and a seed. A lane whose loss does not stay finite counts as accuracy 0 and stops
nobody. Alrao has no rate, so its only lanes are the seeds; its last layer is the averaged one of
`jaxvision.optim.alrao_head`, without which it is not Alrao.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from jaxvision import optim
from jaxvision.data import ResidentFeed, complete_splits, digits, load_resident
from jaxvision.data.views import Fitted
from jaxvision.inspect.picture import SMALL, Picture, house_style
from jaxvision.models.lenet import LeNet5
from jaxvision.ops.metrics import correct
from jaxvision.ops.normalization import normalization_of
from jaxvision.train.state import TrainState, init_state
from jaxvision.train.step import make_train_step

SIZE = 16  # pixels a side: twice the digits' own 8, and the smallest that LeNet-5 takes
CLOSE = 0.02  # of the accuracy: as good as the best rate
COPIES = 10  # of Alrao's last layer, as in the paper
# For SGD the paper's interval, for any problem; for Adam ours, two decades to either side of its
# usual 1e-3. Both were fixed before the first run.
ALRAO = {
    "alrao_sgd": (optax.identity, 1e-5, 10.0),
    "alrao_adam": (optim.scale_by_adam, 1e-5, 1e-1),
}


class Problem(NamedTuple):
    """What all lanes share."""

    train: dict[str, Array]  # {"image": uint8 [n, 16, 16, 1], "label": [n]}
    validation: dict[str, Array]
    test: dict[str, Array]
    handles: PyTree  # of each seed's batches, [seeds, steps, b]
    keys: Array  # [seeds]


def load_problem(epochs: int, batch_size: int, seeds: int) -> tuple[Problem, Callable, Callable]:
    """The digits in 60 % to train, 20 % to choose the rate and 20 % to test.

    Returns:
        (the problem, `ResidentFeed.gather`, the normalisation by the training part).
    """
    splits = complete_splits(digits(), validation_fraction=0.2, test_fraction=0.2)
    parts = [load_resident(Fitted(part, SIZE, SIZE)) for part in splits]
    feeds = [ResidentFeed(parts[0], batch_size, seed=seed) for seed in range(seeds)]
    of_seeds = [
        jax.tree.map(lambda *a: jnp.concatenate(a), *map(feed.stacked_handles, range(epochs)))
        for feed in feeds
    ]
    handles = jax.tree.map(lambda *a: jnp.stack(a), *of_seeds)
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    problem = Problem(*jax.device_put(parts), handles, keys)
    return problem, feeds[0].gather, normalization_of([parts[0]["image"]])


def train_grid(
    optimizers: dict[str, Callable],
    alrao: Sequence[str],
    rates: Float[np.ndarray, " rates"],
    *,
    epochs: int,
    batch_size: int,
    seeds: int,
    together: int | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Trains every lane of every optimizer in one call of one compiled program.

    Args:
        optimizers: `learning_rate -> optimizer`, by name.
        alrao: which of `ALRAO` beside them.
        together: lanes that run at once, under `vmap`; None for one after another. On 2 CPU cores
            a step of a lane takes 3.9 ms one after another, 4.3 ms with all 8 of a trial under
            `vmap` and 4.0 ms in chunks of 4: `vmap` over weights makes the convolutions grouped
            ones. (On the CPU images of 32 x 32 would cost 50 to 70 ms either way.) An accelerator
            wants hundreds.

    Returns:
        {"finite", "validation", "test"} of each: whether the loss stayed finite, and the
        accuracies, [rates, seeds], of Alrao [1, seeds].
    """
    problem, gather, normalize = load_problem(epochs, batch_size, seeds)
    # A bounded activation, because the authors of Alrao ask for one (or for batch normalisation).
    # Both were tried: with ReLU Alrao on SGD had 79 to 93 % in validation, with tanh 92 to 94 %.
    model, body = (LeNet5(num_classes=n, activation=jnp.tanh) for n in (10, None))

    def train_one(make, problem, initial, lane):
        rate, seed = lane
        optimizer, params = make(rate), _of_seed(initial, seed)
        step = make_train_step(model, optimizer, normalize=normalize)
        count, key = jnp.zeros([], jnp.int32), problem.keys[seed]
        state = TrainState(count, params, {}, optimizer.init(params), key)

        def train(state, handle):
            state, totals = step(state, gather(problem.train, handle))
            return state, totals["loss"] / totals["count"]

        state, losses = jax.lax.scan(train, state, _of_seed(problem.handles, seed))
        return _measures(
            problem, losses, lambda images: model.apply(state.variables, images, train=False)[0]
        )

    def train_alrao(direction, eta_min, eta_max, problem, initial, seed):
        rates_key, heads_key = jax.random.split(jax.random.fold_in(problem.keys[seed], 1))
        rates = {
            "body": optim.scale_by_random_rates(rates_key, eta_min, eta_max),
            "heads": optim.scale_by_head_rates(eta_min, eta_max),
        }
        rates = optax.partition(rates, {"body": "body", "heads": "heads"})
        optimizer = optax.chain(direction(), rates, optim.descend(1.0))
        layers = _of_seed(initial, seed)
        width, classes = layers.pop("output")["kernel"].shape
        params = {
            "body": layers,
            "heads": optim.init_heads(heads_key, width, classes, COPIES),
        }

        def train(carry, handle):
            params, opt_state, switch = carry
            batch = gather(problem.train, handle)

            def objective(params):
                images = normalize(batch["image"])
                features, _ = body.apply({"params": params["body"]}, images, train=True)
                losses, log_likelihoods = optim.alrao_losses(
                    params["heads"], switch.log_weights, features, batch["label"], batch["mask"]
                )
                return losses.sum() / batch["mask"].sum(), log_likelihoods

            value_and_grad = jax.value_and_grad(objective, has_aux=True)
            (loss, log_likelihoods), gradients = value_and_grad(params)
            updates, opt_state = optimizer.update(gradients, opt_state, params)
            params = optax.apply_updates(params, updates)
            return (params, opt_state, optim.switch_update(switch, log_likelihoods)), loss

        carry = params, optimizer.init(params), optim.switch_init(COPIES)
        (params, _, switch), losses = jax.lax.scan(train, carry, _of_seed(problem.handles, seed))

        def predict(images):
            features, _ = body.apply({"params": params["body"]}, images, train=False)
            return optim.mixture_log_probabilities(params["heads"], switch.log_weights, features)

        return _measures(problem, losses, predict)

    def _measures(problem, losses, predict):
        held_out = problem.validation, problem.test
        images, labels = (jnp.concatenate([p[k] for p in held_out]) for k in ("image", "label"))
        right = correct(predict(normalize(images)), labels)
        validation, test = jnp.split(right, [len(problem.validation["label"])])
        finite = jnp.isfinite(losses).all()
        return {
            "finite": finite,
            "validation": jnp.where(finite, validation.mean(), 0.0),
            "test": jnp.where(finite, test.mean(), 0.0),
        }

    @jax.jit
    def grid(problem, rates):
        def draw(key):
            return init_state(model, optax.identity(), jnp.zeros((1, SIZE, SIZE, 1)), key).params

        initial = jax.lax.map(draw, problem.keys)
        each_seed = jnp.arange(seeds)
        lanes = jnp.repeat(rates, seeds), jnp.tile(each_seed, len(rates))
        over_lanes = partial(jax.lax.map, batch_size=together)
        results = {
            name: over_lanes(partial(train_one, make, problem, initial), lanes)
            for name, make in optimizers.items()
        }
        results |= {
            name: over_lanes(partial(train_alrao, *ALRAO[name], problem, initial), each_seed)
            for name in alrao
        }
        return jax.tree.map(lambda a: a.reshape(-1, seeds), results)

    results = jax.device_get(grid(problem, jnp.asarray(rates, jnp.float32)))
    return {name: results[name] for name in (*optimizers, *alrao)}  # as asked for, not sorted


def _of_seed(tree, seed):
    return jax.tree.map(lambda a: a[seed], tree)


def summarize(
    rates: Float[np.ndarray, " rates"] | None, measured: dict[str, np.ndarray]
) -> dict[str, Any]:
    """An optimizer's row of the table; `rates` is None for Alrao, which has none.

    The best rate has the highest median over the seeds in validation, of equal ones the highest
    mean, and then it is the lowest.

    Returns:
        "rate" and "validation": the best rate, and that median;
        "test": the accuracies at that rate: the lowest, the median, the highest;
        "blind": the median over all rates of the median test accuracy;
        "decades": the rates within `CLOSE` of the best in validation, times the distance between
        neighbours in decades;
        "open": whether the grid ends at one of them, so that there may be more outside.
    """
    medians, means = (f(measured["validation"], axis=1) for f in (np.median, np.mean))
    best = max(range(len(medians)), key=lambda i: (medians[i], means[i]))
    close = medians >= medians[best] - CLOSE
    tests = measured["test"]
    return {
        "rate": None if rates is None else float(rates[best]),
        "validation": float(medians[best]),
        "test": [float(f(tests[best])) for f in (np.min, np.median, np.max)],
        "blind": float(np.median(np.median(tests, axis=1))),
        "decades": None if rates is None else float(close.sum() * np.log10(rates[1] / rates[0])),
        "open": bool(close[0] or close[-1]),
    }


@house_style
def draw_grid(
    rates: Float[np.ndarray, " rates"],
    grid: dict[str, dict[str, np.ndarray]],
    table: dict[str, dict],
) -> Picture:
    """A panel an optimizer: its accuracy against the rate, all others in grey, Alrao's level."""
    names, columns = [name for name in grid if name not in ALRAO], 5
    rows = -(-len(names) // columns)
    width, height, gap = 1.95, 1.45, 0.5
    across, up = 0.75 + columns * (width + 0.22), 1.2 + rows * (height + gap)
    figure = Picture(figsize=(across, up - 0.2), dpi=100)
    curves = {name: 100 * np.median(grid[name]["validation"], axis=1) for name in names}
    for i, name in enumerate(names):
        row, column = divmod(i, columns)
        bottom = 1.0 + (rows - 1 - row) * (height + gap)
        axes = figure.place(0.7 + column * (width + 0.22), bottom, width, height)
        for other in names:
            axes.semilogx(rates, curves[other], color="0.85", lw=0.9, zorder=1)
        for alrao, dashes in zip(ALRAO, ("--", ":"), strict=True):
            if alrao in table:
                level = 100 * table[alrao]["validation"]
                axes.axhline(level, color="#D55E00", ls=dashes, lw=1.3, zorder=2, label=alrao)
        seeds = 100 * grid[name]["validation"]
        axes.fill_between(
            rates, seeds.min(axis=1), seeds.max(axis=1), color="#56B4E9", alpha=0.4, lw=0, zorder=2
        )
        axes.semilogx(rates, curves[name], color="#0072B2", lw=1.8, zorder=3)
        best = table[name]
        point = best["rate"], 100 * best["validation"]
        axes.plot(*point, "o", ms=6, mec="white", color="#0072B2", zorder=4)
        axes.annotate(
            f"{best['rate']:.2g}", point, (0, -19), textcoords="offset points", ha="center",
            color="#0072B2", weight="bold", fontsize=SMALL,
        )  # fmt: skip
        axes.set_title(name, loc="left", fontsize=11)
        axes.set(xlim=(rates[0], rates[-1]), ylim=(0, 103))
        axes.set_xticks([r for r in (1e-3, 1e-1, 10) if rates[0] <= r <= rates[-1]])
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_yticks([0, 50, 100], [] if column else ["0", "50", "100 %"])
    figure.legend(
        *axes.get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(0.99, 0.02),
        frameon=False, borderpad=0, fontsize=SMALL,
    )  # fmt: skip
    figure.text(
        0.01, 0.03, "Validation accuracy against the learning rate: the median of the seeds, their "
        "range,\nthe best rate; in grey the other optimizers.", fontsize=SMALL,
    )  # fmt: skip
    return figure


def grid_table(table: dict[str, dict]) -> str:
    """Markdown: a row an optimizer, the best in the test first."""
    lines = [
        "| optimizer | best rate | validation | test | any rate | decades |",
        "| --- |" + " ---: |" * 5,
    ]
    for name, row in sorted(table.items(), key=lambda pair: -pair[1]["test"][1]):
        rate, decades, blind = "none", "", ""
        if row["rate"] is not None:
            rate, blind = f"{row['rate']:.2g}", f"{100 * row['blind']:.1f} %"
            decades = f"{'at least ' if row['open'] else ''}{row['decades']:.1f}"
        low, median, high = (f"{100 * value:.1f}" for value in row["test"])
        lines.append(
            f"| {name} | {rate} | {100 * row['validation']:.1f} % | {median} ({low} to {high}) % "
            f"| {blind} | {decades} |"
        )
    return "\n".join(lines)
