"""Many trainings at once against the same ones one after another.

    python -m benchmarks.sweep                     # 8, 32 and 128 trainings
    python -m benchmarks.sweep --lanes 32 --mnist  # MNIST too, if it is prepared

Whole trainings of some epochs, with different learning rates and seeds. "One after another" is the
sweep's own program of one training, which is that of `fit` with the rate as an argument; so the
figures compare layouts and nothing else. The last figure of each network is another: a loop over
`fit` against a sweep, both with all that they compile.
"""

import dataclasses
import os
import time
from collections.abc import Callable
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks.alternate import alternate, print_table
from jaxvision import optim
from jaxvision.data import ResidentFeed, digits, load_resident, open_data
from jaxvision.data.folds import Folds
from jaxvision.data.views import Fitted, Subset
from jaxvision.models import make_model
from jaxvision.selection.group import group_lanes
from jaxvision.selection.hyperparameters import Hyperparameters
from jaxvision.selection.layout import Layout, choose_layout
from jaxvision.selection.plan import Plan
from jaxvision.selection.spaces import grid
from jaxvision.selection.sweep import list_lanes, sweep, train_group
from jaxvision.train import fit, init_state, make_eval_step, make_train_step
from jaxvision.train.job import Job

RATES = 8


@dataclasses.dataclass(frozen=True)
class Config:
    """What to time.

    Attributes:
        lanes: trainings, a multiple of 8: of eight rates each with so many seeds.
        epochs: of each training.
        rounds: how many times each way is timed.
        mnist: also on 6,000 digits of MNIST.
        compiled: also time a loop over `fit` and a sweep, compiling included, for 8 trainings.
    """

    lanes: tuple[int, ...] = (8, 32, 128)
    epochs: int = 3
    rounds: int = 5
    mnist: bool = False
    compiled: bool = True


def make_plan(data: dict[str, np.ndarray], model: str, epochs: int) -> Plan:
    """Of all but 300 examples, in batches of 32."""
    shape = (1, *data["image"].shape[1:])

    def make_run(hyperparameters: Hyperparameters, steps: int) -> Job:
        network, optimizer = make_model(model, 10), optim.adam(hyperparameters["learning_rate"])

        def normalize(images):
            return images.astype(jnp.float32) / 128 - 1

        return Job(
            lambda key: init_state(network, optimizer, jnp.zeros(shape), key),
            make_train_step(network, optimizer, normalize=normalize),
            make_eval_step(network, normalize=normalize),
        )

    rows = np.arange(len(data["label"]), dtype=np.int32)
    return Plan(make_run, data, Folds(rows[None, 300:], rows[None, :300]), epochs, 32)


def contestant(
    plan: Plan, lanes: int, *, chunk: int | None = None, layout: Layout | None = None
) -> Callable[[], None]:
    """A function that trains all from the beginning to the end."""
    candidates = grid({"learning_rate": tuple(np.geomspace(1e-4, 1e-2, RATES).tolist())})

    def fresh():
        return list_lanes(candidates, range(lanes // RATES), folds=1)

    (group,) = group_lanes(plan, fresh(), frozenset(), chunk)
    chosen = (lambda *_: layout) if layout else choose_layout
    with patch("jaxvision.selection.group.choose_layout", chosen):
        group.prepare(group.lanes)
        group.prepare = lambda lanes: None

    def run():
        group.lanes = fresh()
        for _ in train_group(group, set(range(RATES)), plan.epochs):
            pass

    return run


def compare_layouts(title: str, data: dict[str, np.ndarray], model: str, config: Config) -> None:
    for lanes in config.lanes:
        plan = make_plan(data, model, config.epochs)
        ways = {
            "one after another": contestant(plan, lanes, layout=Layout(1, 1, 1)),
            "as the sweep does": contestant(plan, lanes),
        }
        if jax.default_backend() == "cpu" and lanes <= 32:
            ways["all in one batch"] = contestant(plan, lanes, chunk=lanes)
        seconds = alternate(ways, config.rounds)
        images = lanes * plan.epochs * plan.folds.train.shape[1]
        print_table(f"{title}, {lanes} trainings", seconds, images, "images")


def compare_compiled(title: str, data: dict[str, np.ndarray], model: str) -> None:
    """Eight trainings of 3 epochs, each with what it compiles."""
    plan = make_plan(data, model, epochs=3)
    candidates = grid({"learning_rate": tuple(np.geomspace(1e-4, 1e-2, RATES).tolist())})
    began = time.perf_counter()
    sweep(plan, candidates)
    swept = time.perf_counter() - began
    train, validation = ({name: a[rows[0]] for name, a in data.items()} for rows in plan.folds)
    began = time.perf_counter()
    for candidate in candidates:
        job = plan.make_run(Hyperparameters(candidate), 0)
        feeds = ResidentFeed(train, 32, seed=0), ResidentFeed(validation, 256, seed=None)
        fit(job.init(jax.random.key(0)), job.train_step, job.eval_step, *feeds, epochs=3)
    looped = time.perf_counter() - began
    print(
        f"\n{title}, 8 trainings of 3 epochs, all compiling included: a loop over `fit` "
        f"{looped:.1f} s, a sweep {swept:.1f} s, {looped / swept:.1f}x"
    )


def main(config: Config) -> None:
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores, {config.rounds} rounds")
    sets = {
        "digits, 8 x 8": (digits()["train"], "mlp"),
        "digits, 16 x 16": (Fitted(digits()["train"], 16, 16), "lenet5"),
        "digits, 32 x 32": (Fitted(digits()["train"], 32, 32), "lenet5"),
    }
    if config.mnist:
        mnist = Subset(open_data("tfds:mnist")["train"], range(6_300))
        sets["MNIST, 28 x 28"] = (mnist, "mlp")
        sets["MNIST, 28 x 28 "] = (mnist, "lenet5")
    for name, (source, model) in sets.items():
        data, title = load_resident(source), f"{model}, {name.strip()}"
        compare_layouts(title, data, model, config)
        if config.compiled:
            compare_compiled(title, data, model)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__.splitlines()[0]))
