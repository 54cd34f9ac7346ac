"""Detectors on the command line: help, evaluation, pictures, and one line for what is wrong."""

import numpy as np
import pytest
from PIL import Image


def test_help_has_the_options_of_detectors(jaxvision):
    code, output, _ = jaxvision("train", "--task", "detection", "--help")
    assert code == 0 and "--backbone" in output and "--anchor-sizes" not in output
    code, output, _ = jaxvision("train", "--task=detection", "--help-all")
    assert code == 0 and "--anchor-sizes" in output and "--mixup" not in output
    code, output, _ = jaxvision("train", "--help")
    assert code == 0 and "--backbone" not in output and "--task detection" in output


def test_evaluate_prints_every_class(jaxvision, trained):
    code, output, error = jaxvision("evaluate", trained.path, "--part", "validation")
    assert code == 0, error
    rows = [line for line in output.splitlines() if line.startswith("│")]
    assert [row.split()[1] for row in rows] == [*"0123456789", "mean"]


def test_predict_draws_into_a_new_file(jaxvision, trained, tmp_path):
    file = tmp_path / "scene.png"
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(file)
    before = file.read_bytes()
    for name in ("scene-found.png", "scene-found-2.png"):
        code, output, error = jaxvision(
            "predict", trained.path, file, "--score", 0.001, "--out", tmp_path / "found"
        )
        assert code == 0, error
        assert name in output
        with Image.open(tmp_path / "found" / name) as drawn:
            assert drawn.width % 60 == 0 and drawn.height % 40 == 0
    assert file.read_bytes() == before


def test_a_finished_run_is_gone_on_with_as_a_detector(jaxvision, trained):
    code, output, error = jaxvision("train", "--resume", trained.path)
    assert code == 0, error
    assert "is finished already" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--task", "detecton"), "`--task` is unknown: 'detecton'. Did you mean"),
        (("train", "--task", "detection", "--model", "yolo9"), "`model` is unknown: 'yolo9'"),
        (("train", "--task", "detection", "--epochs", "0"), "`epochs` must be at least 1, got 0"),
    ],
)
def test_wrong_usage_is_one_line(jaxvision, arguments, message):
    code, _, error = jaxvision(*arguments)
    assert code == 2 and error.count("\n") == 1 and message in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--score", 2), "`--score` must be in (0, 1], got 2"),
        (("--out", "a.txt"), "`--out` must be a folder, got the file a.txt"),
        (("nothing.png",), "nothing.png: no such image file"),
    ],
)
def test_what_cannot_be_predicted_is_said(jaxvision, trained, arguments, message, tmp_path):
    (tmp_path / "a.txt").write_text("")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    code, _, error = jaxvision("predict", trained.path, "a.png", *arguments)
    assert code == 2 and message in error, error


def test_options_beside_resume_are_refused_and_not_ignored(jaxvision, trained):
    code, _, error = jaxvision("train", "--resume", trained.path, "--hidden", 7)
    assert code == 2 and "--hidden 7 (the run has 128)" in error
