"""Which way does each optimizer go, and how much does its learning rate matter?

    python -m experiments.optimizers
    python -m experiments.optimizers --optimizers sgd momentum adam --epochs 5

(a) The paths of all of them on a ravine, Rosenbrock's and Beale's function and a saddle, each at
the best rate of a log grid. (b) LeNet-5 on the digits with every optimizer x rate x seed, the whole
grid one compiled program. Everything is kept in a run's directory, with a page of the results that
says them in words; `docs/optimizers.md` and its pictures are a copy of such a page:

    cp -r runs/optimizers/optimizers.md runs/optimizers/images docs
"""

import dataclasses
import math
import os
import textwrap
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.command import run_experiment
from experiments.optimizer_grid import ALRAO, SIZE, train_grid
from experiments.optimizer_paths import (
    ARRIVED,
    animate,
    arrival,
    draw_paths,
    path_table,
    rendered,
    span,
    trace_all,
    with_few_colors,
)
from experiments.optimizer_sensitivity import CLOSE, draw_grid, grid_table, summarize
from jaxvision.names import lookup
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.train import run as files

PAGE = "optimizers.md"
PLAIN = ("sgd", "momentum", "heavy_ball", "ema_momentum", "nesterov")
ADAPTIVE = (
    *("adagrad", "rmsprop", "centered_rmsprop", "adadelta"),
    *("adam", "adam_uncorrected", "adamw", "nadam", "adamax"),
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Two experiments: the paths, and the grid."""

    optimizers: tuple[str, ...] = PLAIN + ADAPTIVE + tuple(ALRAO)
    """Which of them. Alrao is for networks only; on the surfaces L-BFGS is always there."""
    steps: int = 200
    """Length of a path."""
    path_rates: int = 61
    """Rates from 1e-4 to 100, of which the best path is drawn."""
    frames: int = 60
    """Of the animated picture."""
    lowest: float = 1e-4
    """The lowest learning rate of the grid."""
    highest: float = 10.0
    """The highest."""
    per_decade: int = 3
    """Rates in a decade."""
    seeds: int = 3
    """Trainings at each rate; they differ in the initial parameters and the order of the digits."""
    epochs: int = 10
    """Passes over the training part."""
    batch_size: int = 64
    """Examples a step."""
    together: int | None = None
    """Trainings that run at once, under `vmap`; by default one after another, as a CPU wants it."""
    out: Path | None = None
    """The run's new directory. By default runs/optimizers, numbered if that is taken."""

    def __post_init__(self):
        """Raises ValueError if the grid has fewer than two rates, or no optimizer that has one."""
        if set(self.optimizers) <= set(ALRAO):
            raise ValueError(
                f"`optimizers` must name one that has a rate, got {self.optimizers}: add sgd."
            )
        if not 0 < self.lowest < self.highest < math.inf or len(self.rates) < 2:
            raise ValueError(
                "`lowest`, `highest` and `per_decade` must give at least two rates, got "
                f"{self.lowest}, {self.highest} and {self.per_decade}."
            )

    @property
    def rates(self) -> np.ndarray:
        """The learning rates of the grid."""
        steps = round(math.log10(self.highest / self.lowest) * self.per_decade)
        return np.geomspace(self.lowest, self.highest, steps + 1)


SMOKE = Config(  # what tests/test_experiments.py runs
    optimizers=("sgd",),
    steps=20,
    path_rates=7,
    frames=1,
    lowest=1e-2,
    highest=1e-1,
    per_decade=1,
    seeds=1,
    epochs=2,
)


def run(config: Config) -> dict[str, Any]:
    """Draws the paths, trains the grid, writes the page; returns what `result.json` holds.

    Its "test" is of the optimizer and rate that are best in validation.
    """
    alrao = [name for name in config.optimizers if name in ALRAO]
    optimizers = {
        name: lookup("optimizer", name, OPTIMIZERS)
        for name in config.optimizers
        if name not in ALRAO
    }
    record = {
        "config": dataclasses.asdict(config) | {"out": str(config.out)},
        "jax": jax.__version__,
        "device": f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores",
    }
    if config.out is None:
        out = files.make_numbered(Path("runs"), "optimizers")
    else:
        files.check_free(out := config.out)
    files.create_run(out, record)
    (images := out / "images").mkdir()

    started = time.monotonic()
    traced = trace_all(optimizers, np.geomspace(1e-4, 100, config.path_rates), config.steps)
    picture, _ = draw_paths(traced)
    with_few_colors(rendered(picture, dpi=100)).save(images / "optimizer_paths.png", optimize=True)
    animate(traced, images / "optimizer_paths.gif", config.frames)
    traced_at = time.monotonic()

    grid = train_grid(
        optimizers,
        alrao,
        config.rates,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seeds=config.seeds,
        together=config.together,
    )
    table = {
        name: summarize(None if name in ALRAO else config.rates, measured)
        for name, measured in grid.items()
    }
    picture = draw_grid(config.rates, grid, table)
    with_few_colors(rendered(picture, dpi=100)).save(images / "optimizer_grid.png", optimize=True)

    best = max(table, key=lambda name: table[name]["validation"])
    result = {
        "test": {"accuracy": table[best]["test"][1], "optimizer": best},
        "table": table,
        "paths": {
            surface: {
                name: {key: value for key, value in found.items() if key != "path"}
                for name, found in paths.items()
            }
            for surface, paths in traced.items()
        },
        "grid": jax.tree.map(lambda a: a.tolist(), grid),
        "rates": config.rates.tolist(),
        "seconds": {
            "paths": round(traced_at - started, 1),
            "grid": round(time.monotonic() - traced_at, 1),
        },
    }
    files.write_json(out / files.RESULT, result)
    files.write_whole(out / PAGE, page(config, result, record).encode())
    print(f"{out / PAGE}\n\n{(out / PAGE).read_text()}")
    return result


def page(config: Config, result: dict[str, Any], record: dict[str, Any]) -> str:
    """The results as a page: pictures, tables, and what the figures say in words."""
    grid, paths, table = result["grid"], result["paths"], result["table"]
    finite = [one for measured in grid.values() for seeds in measured["finite"] for one in seeds]
    intervals = " and ".join(f"{low:g} to {high:g} ({n})" for n, (_, low, high) in ALRAO.items())
    text = f"""# Optimizers

Written by `python -m experiments.optimizers` (jax {record["jax"]}, {record["device"]}); do not
edit.

## Paths

![Paths of the optimizers on four surfaces](images/optimizer_paths.png)

{config.steps} steps from the square; the stars are the minima. Every optimizer has, on every
surface, its own best of {config.path_rates} rates from 0.0001 to 100: of the paths that never leave
the picture the closest to a minimum, on average over the last quarter of its steps. All rates are
followed at once, by `jax.vmap`. heavy_ball and ema_momentum are not drawn: at a constant rate they
take momentum's path, ema_momentum at ten times its rate.

![The same paths, growing](images/optimizer_paths.gif)

The steps after which a path stays within {100 * ARRIVED:.0f} % of its first distance to the nearest
minimum (none: not in {config.steps} steps), and the rate; and how often it turns back across the
ravine until then. L-BFGS has no rate, and its steps are iterations.

{path_table(paths)}

## LeNet-5 on the digits

![Accuracy against the learning rate](images/optimizer_grid.png)

{len(finite)} trainings of {config.epochs} epochs in batches of {config.batch_size}, one compiled
program: {result["seconds"]["grid"]:.0f} s, compilation included. The digits are enlarged to {SIZE}
x {SIZE}; 60 % are for training, 20 % for validation and 20 % for the test. The network has tanh for
the ReLU, because the authors of Alrao ask for a bounded activation, and in a trial of both Alrao on
SGD did worse with the ReLU. Rates are constant, {len(config.rates)} of them from {config.lowest:g}
to {config.highest:g}, with {config.seeds} seeds each; the best has the highest median in
validation. A training whose loss does not stay finite counts as accuracy 0: {finite.count(False)}
of them. Alrao has no rate; it draws from an interval that was fixed before: {intervals}. momentum,
heavy_ball and, at ten times the rate, ema_momentum are one algorithm: where their rows differ,
rounding has decided.

- *test*: the median over the seeds at the best rate, and the lowest to the highest;
- *any rate*: the test accuracy at the middle one of all rates, were they sorted by it;
- *decades*: how wide the rates are that stay within {100 * CLOSE:.0f} points of the best in
  validation; each counts as 1/{config.per_decade} of a decade.

{grid_table(table)}

## In words

{conclusions(paths, table, config.steps)}
"""
    filled = (b if b[0] in "#!|-" else textwrap.fill(b, 100) for b in text.strip().split("\n\n"))
    return "\n\n".join(filled) + "\n"


def conclusions(paths: dict[str, dict], table: dict[str, dict], steps: int) -> str:
    """What the figures say of three claims, of the optimizers that are there."""
    ravine = paths["ravine"]
    compared = [name for name in ("sgd", "momentum", "nesterov", "adam", "lbfgs") if name in ravine]
    crossings = "; ".join(
        f"{name} {arrival(ravine[name], steps)} and turns back {ravine[name]['turns']} times"
        for name in compared
    )
    said = [f"**Momentum against jitter in ravines.** There, each at its best rate, {crossings}."]

    with_rate = [name for name in table if name not in ALRAO]
    spans = ", ".join(
        f"{name} {span(paths, name):.0f}"
        for name in sorted(with_rate, key=lambda name: span(paths, name))
    )
    families = " ".join(
        f"On the digits the best rates of {word} go from {min(rates):.2g} to {max(rates):.2g}, and "
        f"the good ones are {np.median(decades):.1f} decades wide in the median, "
        f"{min(decades):.1f} to {max(decades):.1f}."
        for word, names in (("descent with and without momentum", PLAIN), ("the others", ADAPTIVE))
        if (rates := [table[name]["rate"] for name in names if name in table])
        and (decades := [table[name]["decades"] for name in names if name in table])
    )
    said.append(
        "**Adaptive rates.** How many times as large an optimizer's best rate is on the surface "
        f"where it is largest as on the one where it is smallest: {spans}. {families}"
    )

    tuned = [table[name]["test"][1] for name in with_rate]
    blind = [table[name]["blind"] for name in with_rate]
    for name in (name for name in ALRAO if name in table):
        low, reached, high = table[name]["test"]
        close = sum(reached >= accuracy - CLOSE for accuracy in tuned)
        said.append(
            f"**{name} without tuning** reaches {percent(reached)} in the test ({percent(low)} to "
            f"{percent(high)}). At their best rates the {len(tuned)} others reach "
            f"{percent(min(tuned))} to {percent(max(tuned))}, and {close} of them are at most "
            f"{100 * CLOSE:.0f} points above it; at any rate they reach {percent(min(blind))} to "
            f"{percent(max(blind))}, and {sum(reached > accuracy for accuracy in blind)} of them "
            "are below it."
        )
    return "\n\n".join(said)


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
