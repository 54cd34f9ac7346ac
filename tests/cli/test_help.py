"""The help of every command: what it names, and that its lines read as paragraphs."""

import itertools
import re

import pytest

from jaxvision.cli.tasks import TASKS

HELP = [
    *(f"train --task {task} --help-all" for task in TASKS),
    *(f"{command} --help-all" for command in ("sweep", "style")),
    *("learn-style --help", "evaluate --help", "predict --help", "inspect --help"),
    *("features --help", "summary --help", "filter --help", "data verify --help"),
]


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("predict", "--help")])
def test_help_is_printed(jaxvision, arguments):
    code, output, _ = jaxvision(*arguments)
    assert code == 0 and "usage: jaxvision" in output


def test_help_names_every_optimizer(jaxvision):
    from jaxvision.runs.optimizer import OPTIMIZERS

    code, output, _ = jaxvision("train", "--help")
    assert code == 0
    assert all(re.search(rf"\b{name}\b", output) for name in OPTIMIZERS)


@pytest.mark.parametrize("columns", [80, 93, 100])
@pytest.mark.parametrize("words", HELP)
def test_each_line_of_help_is_full_before_the_next_begins(jaxvision, monkeypatch, words, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, output, _ = jaxvision(*words.split())
    lines = [line.replace("│", " ").rstrip() for line in output.splitlines()]
    assert code == 0 and any("--help" in line for line in lines)
    for line, following in itertools.pairwise(lines):
        column = len(following) - len(following.lstrip())
        if column > 2 and line[column - 2 : column] == "  ":
            assert len(f"{line} {following.split()[0]}") > columns - 3, (line, following)


def test_the_help_of_all_commands_has_a_sentence_for_each(jaxvision, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, output, _ = jaxvision("--help")
    named = re.search(r"\{(.*)\}", output)[1].split(",")
    lines = output[output.index("•") :].splitlines()[: len(named)]
    assert code == 0 and len(named) > 10
    for name, line in zip(named, lines, strict=True):
        assert re.search(rf"• {name} +[A-Z].*\.[ │]*$", line)
