"""The documentation site: it builds without a warning, and nothing of the package is left out."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from website import api, benchmarks, links

ROOT = Path(__file__).parents[1]


def test_the_strict_build_passes_and_has_every_public_name(tmp_path):
    for module in ("material", "mkdocstrings", "nbconvert", "latex2mathml"):
        pytest.importorskip(module, reason="the docs extra is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path]
    environment = {name: value for name, value in os.environ.items() if "NOTEBOOKS" not in name}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    for package in api.packages():
        page = (tmp_path / api.page_name(package)).with_suffix(".html").read_text()
        own, modules = api.members_of(package)
        for module, names in {package: own, **modules}.items():
            for name in names:
                assert f'id="{module}.{name}"' in page, f"{module}.{name}"
    for page in tmp_path.rglob("*.html"):
        loaded = r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]+)"'
        assert re.findall(loaded, page.read_text()) == [], page.name


@pytest.fixture
def notebooks(monkeypatch):
    module = pytest.importorskip("website.notebooks", reason="the docs extra is not installed")
    monkeypatch.delenv(module.EXECUTE, raising=False)
    return module


def test_every_notebook_is_a_page(notebooks):
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        text, pictures = notebooks.page_of(notebook)
        assert text.lstrip().startswith("# ") and pictures == {}


def test_a_notebook_is_run_on_request(notebooks, tmp_path, monkeypatch):
    picture = "from IPython.display import Image, display"
    blank = "display(Image(b'made here', format='png'))"
    cells = [{"cell_type": "code", "source": f"{picture}\n{blank}\nprint(6 * 7)"}]
    cells[0] |= {"metadata": {}, "outputs": [], "execution_count": None, "id": "one"}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path = tmp_path / "made_up.ipynb"
    content = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    monkeypatch.setenv(notebooks.EXECUTE, "1")
    text, pictures = notebooks.page_of(path)
    ((name, made),) = pictures.items()
    assert name.startswith("made_up_") and made == b"made here"
    assert f"]({name})" in text and "    42\n" in text


def test_formulas_are_mathml(notebooks):
    html = notebooks.with_mathml(
        r'<span class="arithmatex">\(a &lt; b^2\)</span> <div class="arithmatex">\[x\]</div>'
    )
    assert html.count("<math") == 2 and 'display="block"' in html and "arithmatex" not in html
    assert "<msup>" in html and "&#x0003C;" in html


@pytest.mark.parametrize("package", api.packages())
def test_a_package_hands_out_what_its_page_shows(package):
    exported = api.names_in_all(
        ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text())
    )
    own, modules = api.members_of(package)
    shown = [name for names in (own, *modules.values()) for name in names]
    assert shown and exported - {*shown} <= {path.rpartition(".")[2] for path in modules}
    if exported and package not in api.BY_MODULES:
        given = {*shown} - exported
        assert given <= {*modules.get(f"{package}.schedules", ())}


def test_examples_with_prompts_are_code():
    markdown = pytest.importorskip("markdown", reason="the docs extra is not installed")
    text = "So:\n>>> f(1)\n2\n\nAnd on.\n\n> quoted"
    html = markdown.markdown(text, extensions=["website.doctests"])
    assert "<pre><code>&gt;&gt;&gt; f(1)\n2\n</code></pre>" in html
    assert "<p>And on.</p>" in html and html.count("<blockquote>") == 1


def test_links_lead_to_where_things_are_on_the_site():
    text = (
        "[a](../notebooks/01_optimizers.ipynb) [b](style.md#x) [c](../LICENSE) [d](#e) [f](no.md)"
    )
    moved, beside = links.redirect(text, "docs/index.md", "index.md")
    assert moved == (
        "[a](notebooks/01_optimizers.md) [b](style.md#x) [c](source/LICENSE) [d](#e) [f](no.md)"
    )
    assert beside == {"LICENSE"}
    text = "[a](../docs/style.md) ![b](../docs/images/digits.png) [c](https://jax.dev)"
    moved, beside = links.redirect(text, "notebooks/01_optimizers.ipynb", "notebooks/01.md")
    assert moved == "[a](../style.md) ![b](../images/digits.png) [c](https://jax.dev)"
    assert beside == set()
    moved, _ = links.redirect("[a](jaxvision/ops) [b](experiments)", "README.md", "index.md")
    assert moved == "[a](api/ops.md) [b](results.md)"


def anchors(page):
    """The names that GitHub and MkDocs both give a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"\s", "-", heading) for heading in plain}


@pytest.mark.parametrize(
    "page",
    [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))],
    ids=lambda page: page.name,
)
def test_links_and_anchors_lead_somewhere(page):
    for file, _, anchor in re.findall(r"\]\(([^)#\s]*)(#([^)]+))?\)", page.read_text()):
        if file.startswith("https://"):
            continue
        target = page.parent / file if file else page
        assert target.exists(), file
        if anchor:
            assert anchor in anchors(target), f"{file}#{anchor}"


def test_the_page_of_the_benchmarks_is_what_its_generator_makes():
    commands = benchmarks.commands()
    assert benchmarks.PAGE.read_text() == benchmarks.page_of(commands)
    files = (ROOT / "benchmarks").glob("[!_]*.py")
    runnable = {file.stem for file in files if '__name__ == "__main__"' in file.read_text()}
    assert runnable == {*commands}
