"""How sure may one be? Noise that varies, questions with several answers, and classifiers' claims.

    python -m experiments.density

(a) Noise that grows from left to right: a network that predicts mean and deviation, against least
squares with one deviation for all, which is the same likelihood with that one fixed.
(b) Bishop's inverse problem: t is asked for of x = t + 0.3 sin(2 pi t) + uniform noise of +-0.1, of
which up to three are right. Least squares answers with their mean, which is none of them; a
mixture density network has all. The error that is measured is how far x is from what t would give.
(c) A perceptron that knows a tenth of the digits by heart, and is too sure of itself until its
logits are divided by a temperature.

The floor is the loss of who knows how the data were made. A run's directory keeps the pictures (of
which `docs/density.md` has copies), `result.json` and the configuration.

Seen (jax 0.10.2, 2 CPU cores that other work shared, 20 to 84 s; seeds 0, 1 and 2):

    (a) loss above the floor: least squares 0.27 to 0.30, density network 0.01 to 0.02
        of 90 %, left and right half: 98 and 77 to 82 %, against 88 to 89 and 89 to 90 %
    (b) loss above the floor: least squares 1.08 to 1.11, mixture 0.17 to 0.19
        error in x: least squares 0.09 to 0.10, the mixture's highest mode 0.02 to 0.04
    (c) ECE 2.8 to 4.3 %, and 0.9 to 1.9 % after dividing by T = 1.8 to 1.9; accuracy 92 to 95 %
"""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from experiments.command import run_experiment
from jaxvision import optim
from jaxvision.data import complete_splits, digits, load_resident
from jaxvision.inspect import plot_coverage, plot_reliability
from jaxvision.inspect.picture import COLORS, Picture, house_style
from jaxvision.models.density import DensityNetwork, MixtureDensityNetwork
from jaxvision.models.mlp import MLP
from jaxvision.ops import calibration, densities
from jaxvision.ops.densities import Gaussian
from jaxvision.ops.losses import squared_error
from jaxvision.ops.normalization import normalization_of
from jaxvision.ops.platform import compiler_options
from jaxvision.train import init_state, make_train_step
from jaxvision.train import run as files
from jaxvision.train.step import cross_entropy

LEVELS = np.linspace(0.1, 0.9, 9)
HALF_NOISE = 0.1  # of the inverse problem
Numbers = Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Config:
    """What to learn.

    Attributes:
        examples: to learn from, in (a) and (b); there are as many again to test on.
        steps: of Adam, on all examples at once.
        mixture: Gaussians of the mixture.
        digit_steps: of Adam in (c), on all at once.
        seed: of data and parameters.
        out: the new directory; by default one under runs/.
    """

    examples: int = 1000
    steps: int = 3000
    mixture: int = 3
    digit_steps: int = 400
    seed: int = 0
    out: Path | None = None


SMOKE = Config(examples=50, steps=20, digit_steps=20)  # what tests/test_experiments.py runs


def train(model: nn.Module, loss: Callable, batch: dict, steps: int, seed: int, rate: float):
    """Variables after so many steps on one batch, in one compiled program."""
    optimizer = optim.adam(optim.schedules.cosine(rate, steps))
    step = make_train_step(model, optimizer, loss, metrics=lambda outputs, batch: {})
    batch = jax.tree.map(jnp.asarray, batch | {"mask": np.ones(len(batch["image"]), bool)})

    @partial(jax.jit, compiler_options=compiler_options())
    def learn(state, batch):
        state, _ = lax.scan(lambda state, _: (step(state, batch)[0], None), state, length=steps)
        return state.variables

    return learn(init_state(model, optimizer, batch["image"][:1], jax.random.key(seed)), batch)


def as_column(t: Numbers) -> Float[Array, "n 1"]:
    return jnp.asarray(t, jnp.float32)[:, None]


def fit_three(config: Config, x: Numbers, t: Numbers):
    """Least squares, one Gaussian and a mixture: functions of x, which all return a density."""
    body = MLP(None, widths=(10,), activation=nn.tanh)
    methods = {
        "least squares": (body.clone(num_classes=1), squared_error),
        "density network": (DensityNetwork(1, body), densities.gaussian_nll),
        "mixture": (MixtureDensityNetwork(config.mixture, 1, body), densities.mixture_nll),
    }

    # With mean 0 and variance 1: where targets vary less, a mixture may stay one wide Gaussian.
    def images(new_x):
        return as_column((new_x - x.mean()) / x.std())[:, :, None, None]

    centre, scale = float(t.mean()), float(t.std())
    batch = {"image": images(x), "target": as_column((t - centre) / scale)}

    def learn(model, loss):
        how = batch, config.steps, config.seed, 2e-2
        variables = train(model, lambda said, batch: loss(said, batch["target"]), *how)

        def predict(x):
            said, _ = model.apply(variables, images(x), train=False)
            if loss is squared_error:
                # The one deviation that makes the likelihood largest: that of the residuals.
                residual = jnp.sqrt(jnp.mean((at_training - batch["target"]) ** 2))
                said = Gaussian(said, jnp.full_like(said, residual))
            *logits, mean, deviation = said
            return type(said)(*logits, centre + scale * mean, scale * deviation)

        at_training, _ = model.apply(variables, batch["image"], train=False)
        return predict

    return {name: learn(*method) for name, method in methods.items()}


def noisy(random: np.random.Generator, n: int) -> tuple[Numbers, Numbers]:
    x = random.uniform(-1, 1, n)
    mean, deviation = law(x)
    return x, mean + deviation * random.normal(size=n)


def law(x: Numbers) -> tuple[Numbers, Numbers]:
    """Mean and deviation of t."""
    return np.sin(np.pi * x), 0.05 + 0.25 * (x + 1)


def vary(config: Config, out: Path) -> dict[str, Any]:
    """(a) Noise that varies."""
    random = np.random.default_rng(config.seed)
    (x, t), (new_x, new_t) = (noisy(random, config.examples) for _ in range(2))
    learned = fit_three(config, x, t)
    targets, true, result, observed = as_column(new_t), law(new_x), {}, {}
    for name in ("least squares", "density network"):
        said = learned[name](new_x)
        cumulative = np.asarray(densities.gaussian_cdf(said, targets))[:, 0]
        observed[name] = calibration.coverage(cumulative, LEVELS)
        halves = (cumulative[half] for half in (new_x < 0, new_x >= 0))
        wrong = np.asarray(said.deviation)[:, 0] / true[1]
        result[name] = {
            "nll": float(densities.gaussian_nll(said, targets).mean()),
            "deviation off by": float(np.exp(np.mean(np.abs(np.log(wrong)))) - 1),
            "coverage": observed[name].tolist(),
            "of 90 %, by halves": [calibration.coverage(u, LEVELS[-1:]).item() for u in halves],
        }
    true = Gaussian(*map(as_column, true))
    result["floor"] = float(densities.gaussian_nll(true, targets).mean())
    draw_bands(learned, x, t).savefig(out / "noise.png")
    plot_coverage(LEVELS, observed, len(new_x)).savefig(out / "coverage.png")
    return result


@house_style
def draw_bands(learned: dict[str, Callable], x: Numbers, t: Numbers) -> Picture:
    """Means with two deviations on either side, and in black those that the data are made with."""
    figure, grid = Picture(figsize=(9.8, 3.9)), np.linspace(-1, 1, 201)
    for i, name in enumerate(("least squares", "density network")):
        axes = figure.place(0.7 + 4.8 * i, 0.6, 4.0, 2.9)
        mean, deviation = (np.asarray(a)[:, 0] for a in learned[name](grid))
        axes.plot(x, t, ".", ms=2, color="0.7")
        low, high = mean - 2 * deviation, mean + 2 * deviation
        axes.fill_between(grid, low, high, color=COLORS[0], alpha=0.25, lw=0)
        axes.plot(grid, mean, lw=2, color=COLORS[0])
        true, noise = law(grid)
        for side in (true - 2 * noise, true + 2 * noise):
            axes.plot(grid, side, lw=1, ls="--", color="0.1")
        axes.set(
            xlim=(-1, 1), ylim=(-2.5, 2.5), xlabel="x", ylabel="t", xticks=(-1, -0.5, 0, 0.5, 1)
        )
        axes.set_title(f"{name}: mean, two deviations", loc="left")
    return figure


def forward(t: Numbers) -> Numbers:
    return t + 0.3 * np.sin(2 * np.pi * t)


def inverse(random: np.random.Generator, n: int) -> tuple[Numbers, Numbers]:
    t = random.uniform(0, 1, n)
    return forward(t) + random.uniform(-HALF_NOISE, HALF_NOISE, n), t


def inverse_floor(x: Numbers) -> float:
    """Of all t within the noise, which are equally probable: the log of how many there are."""
    fine = np.sort(forward((np.arange(20_000) + 0.5) / 20_000))
    first, last = (np.searchsorted(fine, x + side) for side in (-HALF_NOISE, HALF_NOISE))
    return float(np.mean(np.log((last - first) / len(fine))))


def invert(config: Config, out: Path) -> dict[str, Any]:
    """(b) Questions with several answers."""
    random = np.random.default_rng(config.seed)
    (x, t), (new_x, new_t) = (inverse(random, config.examples) for _ in range(2))
    learned = fit_three(config, x, t)
    targets, mixture, result = as_column(new_t), learned["mixture"](new_x), {}
    for name in ("least squares", "density network"):
        said = learned[name](new_x)
        nll = float(densities.gaussian_nll(said, targets).mean())
        result[name] = {"nll": nll, "error in x": error_in_x(said.mean, new_x)}
    modes = densities.mixture_modes(mixture)
    draws = densities.sample_mixture(jax.random.key(config.seed), mixture)
    result["mixture"] = {
        "nll": float(densities.mixture_nll(mixture, targets).mean()),
        "error in x": error_in_x(modes.points[:, 0], new_x),
        "error in x, of draws": error_in_x(draws, new_x),
    }
    result["floor"] = inverse_floor(new_x)
    draw_inverse(learned, new_x, new_t, np.asarray(draws)[:, 0]).savefig(out / "inverse.png")
    return result


def error_in_x(t: Array, x: Numbers) -> float:
    """How far what these t would give is from x, root mean square."""
    return float(np.sqrt(np.mean((forward(np.asarray(t)[:, 0]) - x) ** 2)))


@house_style
def draw_inverse(learned: dict[str, Callable], x: Numbers, t: Numbers, draws: Numbers) -> Picture:
    """Least squares; the mixture's modes, from a tenth of the highest's density on; draws."""
    figure, grid = Picture(figsize=(13.1, 4.1)), np.linspace(0, 1, 301)
    panels = [figure.place(0.7 + 4.3 * i, 0.6, 3.5, 3.1) for i in range(3)]
    titles = "Least squares", "Mixture: every mode", "Mixture: a draw for each x"
    for axes, title in zip(panels, titles, strict=True):
        axes.plot(x, t, ".", ms=2, color="0.72")
        axes.set(xlim=(-0.1, 1.1), ylim=(-0.15, 1.15), xlabel="x", ylabel="t")
        axes.set_title(title, loc="left")
    panels[0].plot(grid, learned["least squares"](grid).mean[:, 0], lw=2.2, color=COLORS[1])
    modes = densities.mixture_modes(learned["mixture"](grid))
    high = modes.log_density >= modes.log_density[:, :1] - np.log(10)
    row, k = np.nonzero(modes.distinct & high)
    panels[1].plot(grid[row], modes.points[row, k, 0], ".", ms=4, color=COLORS[0])
    panels[2].plot(x, draws, ".", ms=2.5, color=COLORS[2])
    return figure


def claim(config: Config, out: Path) -> dict[str, Any]:
    """(c) What a classifier claims."""
    parts = complete_splits(digits(), validation_fraction=0.2, test_fraction=0.7, seed=config.seed)
    few, validation, test = map(load_resident, parts)
    normalize = normalization_of([few["image"]])
    model = MLP(10, widths=(128,))
    batch = {"image": normalize(jnp.asarray(few["image"])), "label": few["label"]}
    variables = train(model, cross_entropy, batch, config.digit_steps, config.seed, 1e-2)

    def logits_of(part):
        logits, _ = model.apply(variables, normalize(jnp.asarray(part["image"])), train=False)
        return np.asarray(logits)

    temperature = calibration.fit_temperature(logits_of(validation), validation["label"])
    logits, labels = logits_of(test), test["label"]
    result, found = {"temperature": temperature, "examples": len(labels)}, {}
    for name, divisor in (("before", 1.0), ("after", temperature)):
        confidence, correct = calibration.top_label(logits, labels, divisor)
        found[name] = calibration.reliability(confidence, correct, calibration.equal_width(10))
        result[name] = {
            "ece": calibration.expected_calibration_error(found[name]),
            "nll": calibration.temperature_nll(logits, labels, divisor),
        }
    plot_reliability(found).savefig(out / "reliability.png")
    return {"digits": result, "test": {"accuracy": float(correct.mean())}}


def run(config: Config) -> dict[str, Any]:
    """Learns all three; returns what `result.json` holds."""
    began = time.monotonic()
    out = config.out or files.make_numbered(Path("runs"), "density")
    files.check_free(out)
    out.mkdir(parents=True, exist_ok=True)
    files.write_json(out / files.CONFIG, {"config": dataclasses.asdict(config) | {"out": str(out)}})
    result = {"noise": vary(config, out), "inverse": invert(config, out)} | claim(config, out)
    result["seconds"] = round(time.monotonic() - began, 1)
    files.write_json(out / files.RESULT, result)
    print(*result.items(), sep="\n")
    return result


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)
