"""What a setting may be, in a file, on a command line and in Python; and how it is refused."""

import dataclasses
import math
from pathlib import Path
from typing import Literal

import pytest

from jaxvision.setting_types import from_file, from_word, is_a
from jaxvision.settings import at_least, from_zero, positive, refuse_broken

HUGE = 10**400  # which no float holds


@pytest.mark.parametrize(
    ("value", "hint", "right"),
    [
        *((1, float, True), (HUGE, float, False), (math.nan, float, True), (True, float, False)),
        *((1, int, True), (1.0, int, False), (True, int, False)),
        *((True, bool, True), (1, bool, False)),
        *((1, Literal[1, 2], True), (3, Literal[1, 2], False)),
        *((True, Literal[1, 2], False), (1.0, Literal[1, 2], False)),
        *(((1, 2), tuple[int, ...], True), ([1, 2], tuple[int, ...], False)),
        *(((1, "2"), tuple[int, ...], False), ((), tuple[int, ...], True)),
        *((None, int | None, True), (None, int, False), ("x", int | None, False)),
        *((Path("x"), Path, True), ("x", Path, False)),
    ],
)
def test_what_is_of_a_type(value, hint, right):
    assert is_a(value, hint) is right


@pytest.mark.parametrize(
    ("value", "hint", "read"),
    [
        *((1, float, 1.0), (1, int, 1), (True, float, True), (HUGE, float, HUGE)),
        *(("x", Path, Path("x")), ("x", Path | None, Path("x")), ("x", str, "x")),
        *(([1, 2.5], tuple[float, ...], (1.0, 2.5)), ([1], float, [1])),
    ],
)
def test_what_a_file_says(value, hint, read):
    found = from_file(value, hint)
    assert found == read and type(found) is type(read)


@pytest.mark.parametrize(
    ("word", "hint", "read"),
    [
        *(("1", int, 1), ("1e-3", float, 1e-3), ("x", int, "x"), ("1.5", int, "1.5")),
        *(("None", int | None, None), ("7", int | None, 7), ("none", int | None, "none")),
        *(("2", Literal[1, 2], 2), ("3", Literal[1, 2], "3"), ("x", Path | None, Path("x"))),
    ],
)
def test_what_a_word_means(word, hint, read):
    found = from_word(word, hint)
    assert found == read and type(found) is type(read)


@dataclasses.dataclass(frozen=True)
class Example:
    count: int | None = None
    part: float = 0.5
    rate: float = 1.0
    kind: Literal["a", "b"] = "a"
    many: tuple[int, ...] = ()

    def __post_init__(self):
        refuse_broken(self, type(self)._rules)

    def _rules(self):
        return at_least(self, count=2) | from_zero(self, part=1) | positive(self, "rate")


@pytest.mark.parametrize("values", [{"count": 2}, {"part": 0}, {"part": 0.999}, {"rate": 1e-9}])
def test_the_ends_that_belong_to_a_range(values):
    assert dataclasses.asdict(Example(**values)).items() >= values.items()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 1}, r"^`count` must be at least 2, got 1$"),
        ({"part": 1.0}, r"^`part` must be in \[0, 1\), got 1\.0$"),
        ({"part": -0.1}, r"^`part` must be in \[0, 1\)"),
        ({"part": math.nan}, r"^`part` must be in \[0, 1\), got nan$"),
        ({"rate": 0.0}, r"^`rate` must be positive and finite, got 0\.0$"),
        ({"rate": math.inf}, r"^`rate` must be positive and finite, got inf$"),
        ({"many": [1, 2]}, r"each of it a whole number, got \[1, 2\]: make it a tuple$"),
        ({"many": [1, "x"]}, r"each of it a whole number, got \[1, 'x'\]$"),
        # A rule is asked with the default where the type is wrong.
        (
            {"part": "x", "kind": "c", "rate": -1.0},
            r"^`part` must be a number, got 'x'; `kind` must be 'a' or 'b', got 'c'; "
            r"`rate` must be positive and finite, got -1\.0$",
        ),
    ],
)
def test_all_that_cannot_be_is_said_at_once(values, message, unchecked):
    with pytest.raises(ValueError, match=message):
        Example(**values)
