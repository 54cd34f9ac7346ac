"""`jaxvision sweep` from its settings to the chosen model, interrupted and resumed."""

import csv
import dataclasses
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from jaxvision.classification import material
from jaxvision.classification.classifier import evaluate
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.sweep import resume_sweep, run_sweep
from jaxvision.classification.sweep_config import Sweep
from jaxvision.classification.sweep_report import draw, show_sweep
from jaxvision.selection.results import SweepResult, read_json
from jaxvision.selection.scores import candidate_scores
from jaxvision.selection.spaces import grid
from jaxvision.train.display import Display
from jaxvision.train.interruption import InterruptedRunError, Interruption
from tests.selection.made_up import sweep_of

CONFIG = TrainConfig(model="softmax_regression", epochs=4, batch_size=64, patience=2)
ASKED = Sweep(grid=("learning_rate=1e-5,3e-3,1e-2", "weight_decay=0,1e-3"), folds=2)


def quiet():
    return Console(file=io.StringIO(), width=100)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    path, console = tmp_path_factory.mktemp("sweep") / "run", quiet()
    run_sweep(dataclasses.replace(CONFIG, out=path), ASKED, console)
    return path, console.file.getvalue()


def test_everything_is_in_its_directory(swept):
    path, _ = swept
    result = json.loads((path / "result.json").read_text())
    lanes = read_json(path / "lanes.json").lanes
    assert len(lanes) == 6 * 2
    with (path / "lanes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["learning_rate"] for row in rows[:4]] == ["1e-05"] * 4
    assert {row["fold"] for row in rows} == {"0", "1"}
    for name in ("heat_map.png", "parallel_coordinates.png", "learning_curves.png"):
        assert (path / name).read_bytes()[:4] == b"\x89PNG"
    assert result["hyperparameters"]["learning_rate"] > 1e-4
    assert result["test"]["accuracy"] > 0.9


def test_it_shows_every_candidate_the_best_of_them_and_what_the_curves_say(swept):
    _, shown = swept
    assert "6 candidates x 1 seeds x 2 folds = 12 trainings of up to 4 epochs" in shown
    assert sum(line.strip()[1:3] == "/6" for line in shown.splitlines()) == 6
    assert "chosen" in shown and "mean and standard error" in shown
    assert "test accuracy" in shown and "359 images" in shown


def test_the_chosen_model_is_a_run_like_any_other(swept):
    path, _ = swept
    metrics = evaluate(path / "chosen", None, "test")[0]
    expected = json.loads((path / "result.json").read_text())["test"]
    assert metrics == pytest.approx(expected, rel=1e-6)


class After(Interruption):
    """As if a signal came after so many questions."""

    def __init__(self, questions):
        super().__init__()
        self.left = questions

    def requested(self):
        self.left -= 1
        if self.left < 0:
            self.signal = signal.SIGTERM
        return super().requested()


def test_an_interrupted_sweep_goes_on_and_ends_as_if_it_had_not_been(swept, tmp_path):
    path, out = swept[0], tmp_path / "run"
    config = dataclasses.replace(CONFIG, out=out, checkpoint_seconds=0.0)
    with pytest.raises(InterruptedRunError, match=r"SIGTERM; `jaxvision sweep --resume .* goes on"):
        run_sweep(config, ASKED, quiet(), interruption=After(25))
    some = len(read_json(out / "lanes.json").lanes)
    assert 0 < some < 12 and not (out / "result.json").exists()
    begun = [path.stem for path in (out / "under_way").iterdir()]
    assert 0 < len(begun) <= 2  # a thread a core
    console = quiet()
    resume_sweep(out, console)
    assert f"{some} have ended already" in console.file.getvalue()
    assert not (out / "under_way").exists()
    assert read_json(out / "lanes.json") == read_json(path / "lanes.json")
    then, now = (json.loads((p / "result.json").read_text()) for p in (path, out))
    assert {**then, "seconds": 0} == {**now, "seconds": 0}


def test_a_finished_sweep_is_not_tested_again(swept):
    path, _ = swept
    before = {file.name: file.stat().st_mtime_ns for file in path.iterdir()}
    console = quiet()
    resume_sweep(path, console)
    assert "finished already" in console.file.getvalue()
    assert before == {file.name: file.stat().st_mtime_ns for file in path.iterdir()}


def test_if_all_diverge_what_they_did_is_kept(tmp_path):
    asked = Sweep(grid=("learning_rate=1e30",), folds=2)
    config = dataclasses.replace(CONFIG, model="mlp", optimizer="sgd", out=tmp_path / "run")
    with pytest.raises(ValueError, match=r"no candidate has a mean accuracy.*lower learning rates"):
        run_sweep(config, asked, quiet())
    assert "diverged" in (tmp_path / "run" / "lanes.csv").read_text()


def test_of_one_hyperparameter_its_curve_is_drawn_and_no_map(tmp_path):
    draw(tmp_path, sweep_of(grid({"learning_rate": (0.1, 0.01)}), lambda h: 0.9))
    names = {"learning_curves.png", "parallel_coordinates.png", "validation_curve.png"}
    assert {file.name for file in tmp_path.iterdir()} == names


def test_many_random_candidates_are_drawn_without_a_heat_map(tmp_path):
    drawn = ("learning_rate=log:1e-3:1e-1", "weight_decay=log:1e-6:1e-2")
    asked = Sweep(draw=drawn, candidates=24, folds=1)
    config = dataclasses.replace(CONFIG, epochs=1, patience=None, out=tmp_path / "run")
    run_sweep(config, asked, quiet())
    assert (tmp_path / "run" / "parallel_coordinates.png").exists()
    assert not (tmp_path / "run" / "heat_map.png").exists()
    result = json.loads((tmp_path / "run" / "result.json").read_text(), parse_constant=pytest.fail)
    assert result["validation_accuracy"]["standard_error"] is None  # of one training


def test_the_chosen_one_is_shown_though_many_are_better(swept):
    result = read_json(swept[0] / "lanes.json")
    lanes = [
        dataclasses.replace(one, lane=dataclasses.replace(one.lane, candidate=number))
        for number in range(12)
        for one in result.candidates[2]
    ]
    scores = candidate_scores(SweepResult(tuple(lanes)))
    console = quiet()
    show_sweep(Display(console), SweepResult(tuple(lanes)), scores[-1], CONFIG, 10)
    assert "chosen" in console.file.getvalue()


def test_more_images_than_a_device_should_hold_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(material, "RESIDENT_BYTES", 100_000)
    with pytest.raises(ValueError, match=r"a sweep keeps all images.*smaller --image-size"):
        run_sweep(dataclasses.replace(CONFIG, out=tmp_path / "run"), ASKED, quiet())


def test_one_division_and_no_test_on_request(tmp_path):
    asked = Sweep(grid=("learning_rate=1e-2",), folds=1, seeds=2, test=False)
    run_sweep(dataclasses.replace(CONFIG, out=tmp_path / "run"), asked, quiet())
    lanes = read_json(tmp_path / "run" / "lanes.json").lanes
    assert [(one.lane.seed, one.lane.fold) for one in lanes] == [(0, None), (1, None)]
    assert not (tmp_path / "run" / "chosen").exists()


def test_repeats_halving_and_the_simplest(tmp_path):
    asked = Sweep(
        grid=("learning_rate=1e-5,1e-2", "weight_decay=0,1e-6"),
        repeats=3,
        halving=3,
        simpler="weight_decay",
        test=False,
    )
    console = quiet()
    run_sweep(dataclasses.replace(CONFIG, out=tmp_path / "run"), asked, console)
    lanes = read_json(tmp_path / "run" / "lanes.json").lanes
    assert len(lanes) == 4 * 3
    assert {one.ended for one in lanes if one.lane.hyperparameters["learning_rate"] < 1e-3} == {
        "halved"
    }
    chosen = next(line for line in console.file.getvalue().splitlines() if "chosen" in line)
    assert "1e-06" in chosen and "0.01" in chosen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 200}, r"`folds` must be at most \d+, the examples of the rarest class"),
        ({"halving": 4}, "`first` must be below the 4 epochs"),
        ({"simpler": "model"}, "`simpler` must name an axis of numbers, got model"),
        ({"grid": ("model=alexnet,vgg16,inception_v3",)}, "different sizes.*--image-size"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(tmp_path, options, message):
    asked = dataclasses.replace(ASKED, **options)
    with pytest.raises(ValueError, match=message):
        run_sweep(dataclasses.replace(CONFIG, out=tmp_path / "run"), asked, quiet())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "setting", [{"mesh": "data=2"}, {"feed": "streaming"}, {"tensorboard": True}, {"keep": 3}]
)
def test_what_a_sweep_would_ignore_is_refused(tmp_path, setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"`{name}` is for a single training.*leave it out"):
        run_sweep(dataclasses.replace(CONFIG, **setting, out=tmp_path / "run"), ASKED, quiet())
    assert not (tmp_path / "run").exists()


def test_there_must_be_something_to_go_on_with(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no sweep: it has no sweep.json"):
        resume_sweep(tmp_path, quiet())


def test_the_command_line_refuses_settings_beside_resume(swept):
    done = subprocess.run(
        [sys.executable, "-m", "jaxvision", "sweep", "--resume", swept[0], "--epochs", "3"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "jaxvision: error: --resume goes on as the sweep began: leave out --epochs"
    )
