"""What do the pictures of the theory look like, of networks that have really been trained?

    python -m experiments.understanding

(a) Decision regions: a perceptron's line; XOR, which has none, and two hidden units with their
lines; 1, 3 and 20 hidden units on two moons with one wrong label in ten, which are too few, enough,
and so many that they learn the wrong ones too.
(b) The gradient in each of 20 layers of sigmoids, of ReLUs, and of residual ones, at the start.
(c) The largest eigenvalue of the Hessian during gradient descent: it rises towards 2 /
learning_rate, and where it gets there it stays, while the loss goes up and down and down.
(d) The loss of a perceptron with 32 hidden units on digits: from its start to its end, on the plane
of its training, and around its end in random directions of its filters' lengths.
(e) Digits on a plane: their pixels, and what the last hidden layer of a trained LeNet makes of
them, by PCA and t-SNE; and what the nearest neighbour and k-means make of both.
(f) What a Jacobian costs in forward and in reverse mode.

A run's directory keeps the pictures (of which `docs/understanding.md` has copies), `result.json`
and the configuration.

Seen (jax 0.10.2, 2 CPU cores that other work shared, 77 to 231 s; seeds 0, 1 and 2; in (a) the
medians of 10 starts):

    (a) XOR: a perceptron 50 to 53 %; two hidden units solve it from 4 to 7 of 10 starts
        moons, training and test: 1 hidden unit 74 to 83 and 82 to 86 %; 3 units 90 to 91 and 89 to
        94 %; 20 units 100 and 81 to 82 %
    (b) the first hidden layer's gradient as a multiple of the last's: sigmoid 7e-13 to 2e-12, ReLU
        0.9 to 1.3, residual 0.25 to 0.47
    (c) in the last quarter of 3,000 steps: 7.0 to 10.1 for a learning rate of 0.2, whose edge is
        10; 6.64 to 6.71 for 0.3 (6.67); 5.01 to 5.11 for 0.4 (5), with 1,032 to 1,105 steps that
        raise the loss
    (d) from 2.4 to 0.11, and no rise on the line between; 97 % of the path's squared distances from
        its end are in one direction, and 3 % in a second
    (e) LeNet 96 to 97 %; nearest neighbour 98 to 99.6 % of pixels, and 96 to 99 % of f6; k-means 74
        to 78 %, and 90 to 96 %: the network has made clusters of the classes, and lost a little
    (f) reverse mode at 256 inputs and 1 output: 0.008 of forward mode; at 1 and 256, 216 times it
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from experiments import understanding_gradients as gradients
from experiments.command import run_experiment
from experiments.understanding_regions import Batch, as_batch, decide, step_of, train
from jaxvision import optim
from jaxvision.data import complete_splits, digits, load_resident
from jaxvision.inspect.pictures.embedding import embed_pca, embed_tsne, plot_embedding
from jaxvision.inspect.pictures.landscape import (
    loss_along_line,
    loss_on_plane,
    path_directions,
    project_path,
    random_direction,
)
from jaxvision.inspect.pictures.plot_landscape import plot_loss_line, plot_loss_plane
from jaxvision.models.lenet import LeNet5
from jaxvision.models.mlp import MLP
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.train import run as files


@dataclasses.dataclass(frozen=True)
class Config:
    """What to learn, and how finely to look.

    Attributes:
        starts: trainings of each network of (a), from other parameters.
        steps: of Adam in (a), on all points at once.
        digit_steps: of gradient descent in (d) and of Adam in (e), on all digits at once.
        places: evaluated a side of a plane of the loss.
        rates: of gradient descent in (c).
        edge_steps: of it.
        measured: how often the eigenvalue is looked at meanwhile.
        sizes: numbers of inputs and of outputs in (f), above 1.
        depth: hidden layers in (b).
        embedded: digits of the test part that are drawn in (e).
        seed: of data and parameters.
        out: the new directory; by default one under runs/.
    """

    starts: int = 10
    steps: int = 3000
    digit_steps: int = 150
    places: int = 41
    rates: tuple[float, ...] = (0.2, 0.3, 0.4)
    edge_steps: int = 3000
    measured: int = 20
    sizes: tuple[int, ...] = (16, 256)
    depth: int = 20
    embedded: int = 500
    seed: int = 0
    out: Path | None = None


SMOKE = Config(  # what tests/test_experiments.py runs
    starts=2,
    steps=20,
    digit_steps=15,
    places=3,
    rates=(0.4,),
    edge_steps=20,
    measured=1,
    sizes=(8,),
    depth=3,
    embedded=60,
)


def load_digits(config: Config) -> tuple[Batch, Batch]:
    """A training and a test part, with pixels in [0, 1]."""
    parts = complete_splits(digits(), validation_fraction=0.1, test_fraction=0.3, seed=config.seed)
    training, _, test = map(load_resident, parts)
    return tuple(as_batch(part["image"] / 255, part["label"]) for part in (training, test))


def descend(model: nn.Module, batch: Batch, rate: float, steps: int, seed: int) -> PyTree:
    """The path [steps + 1, ...] of gradient descent with the gradient of all examples."""
    optimizer = optim.sgd(rate)

    @jax.jit
    def follow(key, batch):
        step = step_of(model, optimizer, batch)
        params = model.init(key, batch["image"][:1], train=False)["params"]
        carry = params, optimizer.init(params)
        _, path = lax.scan(lambda carry, _: (step(carry), carry[0]), carry, length=steps + 1)
        return path

    return follow(jax.random.key(seed), batch)


def look_around(config: Config, out: Path) -> dict[str, Any]:
    """(d) The loss as a landscape."""
    training, test = load_digits(config)
    model = MLP(10, widths=(32,))

    def loss_of(batch):
        def loss(params):
            logits, _ = model.apply({"params": params}, batch["image"], train=False)
            return categorical_cross_entropy(logits, batch["label"]).mean()

        return loss

    loss = loss_of(training)
    path = descend(model, training, 0.5, config.digit_steps, config.seed)
    start, end = (jax.tree.map(lambda leaf, i=i: leaf[i], path) for i in (0, -1))

    at = np.linspace(-0.25, 1.75, 2 * config.places - 1)
    of_parts = {"training": training, "test": test}
    on_line = {
        name: loss_along_line(loss_of(batch), start, end, at) for name, batch in of_parts.items()
    }
    plot_loss_line(at, on_line).savefig(out / "line.png")
    inside = (at >= 0) & (at <= 1)

    first, second, shares = path_directions(path)
    places = project_path(path, end, first, second)
    window = [np.linspace(*_around(values), config.places) for values in places.T]
    losses = loss_on_plane(loss, end, first, second, *window)
    plot_loss_plane(*window, losses, {"path": places}).savefig(out / "path.png")

    first, second = (random_direction(jax.random.key(config.seed + i), end) for i in (1, 2))
    at = np.linspace(-1, 1, config.places)
    around = loss_on_plane(loss, end, first, second, at, at)
    plot_loss_plane(at, at, around).savefig(out / "random.png")
    return {
        "loss at the start and the end": [float(loss(start)), float(loss(end))],
        "rises from start to end": int((np.diff(on_line["training"][inside]) > 0).sum()),
        "share of the path's squared distances in its plane": shares.tolist(),
        "largest loss of the random plane": float(around.max()),
    }


def _around(values: np.ndarray) -> tuple[float, float]:
    margin = 0.3 * np.ptp(values)
    return values.min() - margin, values.max() + margin


def enlarge(images: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 c"]:
    """To 16 x 16, the smallest that LeNet takes."""
    return images.repeat(2, axis=1).repeat(2, axis=2)


def embed(config: Config, out: Path) -> dict[str, Any]:
    """(e) Digits on a plane, and two classifiers that learn nothing of their own."""
    training, test = load_digits(config)
    model = LeNet5(10)
    keys = jax.random.key(config.seed)[None]
    batch = training | {"image": enlarge(training["image"])}
    params = jax.tree.map(lambda a: a[0], train(model, batch, config.digit_steps, 3e-3, keys))
    network = jax.jit(lambda images: model.apply({"params": params}, enlarge(images), train=False))
    labels, new_labels = (np.asarray(part["label"]) for part in (training, test))
    logits, hidden = network(test["image"])
    spaces = {
        "pixels": [
            np.asarray(part["image"]).reshape(len(part["image"]), -1) for part in (training, test)
        ],
        "f6": [np.asarray(network(training["image"])[1]["f6"]), np.asarray(hidden["f6"])],
    }
    thumbnails = np.asarray(255 * test["image"][: config.embedded]).astype(np.uint8)
    drawn_labels = new_labels[: config.embedded]
    result, names = {}, [str(i) for i in range(10)]
    for space, (known, new) in spaces.items():
        points, shares = embed_pca(new[: config.embedded])
        by_tsne = embed_tsne(new[: config.embedded])
        for method, places in {"PCA": points, "t-SNE": by_tsne}.items():
            drawn = thumbnails if method == "t-SNE" else None
            picture = plot_embedding(places, drawn_labels, names, f"{space}, {method}", drawn)
            picture.savefig(out / f"{space}_{method.lower()}.png")
        neighbour = KNeighborsClassifier(1).fit(known, labels)
        clusters = KMeans(10, n_init=10, random_state=config.seed).fit(known)
        # A cluster says what most of its training examples are.
        said = [np.bincount(labels[clusters.labels_ == i]).argmax() for i in range(10)]
        result[space] = {
            "share of the variance in two directions": shares.tolist(),
            "nearest neighbour": float(neighbour.score(new, new_labels)),
            "k-means": float(np.mean(np.array(said)[clusters.predict(new)] == new_labels)),
        }
    accuracy = float(np.mean(np.argmax(logits, axis=1) == new_labels))
    return {"embedding": result, "test": {"accuracy": accuracy}}


def look_back(config: Config, out: Path) -> dict[str, Any]:
    """(b), (c) and (f): derivatives."""
    training, _ = load_digits(config)
    how = config.rates, config.edge_steps, config.measured
    return {
        "first against last hidden gradient": gradients.vanish(
            training, config.depth, config.seed, out
        ),
        "edge of stability": gradients.sharpen(training, *how, config.seed, out),
        "reverse against forward mode": gradients.count_costs(config.sizes, config.seed, out),
    }


def run(config: Config) -> dict[str, Any]:
    """Learns and draws everything; returns what `result.json` holds."""
    began = time.monotonic()
    out = config.out or files.make_numbered(Path("runs"), "understanding")
    files.check_free(out)
    out.mkdir(parents=True, exist_ok=True)
    files.write_json(out / files.CONFIG, {"config": dataclasses.asdict(config) | {"out": str(out)}})
    # Of matrices so small, threads of BLAS and of scikit-learn mostly wait for each other.
    with threadpool_limits(1):
        result = {
            "regions": decide(config.steps, config.starts, config.seed, out),
            "landscape": look_around(config, out),
        }
        result |= embed(config, out) | look_back(config, out)
    result["seconds"] = round(time.monotonic() - began, 1)
    files.write_json(out / files.RESULT, result)
    print(*result.items(), sep="\n")
    return result


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
