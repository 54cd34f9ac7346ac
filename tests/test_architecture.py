"""Imports point one way: each part of the package may know only the parts that it is built on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxvision"

# What each part may import of ours. Anyone may import those that import nothing of ours.
FREE = {"names", "hyperparameters", "settings", "setting_types"}
MAY_IMPORT = {
    **{part: set() for part in FREE},
    "optim": set(),
    "ops": set(),
    "augment": {"ops"},
    "data": set(),
    "models": {"ops"},
    "pretrained": {"models"},
    "inspect": {"ops"},
    "train": {"optim", "ops"},
    "checkpoint": {"train"},
    "selection": {"checkpoint", "data", "inspect", "ops", "train"},
    "transfer": {"data", "inspect", "models", "ops", "optim", "pretrained", "train"},
    "style": {"data", "inspect", "models", "ops", "optim", "pretrained", "train"},
    "runs": {"checkpoint", "data", "optim", "ops", "train"},
    "detection": {
        *("augment", "checkpoint", "data", "inspect", "models", "ops", "optim", "pretrained"),
        *("runs", "train", "transfer"),
    },
    "segmentation": {
        *("augment", "checkpoint", "data", "inspect", "models", "ops", "optim", "pretrained"),
        *("runs", "train", "transfer"),
    },
    "restoration": {
        *("augment", "checkpoint", "data", "inspect", "models", "ops", "optim", "pretrained"),
        *("runs", "train"),
    },
    "classification": {
        "augment",
        "checkpoint",
        "data",
        "inspect",
        "models",
        "ops",
        "optim",
        "pretrained",
        "runs",
        "selection",
        "train",
        "transfer",
    },
    "cli": {
        *("classification", "data", "detection", "inspect", "models", "ops", "restoration"),
        *("runs", "segmentation", "style", "train"),
    },
    "__main__": {"cli"},
    "__init__": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """Every module that the file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module
            if node.module == "jaxvision":
                yield from (f"jaxvision.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    part = part_of(path)
    allowed = MAY_IMPORT[part] | {part} | FREE
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("jaxvision.")}
    assert ours <= allowed, f"{part} may not import {sorted(ours - allowed)}"


def test_optim_works_without_flax():
    code = "import sys; from jaxvision import optim; sys.exit('flax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("module", ["jaxvision", "jaxvision.cli"])
def test_importing_is_free(module):
    # Named libraries and not seconds: what is imported does not depend on the machine's load.
    code = f"import sys, {module}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    heavy = {"jax", "flax", "optax", "numpy", "sklearn", "matplotlib", "tensorflow_datasets"}
    assert heavy.isdisjoint(modules.split())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_one_concept(path):
    assert len(path.read_text().splitlines()) <= 300


def test_the_package_has_the_version_that_it_says():
    from importlib.metadata import version

    import jaxvision

    assert jaxvision.__version__ == version("jaxvision")
