"""Every experiment runs its SMOKE configuration, and RESULTS.md is what the generator makes."""

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

from experiments import results
from jaxvision.classification.config import TrainConfig

FOLDER = Path(results.__file__).parent
NOT_EXPERIMENTS = {"__init__", "results"}
NAMES = sorted({path.stem for path in FOLDER.glob("*.py")} - NOT_EXPERIMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_smoke(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = importlib.import_module(f"experiments.{name}")
    assert f"python -m experiments.{name}" in experiment.__doc__
    assert dataclasses.is_dataclass(experiment.Config)
    result = experiment.run(experiment.SMOKE)
    assert 0.3 < result["test"]["accuracy"] <= 1


def made_up_run(path, seed, accuracy, **changes):
    path.mkdir()
    config = dataclasses.asdict(TrainConfig(seed=seed, **changes)) | {"out": str(path)}
    record = {
        "config": config,
        "versions": {"jax": "1.2.3"},
        "device": {"kind": "cpu", "cpu_cores": 2},
    }
    (path / "config.json").write_text(json.dumps(record, default=str))
    result = {"test": {"accuracy": accuracy, "loss": 1.0}, "epochs": 10, "seconds": 7.6}
    (path / "result.json").write_text(json.dumps(result))
    return path


def test_runs_that_differ_in_seed_are_one_row_with_median_and_extremes(tmp_path):
    runs = [made_up_run(tmp_path / str(i), i, a) for i, a in enumerate((0.97, 0.99, 0.98))]
    other = made_up_run(tmp_path / "other", 0, 0.5, model="mlp", learning_rate=0.1)
    page = results.table([*runs, other])
    assert (
        "| `jaxvision train --seed SEED` | 0, 1, 2 | 98.00 (97.00 to 99.00) % "
        "| 10 | 8 | cpu, 2 cores | 1.2.3 |\n" in page
    )
    assert "| `jaxvision train --model mlp --learning-rate 0.1 --seed SEED` | 0 | 50.00 % " in page


def test_every_command_in_the_results_is_one_that_can_be_given():
    page = (FOLDER / "RESULTS.md").read_text()
    assert page.startswith(results.HEAD)
    rows = page[len(results.HEAD) :].splitlines()
    assert rows and all(row.startswith("| `jaxvision train ") for row in rows)
