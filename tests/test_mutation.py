"""The table of mutants fits the package: what it would break is there, and so are the tests."""

from pathlib import Path

import pytest

from tests.mutation.__main__ import MUTANTS, PARTS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("module", MUTANTS)
def test_what_a_row_breaks_stands_once_in_its_file(module):
    part, _, name = module.partition("/")
    source = (ROOT / "jaxvision" / part / f"{name}.py").read_text()
    assert {old: source.count(old) for old, _ in MUTANTS[module]} == {
        old: 1 for old, _ in MUTANTS[module]
    }
    assert all(old != new for old, new in MUTANTS[module])


@pytest.mark.parametrize("module", MUTANTS)
def test_the_tests_that_should_notice_are_there(module):
    part, _, name = module.partition("/")
    words = PARTS[part].TESTS[name]  # pytest's, with -k and what it takes
    files = [word.partition("::")[0] for word in words if word.startswith("tests/")]
    assert files and all((ROOT / file).is_file() for file in files)
