"""All that is wrong with a command's options, in one line, before anything is read (case 34)."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxvision.cli.checking import check_options
from jaxvision.cli.commands import command_of
from jaxvision.cli.tasks import TASKS

WRONG = {
    "train --lerning-rate 1 --epochs x --batch-size -2 --schedule cosin --shift nan --flip 1": [
        "`--lerning-rate` is unknown (did you mean `--learning-rate`?)",
        "`--epochs` must be a whole number, got 'x'",
        "`batch_size` must be at least 1, got -2",
        "`--schedule` must be 'cosine' or 'constant', got 'cosin'",
        "`shift` must be in [0, 1), got nan",
        "`1` after `--flip` is no option",
    ],
    "train digits --seed 1 --seed=2 --patience --mixup -1 --freeze body --data folder:absent": [
        "`digits` is no option: options begin with --",
        "`--seed` is given twice",
        "`--patience` must have a value, a whole number or null",
        "`mixup` must be in [0, inf), got -1.0",
        "`freeze` must be left out without `pretrained`, got body",
        "`data`: absent does not exist",
    ],
    "train --config absent.toml --keep 0 --data-dir absent": [
        "absent.toml is no file",
        "`keep` must be at least 1, got 0",
        "`data_dir`: absent is no folder",
    ],
    "train --task detection --backbon vgg16 --pyramid 3 --anchor-sizes 8 x --clip 0": [
        "`--backbon` is unknown (did you mean `--backbone`?)",
        "`pyramid` must be at least 1, or left out where",
        "`--anchor-sizes` must be a list, each of it a number, got '8 x'",
        "`clip` must be positive, got 0.0",
    ],
    "train --task segmentation --loss dic --optimizer adm --patches 3 --mixup 0.2": [
        "`loss` is unknown: 'dic'. Did you mean `dice`?",
        "`optimizer` is unknown: 'adm'. Did you mean `adam`?",
        "`patches` must be at least 1, and left out without `patch`, got 3",
        "`--mixup` is unknown",
    ],
    "train --task denoising --sigma 30 10 --peak 5 --epochs 1.5": [
        "`sigma` must be one number in (0, 255], or two, ascending, got (30.0, 10.0)",
        "`peak` must be left out without poisson noise, got 5.0",
        "`--epochs` must be a whole number, got '1.5'",
    ],
    "train --task super_resolution --factor 5 --widths 8 --test-data images:absent": [
        "`--factor` must be 2 or 3 or 4, got '5'",
        "`widths` must be two whole numbers, each at least 1, got (8,)",
        "`test_data`: absent does not exist",
    ],
    "sweep --folds 0 --simpler -weight_decay --cunk 3 --learning-rate -1": [
        "`folds` must be at least 1, got 0",
        "`simpler` needs a standard error",
        "`--cunk` is unknown (did you mean `--chunk`?)",
        "`learning_rate` must be positive and finite, got -1.0",
        "one of `grid` and `draw` must name what to try",
    ],
    "style me.png --steps 0 --content-weight -1 --sise 5 --initial nois --style-scale inf": [
        "`steps` must be at least 1, got 0",
        "`content_weight` must be in [0, inf), got -1.0",
        "`--sise` is unknown (did you mean `--size`?)",
        "`--initial` must be 'content' or 'noise' or 'style', got 'nois'",
        "`style_scale` must be positive and finite, got inf",
    ],
    "learn-style photos style.png --every 0 --learning-rate 0 --width wide": [
        "`every` must be at least 1, got 0",
        "`learning_rate` must be positive and finite, got 0.0",
        "`--width` must be a whole number, got 'wide'",
    ],
}


@pytest.mark.parametrize("line", WRONG, ids=lambda line: " ".join(line.split()[:3]))
def test_all_that_is_wrong_is_said_in_one_line(jaxvision, line):
    code, _, error = jaxvision(*line.split())
    assert code == 2 and error.count("\n") == 1 and error.startswith("jaxvision: error: ")
    for part in WRONG[line]:
        assert part in error, part
    assert error.count("; ") == len(WRONG[line]) - 1, error  # and nothing else
    assert list(Path.cwd().iterdir()) == []


def test_of_a_file_and_the_line_together(jaxvision):
    Path("settings.toml").write_text('epochs = "3"\nbatchsize = 8\nzoom = 2\nkeep = 0\n')
    code, _, error = jaxvision("train", "--config", "settings.toml", "--keep", "3", "--seed", "-1")
    assert code == 2
    for part in (
        "settings.toml: `epochs` must be a whole number, got '3': leave out the quotes",
        "settings.toml: `batchsize` is unknown (did you mean `batch_size`?)",
        "`zoom` must be in [0, 1), got 2.0",
        "`seed` must be in [0, 2**32), got -1",
    ):
        assert part in error, part
    assert "keep" not in error  # the line wins


def test_it_takes_under_two_seconds_and_not_jax():
    # Of the processor: what else the machine does is not the command's.
    line = "train --lerning-rate 1 --epochs x --batch-size -2"
    program = f"""
import sys, time
sys.argv = ["jaxvision", *{line.split()}]
from jaxvision.cli import main
code = main()
print(code, "jax" in sys.modules, time.process_time())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    code, jax, seconds = done.stdout.split()
    assert (code, jax) == ("2", "False") and float(seconds) < 2
    assert re.search("did you mean.*whole number.*at least 1", done.stderr)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_right_passes(task):
    words = f"train --task {task} --optimizer=sgd --learning_rate 1e-3 --no-compilation-cache"
    words = [*words.split(), "--patience", "None", "--epochs", "1_0", "--allow-changed", "a", "b"]
    start = time.process_time()
    check_options(command_of(words, task), words[1:])
    sweep = ["sweep", "--grid", "model=mlp,lenet5", "flip=true", "--simpler", "-weight_decay"]
    for right in (
        sweep,
        ["sweep", "--resume", "run"],
        ["style", "a", "b", "-o", "c.png", "--force"],
    ):
        check_options(command_of(right, task), right[1:])
    assert time.process_time() - start < 10
    assert command_of(["models"], task) is None and command_of([], task) is None
