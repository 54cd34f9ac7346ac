"""The index of the course is true: what it names is there, and nothing of the zoo is left out."""

import ast
import importlib
from functools import cache
from inspect import isfunction
from pathlib import Path

import pytest

from jaxvision import optim
from jaxvision.models import MODELS
from website import lectures

TESTS = Path(__file__).parent
LECTURES = lectures.read_table()
ROWS = [row for lecture in LECTURES for row in lecture.rows]


@cache
def functions_of(file):
    return {
        node.name
        for node in ast.parse((TESTS / file).read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.title)
def test_every_object_imports(lecture):
    for row in lecture.rows:
        assert row.objects, row.slide
        for path in row.objects:
            module, _, name = path.rpartition(".")
            assert hasattr(importlib.import_module(module), name), path


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda lecture: lecture.title)
def test_every_test_is_there(lecture):
    for row in lecture.rows:
        assert row.tests, row.slide
        for file, function in row.tests:
            assert (TESTS / file).exists(), file
            assert function in functions_of(file), f"{file}::{function}"


def test_every_row_stands_once():
    slides = [row.slide for row in ROWS]
    assert len(set(slides)) == len(slides)
    for row in ROWS:
        assert len(set(row.objects)) == len(row.objects)
        assert len(set(row.tests)) == len(row.tests)


def test_every_network_of_the_zoo_stands_once():
    assert sorted(name for row in ROWS for name in row.models) == sorted(MODELS)


def test_every_optimizer_and_schedule_is_there():
    named = {path for row in ROWS for path in row.objects}
    public = {f"jaxvision.optim.{name}" for name in optim.__all__ if isfunction(vars(optim)[name])}
    public |= {
        f"jaxvision.optim.schedules.{name}"
        for name, value in vars(optim.schedules).items()
        if isfunction(value) and value.__module__ == optim.schedules.__name__ and name[0] != "_"
    }
    assert len(public) > 60
    assert public <= named, public - named


def test_the_page_is_what_the_table_makes():
    assert lectures.PAGE.read_text() == lectures.page_of(LECTURES)


def test_names_are_completed():
    assert lectures.full_name("ops/gram::by_hand") == ("ops/test_gram.py", "test_by_hand")
    assert lectures.full_name("docs::x") == ("test_docs.py", "test_x")
    assert lectures.row_of("|w|", "ops.gram.gram_matrix", "a/b::c").models == []
    line = lectures.line_of(lectures.row_of("|w|", "ops.x.y", "a/b::c", "m"))
    assert line == "| \\|w\\| | `ops.x.y` (`m`) | `a/test_b.py::test_c` |"
