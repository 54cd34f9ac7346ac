"""The command line as a user meets it: what it prints, and one line for whatever is wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    """A run made by the real command in a real process; (its directory, what it printed)."""
    path = tmp_path_factory.mktemp("cli") / "run"
    arguments = ("--model", "softmax_regression", "--learning-rate", "0.01", "--epochs", "15")
    command = [sys.executable, "-m", "jaxvision", "train", *arguments, "--out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return path, done.stdout


def one_line(code, error, expected_code):
    assert code == expected_code, error
    assert error.startswith("jaxvision: error: ") and error.count("\n") == 1, error
    assert "Traceback" not in error
    return error


def test_train_prints_a_line_an_epoch_and_a_table_without_control_characters(digits_run):
    path, output = digits_run
    assert sum(line.startswith("epoch") for line in output.splitlines()) == 15
    result = json.loads((path / "result.json").read_text())
    assert f"{100 * result['test']['accuracy']:.2f} %" in output
    assert "\x1b" not in output and "\r" not in output


def test_evaluate_prints_every_class(jaxvision, digits_run):
    path, _ = digits_run
    code, output, _ = jaxvision("evaluate", path)
    result = json.loads((path / "result.json").read_text())
    assert code == 0
    assert f"accuracy {100 * result['test']['accuracy']:.2f} %" in output
    assert "precision" in output and "recall" in output and "359 images" in output


def test_predict_prints_the_most_probable_classes(jaxvision, digits_run, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "black.png")
    code, output, _ = jaxvision("predict", digits_run[0], "black.png", "black.png", "--top", "3")
    lines = output.splitlines()
    assert code == 0 and len(lines) == 8
    assert lines[0] == lines[4] == "black.png"
    percents = [float(line.split()[0]) for line in lines[1:4]]
    assert percents == sorted(percents, reverse=True) and 0 < sum(percents) <= 100


def test_models_lists_every_name_under_its_paper(jaxvision):
    from jaxvision.models import MODELS

    code, output, _ = jaxvision("models")
    assert code == 0
    assert set(MODELS) <= set(output.split())
    assert "LeNet-5: convolve, subsample" in output
    assert max(map(len, output.splitlines())) <= 100


def test_summary_prints_a_table(jaxvision):
    code, output, _ = jaxvision("summary", "lenet5", "--channels", "1", "--classes", "10")
    lines = output.splitlines()
    assert code == 0 and max(map(len, lines)) <= 80
    (s4,) = (line.split() for line in lines if line.startswith("s4"))
    assert " ".join(s4) == "s4 5 x 5 x 16 16 4 0 2,572 358 k"
    assert any(line.split()[:2] == ["parameters", "61,706"] for line in lines)


def test_summary_prints_json_alone_and_draws(jaxvision, tmp_path):
    options = ("--image-size", "36", "--json", "--diagram", "network.svg")
    code, output, _ = jaxvision("summary", "lenet5", *options)
    found = json.loads(output)
    assert code == 0 and {"parameters", "macs", "features"} <= set(found)
    assert found["image_shape"] == [1, 36, 36, 3]
    s4 = found["features"][3]
    keys = ("name", "shape", "receptive_field", "stride", "offset")
    assert [s4[key] for key in keys] == ["s4", [1, 6, 6, 16], 16, 4, 0]
    assert "<svg" in (tmp_path / "network.svg").read_text()


USAGE = [
    (("train", "--model", "lenet"), r"`model` is unknown: 'lenet'. Did you mean `lenet5`? Known:"),
    (("train", "--optimizer", "adm"), "`optimizer` is unknown: 'adm'. Did you mean `adam`?"),
    (("train", "--data", "digit"), "`data` is unknown: 'digit'. Did you mean `digits`?"),
    (("train", "--data", "folder:nowhere"), "nowhere"),
    (("train", "--data", "tfds:mnis"), "mnist"),
    (("train", "--batch-size", "2000"), "`batch_size` must be in [1, 1258]"),
    (("train", "--epochs", "0", "--learning-rate", "-1"), "`learning_rate` must be positive"),
    (("train", "--model", "perceptron"), "`num_classes` must be 2"),
    (("train", "--image-size", "9"), "at least 16 x 16 for lenet5"),
    (("train", "--out", "file"), "file is not empty: choose another directory with --out"),
    (("train", "--out", "file/run"), "file/run cannot be written"),
    (("train", "--image-size", "100000"), "`image_size` must be in [1, 4096]"),
    (("train", "--resume", "nowhere"), "nowhere is not a run"),
    (("evaluate", "nowhere"), "nowhere is not a run"),
    (("predict", "nowhere", "file"), "nowhere is not a run"),
    (("summary", "resnt50"), "`model` is unknown: 'resnt50'. Did you mean `resnet50`?"),
    (("summary", "vgg16", "--image-size", "8"), "must be at least 32 x 32"),
    (("summary", "vgg16", "--channels", "0"), "must be at least 1, got 224 and 0"),
    (("summary", "vgg16", "--diagram", "a.gif"), "`--diagram` must end in .svg or .png"),
    (("summary", "lenet5", "--diagram", "nowhere/a.svg"), "nowhere/a.svg"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=lambda value: str(value)[:40])
def test_wrong_usage_is_one_line_with_the_remedy_and_exit_code_2(jaxvision, arguments, message):
    Path("file").write_text("something")
    code, _, error = jaxvision(*arguments)
    assert message in one_line(code, error, 2)
    assert [path.name for path in Path.cwd().iterdir()] == ["file"]  # nothing left behind


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(("train", "--epoch", "3"), "--epochs"), (("trian",), "train"), (("predict",), "RUN")],
)
def test_a_mistyped_option_is_answered_with_the_nearest(jaxvision, arguments, part):
    code, _, error = jaxvision(*arguments)
    assert code == 2 and part in error and "Traceback" not in error


def test_broken_pictures_are_named(jaxvision, digits_run):
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    code, output, error = jaxvision("predict", digits_run[0], "broken.png")
    assert "broken.png" in one_line(code, error, 2) and output == ""
    code, _, error = jaxvision("predict", digits_run[0], "absent.png")
    assert "absent.png" in one_line(code, error, 2)
    code, _, error = jaxvision("predict", digits_run[0])
    assert "name at least one image" in one_line(code, error, 2)


def test_a_truncated_image_stops_training_by_its_name(jaxvision):
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (Path("pets") / name).mkdir(parents=True)
        for i in range(10):
            pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(Path("pets") / name / f"{i}.png")
    broken = Path("pets/dogs/4.png")
    broken.write_bytes(broken.read_bytes()[:-500])
    code, _, error = jaxvision("train", "--data", "folder:pets", "--batch-size", "4")
    assert "dogs" in error and "4.png" in one_line(code, error, 2)
    assert not Path("runs").exists()


def test_a_run_is_never_written_over(jaxvision, digits_run):
    code, _, error = jaxvision("train", "--out", digits_run[0])
    message = one_line(code, error, 2)
    assert "already holds a run" in message and "--resume" in message


def test_options_beside_resume_are_refused_and_not_ignored(jaxvision, digits_run):
    code, _, error = jaxvision("train", "--resume", digits_run[0], "--epochs", "99")
    message = one_line(code, error, 2)
    assert "--epochs 99 (the run has 15)" in message
    assert jaxvision("train", "--resume", digits_run[0], "--epochs", "15")[0] == 0


def test_an_option_is_given_also_where_it_has_its_default(jaxvision, digits_run):
    # The run has 15 epochs; 40 are what is trained for if nothing is said.
    code, _, error = jaxvision("train", "--resume", digits_run[0], "--epochs", "40")
    assert "--epochs 40 (the run has 15)" in one_line(code, error, 2)


def test_of_a_file_and_an_option_the_option_wins(jaxvision):
    Path("settings.toml").write_text('model = "softmax_regression"\nepochs = 2\npatience = 7\n')
    arguments = ("train", "--config", "settings.toml", "--patience=15", "--epochs", "1")
    assert jaxvision(*arguments, "--out", "run")[0] == 0
    config = json.loads(Path("run/config.json").read_text())["config"]
    assert (config["model"], config["epochs"], config["patience"]) == ("softmax_regression", 1, 15)


def test_a_loss_that_is_not_finite_is_a_failure(jaxvision):
    arguments = ("--optimizer", "sgd", "--learning-rate", "1e30", "--model", "mlp")
    code, _, error = jaxvision("train", *arguments, "--out", "run")
    message = one_line(code, error, 1)
    assert "at step" in message and "smaller learning rate" in message


def test_debug_shows_where(jaxvision):
    with pytest.raises(ValueError, match="is unknown"):
        jaxvision("train", "--model", "lenet", "--debug")


def test_an_interrupt_says_how_to_go_on_and_can_be_gone_on_from(jaxvision, monkeypatch):
    # Ctrl-C arrives while the third epoch is being written down.
    from jaxvision.train import run as files

    write = files.write_metrics

    def interrupted(path, history):
        if len(history) == 3:
            raise KeyboardInterrupt
        write(path, history)

    monkeypatch.setattr(files, "write_metrics", interrupted)
    options = ("--model", "mlp", "--epochs", "4", "--checkpoint-seconds", "0", "--out", "run")
    code, output, _ = jaxvision("train", *options)
    assert code == 130 and "interrupted; `jaxvision train --resume run` goes on" in output
    monkeypatch.setattr(files, "write_metrics", write)
    code, output, _ = jaxvision("train", "--resume", "run")
    assert code == 0 and "going on after epoch 2" in output and "epoch 4/4" in output


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("jaxvision")
    environment = os.environ | {"COLUMNS": "80"}
    done = subprocess.run([command, "--help"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "train" in done.stdout


def test_a_disk_that_is_full_is_one_line_and_what_was_saved_serves(tmp_path):
    # A real limit on what a real process may write: less than the weights.
    path = tmp_path / "run"
    program = """
import resource, sys
from jaxvision.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main())
"""
    options = ("--model", "mlp", "--epochs", "3", "--no-compilation-cache", "--out", path)
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", program, "train", *options],
        capture_output=True,
        text=True,
        env=environment,
    )
    message = one_line(done.returncode, done.stderr, 1)
    assert "model.safetensors cannot be written (File too large)" in message
    assert "MB are needed" in message and "--resume" in message
    assert sorted(file.name for file in path.iterdir()) == ["config.json", "metrics.jsonl"]
    command = [sys.executable, "-m", "jaxvision", "train", "--resume", path]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_training_goes_on_from_a_run_and_features_are_compared(digits_run, jaxvision, monkeypatch):
    monkeypatch.setenv("JAXVISION_CACHE", "cache")
    run, _ = digits_run
    code, output, error = jaxvision(
        "train", "--pretrained", run, "--rate-decay", "1", "--epochs", "1", "--out", "next"
    )
    assert code == 0 and "softmax_regression on digits" in output, error
    code, output, error = jaxvision("train", "--resume", "next", "--pretrained", run)
    assert code == 0 and "finished already" in output, error
    code, output, error = jaxvision("train", "--resume", "next", "--pretrained", "vgg16")
    assert "--pretrained vgg16:lpips (the run has " in one_line(code, error, 2)
    code, output, error = jaxvision("train", "--pretrained", run, "--freeze", "stage3")
    assert "`feature` is unknown: 'stage3'. Known: pixels." in one_line(code, error, 2)
    code, output, error = jaxvision("train", "--pretrained", run, "--freeze", "body")
    assert "`learning` must be some of the 2 parameters, got all" in one_line(code, error, 2)
    code, output, error = jaxvision("train", "--pretrained", "vgg16", "--model", "vgg19")
    assert "beside `pretrained`, which is of vgg16, got vgg19" in one_line(code, error, 2)
    code, output, error = jaxvision("train", "--pretrained", "vgg16", "--model", "lenet5")
    assert "beside `pretrained`, which is of vgg16, got lenet5" in one_line(code, error, 2)
    code, output, error = jaxvision("sweep", "--pretrained", run, "--grid", "model=mlp,lenet5")
    assert "`model` cannot be an axis beside `pretrained`" in one_line(code, error, 2)
    assert {path.name for path in Path().iterdir()} <= {"next", "cache"}


def test_features_are_shown_and_written(jaxvision, monkeypatch):
    monkeypatch.setenv("JAXVISION_CACHE", "cache")
    assert jaxvision("train", "--model", "mlp", "--epochs", "2", "--out", "run")[0] == 0
    code, output, error = jaxvision("features", "run", "--out", "digits.npz", "--folds", "3")
    assert code == 0, error
    images = "of each of 1258 train, 180 validation, 359 test images"
    for text in (f"hidden2: 128 numbers {images}", "linear SVM", "3 folds"):
        assert text in output
    code, _, error = jaxvision("features", "run", "--out", "features.txt")
    assert "`out` must end in .npz" in one_line(code, error, 2)
    with np.load("digits.npz") as arrays:
        assert len(arrays["test"]) == len(arrays["test_labels"]) == 359


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("style.png",), r"`STYLE` \(style.png\) has no use with `--learned`"),
        (("--content-weight", "0.05"), "`--content-weight` has no use with `--learned`"),
        (("--no-relative",), "`--relative` has no use with `--learned`"),
        (("--mask", "a.png"), "`--mask` has no use with `--learned`"),
        (("--size", "64"), "none.safetensors: no such file"),
    ],
)
def test_options_that_a_learned_style_has_no_use_for_are_refused(jaxvision, arguments, match):
    command = ("style", "me.png", *arguments, "--learned", "none.safetensors")
    code, _, error = jaxvision(*command)
    assert re.search(match, one_line(code, error, 2))
