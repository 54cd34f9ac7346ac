"""The pages are true: their code runs, their commands are understood, their links lead on."""

import re
import shlex
from pathlib import Path

import pytest

from jaxvision.classification import config

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OPTIONS = {
    f"--{name.replace('_', '-')}" for group in config.GROUPS for name in group.__dataclass_fields__
} | {"--resume", "--config", "--allow-changed", "--help", "--help-all", "--no-compilation-cache"}


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page):
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (DOCS / target).exists(), target


def trainings():
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                _, found, words = line.partition("jaxvision train")
                if found:
                    yield pytest.param(shlex.split(words.rstrip('"'), comments=True), id=line[:60])


@pytest.mark.parametrize("words", list(trainings()))
def test_commands_have_options_that_there_are(words):
    assert {word for word in words if word.startswith("--")} <= OPTIONS


def test_options_that_are_described_are_there():
    text = (DOCS / "training.md").read_text() + (DOCS / "scaling.md").read_text()
    named = set(re.findall(r"`(--[a-z-]+)", text))
    assert named and named <= OPTIONS, named - OPTIONS
