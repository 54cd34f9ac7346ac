"""What is released works without the checkout: a wheel is built from the source archive and run."""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import jaxvision

ROOT = Path(__file__).parents[1]
VERSION = jaxvision.__version__
DATA = {"jaxvision/py.typed", "jaxvision/style/vgg16_means.npz"}  # all that is no Python


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """(source archive, wheel): the second is built from the first, as `python -m build` does."""
    pytest.importorskip("hatchling", reason="the test extra is not installed")
    folder = tmp_path_factory.mktemp("release")
    hatchling = (sys.executable, "-m", "hatchling", "build", "-d", folder, "-t")
    run(*hatchling, "sdist", cwd=ROOT)
    archive = folder / f"jaxvision-{VERSION}.tar.gz"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    run(*hatchling, "wheel", cwd=folder / f"jaxvision-{VERSION}")
    return archive, folder / f"jaxvision-{VERSION}-py3-none-any.whl"


def test_the_archive_has_what_repeats_the_results(release):
    with tarfile.open(release[0]) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert names >= DATA | {"tests/test_release.py", "experiments/density.py", ".ci/run"}
    assert names >= {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "docs/training.md"}
    assert not [name for name in names if "__pycache__" in name or name.startswith("runs/")]


def test_the_wheel_has_the_package_and_nothing_else(release):
    with zipfile.ZipFile(release[1]) as wheel:
        names = set(wheel.namelist())
        metadata = email.message_from_bytes(wheel.read(f"jaxvision-{VERSION}.dist-info/METADATA"))
    information = {name for name in names if name.startswith(f"jaxvision-{VERSION}.dist-info/")}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "jaxvision").rglob("*.py")}
    assert names - information == modules | DATA
    assert f"jaxvision-{VERSION}.dist-info/licenses/LICENSE" in information
    assert metadata["License-Expression"] == "Apache-2.0"
    assert any(line.startswith("flax>=") for line in metadata.get_all("Requires-Dist"))


def test_the_wheel_works_away_from_the_checkout(release, tmp_path):
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target",
        tmp_path, release[1])  # fmt: skip
    others = (path for path in sys.path if not Path(path).resolve().is_relative_to(ROOT))
    # -S: no .pth file of an editable installation leads back to the checkout.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), *others))}
    where = "import jaxvision; print(jaxvision.__file__)"
    options = {"cwd": tmp_path, "env": environment}
    assert Path(run(sys.executable, "-S", "-c", where, **options).strip()).is_relative_to(tmp_path)
    models = run(sys.executable, "-S", tmp_path / "bin" / "jaxvision", "models", **options)
    assert "resnet50" in models


def test_all_files_name_the_same_version():
    newest = re.search(r"^## \[(.+?)\] - (Unreleased|\d{4}-\d\d-\d\d)$", changelog(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest[1] == citation["version"] == VERSION
    assert citation["license"] == "Apache-2.0" and citation["cff-version"] == "1.2.0"


def changelog():
    return (ROOT / "CHANGELOG.md").read_text()


def test_the_changelog_names_every_part():
    parts = {path.parent.name for path in (ROOT / "jaxvision").glob("*/__init__.py")}
    assert parts == set(re.findall(r"`jaxvision\.(\w+)`", changelog()))


@pytest.mark.parametrize("page", ["CHANGELOG.md", "CONTRIBUTING.md"])
def test_links_and_files_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target
    for target in re.findall(
        r"`(?:\./)?((?:jaxvision|tests|docs|benchmarks|experiments)/[^`*]*)`", text
    ):
        assert (ROOT / target).exists(), target
