"""Restorers on the command line: help, evaluation, pictures, and one line for what is wrong."""

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize(
    ("task", "shown", "hidden"),
    [("denoising", "--sigma", "--depth"), ("super_resolution", "--factor", "--widths")],
)
def test_help_has_the_options_of_the_task(jaxvision, task, shown, hidden):
    code, output, _ = jaxvision("train", "--task", task, "--help")
    assert code == 0 and shown in output and hidden not in output
    code, output, _ = jaxvision("train", "--task", task, "--help-all")
    assert code == 0 and hidden in output and "--mixup" not in output


def test_evaluate_prints_every_picture_and_the_mean(jaxvision, trained):
    code, output, error = jaxvision("evaluate", trained.path, "--part", "validation")
    assert code == 0, error
    rows = [line for line in output.splitlines() if line.startswith("│")]
    assert len(rows) >= 7 and rows[-1].split()[1:4] == ["mean", "of", "6"]


def test_predict_writes_a_new_picture(jaxvision, trained, tmp_path):
    file = tmp_path / "photo.png"
    Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(file)
    before = file.read_bytes()
    code, output, error = jaxvision("predict", trained.path, file, "--out", tmp_path / "made")
    assert code == 0, error
    factor = getattr(trained.config, "factor", 1)
    name = "photo-x2.png" if factor == 2 else "photo-denoised.png"
    assert name in output
    with Image.open(tmp_path / "made" / name) as made:
        assert made.size == (30 * factor, 20 * factor)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("denoising", "--model", "dncn"), "`model` is unknown: 'dncn'. Did you mean `dncnn`"),
        (("denoising", "--sigma", "50", "10"), "`sigma` must be one number in (0, 255], or two"),
        (("denoising", "--peak", "10"), "`peak` must be left out without poisson noise"),
        (("super_resolution", "--factor", "3"), "`patch` must be a multiple of the factor, 3"),
        (("denoising", "--data", "images:nowhere"), "`data`: nowhere does not exist"),
    ],
)
def test_wrong_usage_is_one_line(jaxvision, arguments, message):
    code, _, error = jaxvision("train", "--task", *arguments)
    assert code == 2 and error.count("\n") == 1 and message in error, error
