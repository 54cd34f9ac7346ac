"""Which tasks on the digits help which others, and which do harm?

    python -m experiments.task_affinity

Seven tasks on the same images: which of 0 to 4, which of 5 to 9, even or odd, below 5 or not, with
a loop or not, by how many quarters an image is turned, and labels drawn at random, which can only
be learned by heart. LeNet-5 learns each from all training images. Then its convolutions stay as
they are, and the layers after them learn each task anew, from few examples of each class; so they
do after convolutions that stay as they were drawn. Compared are networks that learn from scratch,
from the same examples and the same initial weights. All of this, from the first training on, is
repeated with other weights and examples. It needs no network and no weights, and writes tables and
a picture into a new directory.

Seen (jax 0.10.2, 2 CPU cores that other work shared, 58 s; 5 examples a class, means of 10 draws,
95 %): each task helps itself, by 9 to 23 points, but of 42 pairs of two tasks only 2 help: loops
help 5 to 9 by 4.0 +- 3.2 points and below 5 by 3.6 +- 3.4. 24 are negative: 0 to 4 costs 5 to 9
8.4 +- 3.5 points, and 5 to 9 costs 0 to 4 9.7 +- 4.1. Most of this is the price of frozen
convolutions, not of what they have learned: as they were drawn they cost 4 to 12 points. Against
these, only random labels do harm, to 5 to 9 (-7.0 +- 6.2; of 42 pairs that do nothing, one is
expected), and loops help 5 to 9 by 16.1 +- 7.0, even or odd 0 to 4 by 13.1 +- 4.0. In the tree,
random labels, 40 % of which are learned by heart, lie beside the initial weights.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from rich.console import Console

from experiments.command import run_experiment
from experiments.transfer_learning import normalize, whole_batch
from jaxvision import optim
from jaxvision.data import digits, load_resident
from jaxvision.data.splits import complete_splits
from jaxvision.data.views import Fitted
from jaxvision.models import make_model
from jaxvision.ops.platform import compiler_options
from jaxvision.train import init_state, make_train_step
from jaxvision.train import run as files
from jaxvision.train.display import Display
from jaxvision.train.step import accuracy, cross_entropy
from jaxvision.transfer import draw_shots, parameters_below, partition
from jaxvision.transfer.affinity import Affinity, ordinal_affinity, task_affinity, task_tree
from jaxvision.transfer.affinity_plot import plot_affinity

Data = dict[str, np.ndarray]  # "image", "label", and "classes": how many the example's task has
MOST = 5  # classes of a task
BATCH = 32  # examples, in the first trainings
FEATURE = "c3"  # the last convolution of LeNet-5
TURNED, AT_RANDOM, DRAWN = "which turn", "random labels", "initial weights"


@dataclasses.dataclass(frozen=True)
class Config:
    """What to compare.

    Attributes:
        shots: examples a class.
        draws: of initial weights and of examples.
        first_steps: of the training of each source, on 32 examples each.
        steps: of each training on few examples, all of them in a batch.
        image_size: pixels a side.
        seed: of the turns and the labels at random.
        out: the new directory; by default one under runs/.
    """

    shots: int = 5
    draws: int = 10
    first_steps: int = 600
    steps: int = 100
    image_size: int = 16
    seed: int = 0
    out: Path | None = None


SMOKE = Config(draws=2, first_steps=40, steps=20)  # what tests/test_experiments.py runs


def answers(digit: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The labels of each task, from 0; -1 for a digit that it does not have."""
    return {
        "0 to 4": np.where(digit < 5, digit, -1),
        "5 to 9": np.where(digit >= 5, digit - 5, -1),
        "even or odd": digit % 2,
        "below 5": digit // 5,
        "has a loop": np.where(np.isin(digit, [0, 6, 8, 9]), 0, 1),
        TURNED: random.integers(0, 4, len(digit)),
        AT_RANDOM: random.integers(0, 5, len(digit)),
    }


def tasks(image_size: int, seed: int) -> dict[str, dict[str, Data]]:
    """The parts of each task, "train" and "test"."""
    random, made = np.random.default_rng(seed), {}
    parts = complete_splits(digits())
    for part, source in (("train", parts.train), ("test", parts.test)):
        data = load_resident(Fitted(source, image_size, image_size))
        for name, labels in answers(data["label"], random).items():
            images, rows = data["image"], labels >= 0
            if name == TURNED:
                pairs = zip(images, labels, strict=True)
                images = np.stack([np.rot90(image, turns) for image, turns in pairs])
            classes = np.full(rows.sum(), labels.max() + 1)
            made.setdefault(name, {})[part] = {
                "image": images[rows],
                "label": labels[rows].astype(np.int32),
                "classes": classes.astype(np.int32),
            }
    return made


def only_classes(function: Callable) -> Callable:
    """`function` of the logits and a batch, without the outputs that an example's task has not.

    So one compiled program learns tasks of two, four and five classes, each as with an output of
    its own: what is left out has neither probability nor gradient.
    """

    def of_classes(logits, batch):
        there = jnp.arange(logits.shape[1])[None] < batch["classes"][:, None]
        return function(jnp.where(there, logits, -1e9), batch)

    return of_classes


def make_learner(model, image, convolutions: list[str]) -> Callable:
    """Returns learn(weights, batches, tested, frozen), compiled.

    It goes through the batches and returns (variables, the losses of the test images, whether they
    are right). With convolutions that are `frozen` it learns the rest of the weights only.
    """
    loss, metrics = only_classes(cross_entropy), only_classes(accuracy)

    @partial(jax.jit, compiler_options=compiler_options())
    def learn(weights, batches, tested, frozen=None):
        optimizer = optim.adam(optim.schedules.cosine(2e-3, len(batches["label"])))
        if frozen is not None:
            weights, _ = partition(weights, lambda name: name not in convolutions)
        key = jax.random.key(0)  # of nothing: LeNet-5 has no randomness but its weights
        state = init_state(model, optimizer, image, key, variables=weights, frozen=frozen)
        step = make_train_step(model, optimizer, loss, metrics, normalize)
        state, _ = lax.scan(lambda state, batch: (step(state, batch)[0], None), state, batches)
        logits, _ = model.apply(state.variables, normalize(tested["image"]), train=False)
        return state.variables, loss(logits, tested), metrics(logits, tested)["accuracy"]

    return learn


def shuffled(data: Data, steps: int, seed: int) -> Data:
    """Batches [steps, 32, ...] of the examples, every one once before any comes twice."""
    random, count, size = np.random.default_rng(seed), len(data["label"]), steps * BATCH
    rows = np.concatenate([random.permutation(count) for _ in range(-(-size // count))])[:size]
    batches = {name: a[rows].reshape(steps, BATCH, *a.shape[1:]) for name, a in data.items()}
    return batches | {"mask": np.ones((steps, BATCH), bool)}


def few(config: Config, data: Data, draw: int) -> Data:
    """The same batch [steps, ...] in every step: `shots` examples a class, the rest masked."""
    rows = draw_shots(data["label"], config.shots, draw)
    batch = whole_batch({name: a[rows] for name, a in data.items()}, MOST * config.shots)
    return {name: np.broadcast_to(a, (config.steps, *a.shape)) for name, a in batch.items()}


def measure(config: Config, data: dict[str, dict[str, Data]], display: Display):
    """Learns everything; returns (affinity, ordinal affinities, accuracies as they are written)."""
    model = make_model("lenet5", MOST)
    image = jnp.zeros((1, config.image_size, config.image_size, 1))
    draw_weights = jax.jit(lambda seed: model.init(jax.random.key(seed), image, train=False))
    shapes = jax.eval_shape(draw_weights, 0)
    convolutions = parameters_below(model, shapes, image, FEATURE)
    learn = make_learner(model, image, convolutions)
    counts = {name: len(task["test"]["label"]) for name, task in data.items()}
    tested = {name: whole_batch(task["test"], max(counts.values())) for name, task in data.items()}
    sources, targets = [*data, DRAWN], [name for name in data if name != AT_RANDOM]

    first = np.empty((len(data), config.draws))
    scratch = np.empty((len(targets), config.draws))
    transferred = np.empty((len(sources), len(targets), config.draws))
    losses = [np.empty((len(sources), config.draws, counts[name])) for name in targets]
    for draw in range(config.draws):
        weights = draw_weights(draw)
        variables = {DRAWN: weights}
        for s, (name, task) in enumerate(data.items()):
            with display.working(f"draw {draw + 1} of {config.draws}: learning {name}"):
                batches = shuffled(task["train"], config.first_steps, draw)
                variables[name], _, right = learn(weights, batches, tested[name])
                first[s, draw] = np.mean(right[: counts[name]])
        frozen = {
            name: partition(variables[name], lambda name: name in convolutions).learning
            for name in sources
        }
        for t, target in enumerate(targets):
            with display.working(f"draw {draw + 1} of {config.draws}: from few, {target}"):
                given = weights, few(config, data[target]["train"], draw), tested[target]
                scratch[t, draw] = np.mean(learn(*given)[2][: counts[target]])
                for s, source in enumerate(sources):
                    _, lost, right = learn(*given, frozen[source])
                    losses[t][s, draw] = lost[: counts[target]]
                    transferred[s, t, draw] = np.mean(right[: counts[target]])
    # A test image counts once in each draw: those who compete had the same examples to learn from.
    ordinal = [ordinal_affinity(lost.reshape(len(sources), 1, -1)) for lost in losses]
    accuracies = {"first": first, "scratch": scratch, "transferred": transferred}
    affinity = task_affinity(sources, targets, transferred, scratch)
    return affinity, np.concatenate(ordinal, axis=1), accuracies


def run(config: Config) -> dict[str, Any]:
    """Trains all; returns what `result.json` holds."""
    display, began = Display(Console()), time.monotonic()
    path = config.out or files.make_numbered(Path("runs"), "affinity")
    path.mkdir(parents=True, exist_ok=True)
    data = tasks(config.image_size, config.seed)
    affinity, ordinal, accuracies = measure(config, data, display)
    show(display, affinity, ordinal, accuracies)
    plot_affinity(affinity, task_tree(ordinal)).savefig(path / "affinity.png")
    result = {
        "sources": affinity.sources,
        "targets": affinity.targets,
        "accuracies": {name: values.tolist() for name, values in accuracies.items()},
        "ordinal": ordinal.tolist(),
        "negative": [transfer._asdict() for transfer in affinity.negatives()],
        "test": {"accuracy": float(accuracies["transferred"].mean())},
        "seconds": round(time.monotonic() - began, 1),
    }
    (path / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    display.note(f"{path}: affinity.png, result.json; {result['seconds']} s")
    return result


def show(
    display: Display, affinity: Affinity, ordinal: np.ndarray, accuracies: dict[str, np.ndarray]
) -> None:
    """Prints what came out, in two tables and in words."""
    columns = ["after", *affinity.targets]
    gains = np.stack([affinity.mean, affinity.margin()], axis=2)
    rows = [
        [name, *(f"{100 * gain:+.0f} ± {100 * margin:.0f}" for gain, margin in row)]
        for name, row in zip(affinity.sources, gains, strict=True)
    ]
    display.table("Gain over learning from scratch, points, 95 %", columns, rows)
    rows = [
        [name, *(f"{100 * share:.0f} %" for share in row)]
        for name, row in zip(affinity.sources, ordinal, strict=True)
    ]
    display.table("Affinity, by the order of the losses", columns, rows)
    for text, part, names in (
        ("from all examples", "first", affinity.sources),
        ("from few, from scratch", "scratch", affinity.targets),
    ):
        means = zip(names, 100 * accuracies[part].mean(axis=1), strict=False)
        display.note(f"{text}: " + ", ".join(f"{name} {mean:.0f} %" for name, mean in means))
    transferred = accuracies["transferred"]
    beside_drawn = task_affinity(affinity.sources, affinity.targets, transferred, transferred[-1])
    worst = {(transfer.source, transfer.target) for transfer in beside_drawn.negatives()}
    negatives = affinity.negatives()
    pairs = sum(source != target for source in affinity.sources for target in affinity.targets)
    display.note(f"negative transfers: {len(negatives)} of {pairs} pairs of two tasks")
    for transfer in negatives:
        harm = (transfer.source, transfer.target) in worst
        display.note(f"  {transfer}" + (f", and worse than after {DRAWN}" if harm else ""))


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
