"""Does what LeNet-5 has learned of the digits 0 to 4 help with 5 to 9?

    python -m experiments.transfer_learning

It trains on all images of 0 to 4, and then learns 5 to 9 from 1, 2, 5, 10 and 20 examples of
each, in four ways: from scratch; with the whole network going on from where it was; with its
convolutions frozen; and with a ridge classifier on what these see. Each is repeated with other
examples. It needs no network and no weights, and writes a table and a picture into a new directory.

Seen (jax 0.10.2, 2 CPU cores that other work shared, 35 s; means of 5 draws, 95 %): from 2 examples
80 +- 7 % fine-tuned, 73 +- 12 % from scratch; from 20, 94 +- 3 and 95 +- 1 %. Five digits are soon
learned: the intervals of these two overlap everywhere, so five draws do not tell whether it helps.
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
from jaxvision import optim
from jaxvision.data import ResidentFeed, digits, load_resident
from jaxvision.data.folds import stratified_folds
from jaxvision.data.splits import complete_splits
from jaxvision.data.views import Fitted
from jaxvision.models import make_model
from jaxvision.ops.platform import compiler_options
from jaxvision.train import evaluate, fit, init_state, make_eval_step, make_train_step
from jaxvision.train import run as files
from jaxvision.train.display import Display
from jaxvision.transfer import (
    FewShot,
    few_shot_curve,
    fit_ridge,
    parameters_below,
    partition,
    plot_few_shot,
    replace_head,
    search_ridge,
)
from jaxvision.transfer.few_shot import Learn

Data = dict[str, np.ndarray]  # "image" and "label"
FIRST = range(5)  # the classes of the first task; the second has the others
FEATURE = "c3"  # the last convolution of LeNet-5


@dataclasses.dataclass(frozen=True)
class Config:
    """What to compare.

    Attributes:
        shots: examples a class.
        draws: of examples, for each number of them.
        epochs: of the first training.
        steps: of each training on few examples, all of them in a batch.
        image_size: pixels a side.
        seed: of the first training.
        out: the new directory; by default one under runs/.
    """

    shots: tuple[int, ...] = (1, 2, 5, 10, 20)
    draws: int = 5
    epochs: int = 12
    steps: int = 100
    image_size: int = 16
    seed: int = 0
    out: Path | None = None


SMOKE = Config(shots=(2, 5), draws=2, epochs=3, steps=20)  # what tests/test_experiments.py runs


def normalize(images):
    return images.astype(jnp.float32) / 128 - 1


def tasks(image_size: int) -> tuple[dict[str, Data], dict[str, Data]]:
    """The parts of the two tasks, "train", "validation" and "test", each with labels from 0."""
    parts = complete_splits(digits())._asdict()
    first, second = {}, {}
    for name, part in parts.items():
        data = load_resident(Fitted(part, image_size, image_size))
        of_first = np.isin(data["label"], FIRST)
        for task, rows, shift in ((first, of_first, 0), (second, ~of_first, len(FIRST))):
            task[name] = {"image": data["image"][rows], "label": data["label"][rows] - shift}
    return first, second


def whole_batch(data: Data, size: int) -> Data:
    """All examples as a batch of `size`, the rest of it masked."""
    filled = {
        name: np.concatenate([a, np.zeros((size - len(a), *a.shape[1:]), a.dtype)])
        for name, a in data.items()
    }
    return filled | {"mask": np.arange(size) < len(data["label"])}


def pretrain(config: Config, task: dict[str, Data]):
    """LeNet-5 trained on a task; returns (model, variables, test accuracy)."""
    model, optimizer = make_model("lenet5", len(FIRST)), optim.adam(2e-3)
    eval_step = make_eval_step(model, normalize=normalize)
    train = ResidentFeed(task["train"], 32, seed=config.seed)
    validation, test = (
        ResidentFeed(task[name], len(task[name]["label"]), seed=None)
        for name in ("validation", "test")
    )
    shape = (1, *task["train"]["image"].shape[1:])
    state = init_state(model, optimizer, jnp.zeros(shape), jax.random.key(config.seed))
    train_step = make_train_step(model, optimizer, normalize=normalize)
    state, _ = fit(state, train_step, eval_step, train, validation, epochs=config.epochs)
    return model, state.variables, evaluate(state.variables, eval_step, test)["accuracy"]


def network_learner(config: Config, model, begin: Callable, train: Data, test: Data) -> Learn:
    """Learns by steps of Adam on all rows at once, in one program for any number of them.

    Args:
        begin: (optimizer, key) -> the state.
    """
    most = len(np.unique(train["label"])) * max(config.shots)
    optimizer = optim.adam(optim.schedules.cosine(2e-3, config.steps))
    train_step = make_train_step(model, optimizer, normalize=normalize)
    eval_step = make_eval_step(model, normalize=normalize)
    tested = whole_batch(test, len(test["label"]))

    @partial(jax.jit, compiler_options=compiler_options())
    def learn_and_test(seed, batch, tested):
        state = begin(optimizer, jax.random.key(seed))
        state, _ = lax.scan(
            lambda state, _: (train_step(state, batch)[0], None), state, length=config.steps
        )
        totals, _ = eval_step(state.eval_variables, tested)
        return totals["accuracy"] / totals["count"]

    def learn(rows, seed):
        batch = whole_batch({name: a[rows] for name, a in train.items()}, most)
        return float(learn_and_test(seed, batch, tested))

    return learn


def ridge_learner(model, variables, train: Data, test: Data) -> Learn:
    """Learns a ridge classifier on the features, the penalty by cross-validation if it can be."""
    classes = len(np.unique(train["label"]))
    seen, tested = (
        np.asarray(
            model.apply(variables, normalize(jnp.asarray(data["image"])), train=False)[1][FEATURE]
        ).reshape(len(data["label"]), -1)
        for data in (train, test)
    )

    def learn(rows, seed):
        labels = train["label"][rows]
        shots = len(rows) // classes
        if shots == 1:
            classifier = fit_ridge(seen[rows], labels, classes)
        else:
            folds = stratified_folds(labels, min(5, shots), seed)
            classifier = search_ridge(seen[rows], labels, classes, folds).classifier
        return float(np.mean(np.argmax(classifier(tested), axis=1) == test["label"]))

    return learn


def learners(config: Config, model, variables, train: Data, test: Data) -> dict[str, Learn]:
    """The four ways, by name."""
    classes = len(np.unique(train["label"]))
    image = jnp.zeros((1, *train["image"].shape[1:]))

    def with_new_head(key):
        return replace_head(model, variables, classes, image, key)[1]

    other = model.clone(num_classes=classes)

    def scratch(optimizer, key):
        return init_state(other, optimizer, image, key)

    def fine_tuned(optimizer, key):
        return init_state(other, optimizer, image, key, variables=with_new_head(key))

    def frozen(optimizer, key):
        learning, rest = partition(with_new_head(key), lambda name: name not in convolutions)
        return init_state(other, optimizer, image, key, variables=learning, frozen=rest)

    convolutions = set(parameters_below(model, variables, image, FEATURE))
    begins = {"from scratch": scratch, "fine-tuned": fine_tuned, "convolutions frozen": frozen}
    networks = {
        name: network_learner(config, other, begin, train, test) for name, begin in begins.items()
    }
    return networks | {"ridge on the convolutions": ridge_learner(model, variables, train, test)}


def run(config: Config) -> dict[str, Any]:
    """Trains all; returns what `result.json` holds."""
    display, began = Display(Console()), time.monotonic()
    path = config.out or files.make_numbered(Path("runs"), "transfer")
    path.mkdir(parents=True, exist_ok=True)
    first, second = tasks(config.image_size)
    train, test = second["train"], second["test"]
    with display.working("learning 0 to 4"):
        model, variables, accuracy = pretrain(config, first)
    display.note(f"0 to 4: {100 * accuracy:.2f} % of {len(first['test']['label'])} test images")
    curves: dict[str, FewShot] = {}
    for name, learn in learners(config, model, variables, train, test).items():
        with display.working(f"learning 5 to 9, {name}"):
            labels = train["label"]
            curves[name] = few_shot_curve(learn, labels, config.shots, config.draws)
    show(display, curves)
    title = f"5 to 9, after 0 to 4: accuracy on {len(test['label'])} test images (%)"
    plot_few_shot(curves, title).savefig(path / "curves.png")
    result = {
        "first": {"accuracy": accuracy},
        "shots": list(config.shots),
        "accuracies": {name: curve.accuracies.tolist() for name, curve in curves.items()},
        "test": {"accuracy": float(curves["fine-tuned"].mean[-1])},
        "seconds": round(time.monotonic() - began, 1),
    }
    (path / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    display.note(f"{path}: curves.png, result.json; {result['seconds']} s")
    return result


def show(display: Display, curves: dict[str, FewShot]) -> None:
    shots = next(iter(curves.values())).shots
    rows = [
        [name, *(f"{100 * m:.0f} ± {100 * d:.0f}" for m, d in zip(c.mean, c.margin(), strict=True))]
        for name, c in curves.items()
    ]
    display.table("Test accuracy (%), 95 %", ["examples a class", *map(str, shots)], rows)


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
