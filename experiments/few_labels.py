"""Do features of photographs help where labels are few? With photographs, and with digits.

    pip install -e '.[weights]'
    python -m experiments.few_labels                       # the digits that come with scikit-learn
    python -m experiments.few_labels --data tfds:cifar10 --shots 10 50 250 --draws 3

A ridge classifier on the last convolution of VGG-16, which has learned from ImageNet and sees the
images enlarged, against a small network that is trained on the same labels from scratch, with
augmentation. Both are measured on the same test images, and repeated with other labels. It writes a
table and a picture into a new directory.

Seen (jax 0.10.2, 2 CPU cores that other trainings shared; means and 95 %):

    labels a class                  10            50           250
    CIFAR-10   VGG-16      52.6 +- 8.8   66.4 +- 4.8   75.3 +- 0.9    3 draws, 14 min
               LeNet-5     26.8 +- 5.9   37.8 +- 10.7  49.6 +- 2.9

    labels a class                  10            50           120
    digits     VGG-16      93.1 +- 2.7   98.9 +- 0.7   99.8 +- 0.2    5 draws, 5 min
               LeNet-5     94.0 +- 1.1   99.6 +- 0.3   99.9 +- 0.2

What ImageNet taught is worth more than five times as many labels of photographs, and nothing where
digits are told apart: there the small network is ahead with every number of labels, though not by
more than the draws differ.
"""

import dataclasses
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from rich.console import Console

from experiments.command import run_experiment
from jaxvision import augment, optim
from jaxvision.data import load_resident, open_data
from jaxvision.data.folds import stratified_folds
from jaxvision.data.sources import Source
from jaxvision.data.splits import complete_splits
from jaxvision.data.views import Fitted, Subset
from jaxvision.models import make_model
from jaxvision.ops.normalization import normalization_of
from jaxvision.ops.platform import compiler_options
from jaxvision.pretrained import load_pretrained
from jaxvision.train import init_state, make_eval_step, make_train_step
from jaxvision.train import run as files
from jaxvision.train.display import Display
from jaxvision.transfer import (
    cache_folder,
    draw_shots,
    extract_features,
    few_shot_curve,
    plot_few_shot,
    search_ridge,
)
from jaxvision.transfer.few_shot import Learn

BATCH = 64
EVAL_BATCH = 500


@dataclasses.dataclass(frozen=True)
class Config:
    """What to compare.

    Attributes:
        data: digits, folder:PATH or tfds:NAME.
        shots: labels a class.
        draws: of labels, for each number of them.
        pool: so many images a class there are to draw from, at most.
        test: images to measure on, at most.
        model: what is trained from scratch.
        steps: of it, each on 64 images.
        feature: of VGG-16.
        image_size: pixels a side of what VGG-16 sees.
        out: the new directory; by default one under runs/.
    """

    data: str = "digits"
    shots: tuple[int, ...] = (10, 50, 120)
    draws: int = 5
    pool: int = 500
    test: int = 2000
    model: str = "lenet5"
    steps: int = 1500
    feature: str = "relu4_3"
    image_size: int = 64
    out: Path | None = None


SMOKE = Config(shots=(2, 5), draws=2, pool=6, test=50, steps=60, image_size=32)


def parts_of(config: Config) -> tuple[Source, Source]:
    """The images to draw labels of, and those to measure on."""
    dataset = open_data(config.data, channels=3)
    splits = complete_splits(dataset)
    counts = np.bincount(splits.train.labels)
    rows = draw_shots(splits.train.labels, min(config.pool, int(counts.min())), seed=0)
    tested = np.random.default_rng(0).permutation(len(splits.test))[: config.test]
    return Subset(splits.train, rows), Subset(splits.test, np.sort(tested))


def ridge_learner(config: Config, pool: Source, test: Source) -> Learn:
    """Learns a ridge classifier on frozen features, its penalty by cross-validation."""
    network = load_pretrained("vgg16")
    seen, tested = (
        extract_features(
            network.model,
            network.variables,
            Fitted(part, config.image_size, config.image_size),
            config.feature,
            normalize=network.preprocessing.normalize,
            cache=cache_folder(),
        )
        for part in (pool, test)
    )

    def learn(rows, seed):
        labels = pool.labels[rows]
        folds = stratified_folds(labels, min(5, int(np.bincount(labels).min())), seed)
        classifier = search_ridge(seen[rows], labels, len(pool.classes), folds).classifier
        return float(np.mean(np.argmax(classifier(tested), axis=1) == test.labels))

    return learn


def scratch_learner(config: Config, pool: Source, test: Source) -> Learn:
    """Trains the small network, in one program for any number of labels."""
    size = make_model(config.model, None).image_size or 32
    data, tested = (load_resident(Fitted(part, size, size)) for part in (pool, test))
    normalization = normalization_of([data["image"]])
    photographs = config.data != "digits"  # a mirrored digit is none
    changes = [augment.horizontal_flip()] if photographs else []
    changes.append(augment.pad_and_crop(4 if photographs else 2, "reflect"))
    classes = len(pool.classes)
    model = make_model(config.model, classes)
    optimizer = optim.adamw(optim.schedules.cosine(2e-3, config.steps))
    train_step = make_train_step(
        model,
        optimizer,
        normalize=normalization,
        augment=augment.per_example(augment.compose(*changes)),
    )
    eval_step = jax.jit(make_eval_step(model, normalize=normalization))
    most = classes * max(config.shots)

    @partial(jax.jit, compiler_options=compiler_options())
    def train(seed, images, labels, count):
        key = jax.random.key(seed)
        state = init_state(model, optimizer, jnp.zeros((1, *images.shape[1:])), key)

        def step(state, t):
            rows = jax.random.randint(jax.random.fold_in(key, t), (BATCH,), 0, count)
            batch = {"image": images[rows], "label": labels[rows], "mask": jnp.ones(BATCH, bool)}
            return train_step(state, batch)[0], None

        return lax.scan(step, state, jnp.arange(config.steps))[0].eval_variables

    def learn(rows, seed):
        filled = np.resize(rows, most)  # of which only the first are drawn from
        images, labels = data["image"][filled], data["label"][filled]
        variables = train(seed, images, labels, len(rows))
        right = 0.0
        for i in range(0, len(test), EVAL_BATCH):
            batch = {name: x[i : i + EVAL_BATCH] for name, x in tested.items()}
            batch["mask"] = np.ones(len(batch["label"]), bool)
            right += float(eval_step(variables, batch)[0]["accuracy"])
        return right / len(test)

    return learn


def run(config: Config) -> dict[str, Any]:
    """Learns in both ways; returns what `result.json` holds."""
    display, began = Display(Console()), time.monotonic()
    path = config.out or files.make_numbered(Path("runs"), "few_labels")
    path.mkdir(parents=True, exist_ok=True)
    pool, test = parts_of(config)
    curves = {}
    for name, learner in (
        (f"VGG-16's {config.feature}, ridge", ridge_learner),
        (f"{config.model} from scratch", scratch_learner),
    ):
        with display.working(f"learning {config.data}, {name}"):
            learn = learner(config, pool, test)
            curves[name] = few_shot_curve(learn, pool.labels, config.shots, config.draws)
    rows = [
        [name, *(f"{100 * m:.1f} ± {100 * d:.1f}" for m, d in zip(c.mean, c.margin(), strict=True))]
        for name, c in curves.items()
    ]
    display.table("Test accuracy (%), 95 %", ["labels a class", *map(str, config.shots)], rows)
    title = f"{config.data}: accuracy on {len(test)} test images (%)"
    plot_few_shot(curves, title).savefig(path / "curves.png")
    result = {
        "config": dataclasses.asdict(config) | {"out": str(path)},
        "accuracies": {name: curve.accuracies.tolist() for name, curve in curves.items()},
        "test": {"accuracy": float(next(iter(curves.values())).mean[-1])},
        "seconds": round(time.monotonic() - began, 1),
    }
    (path / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    display.note(f"{path}: curves.png, result.json; {result['seconds']} s")
    return result


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
