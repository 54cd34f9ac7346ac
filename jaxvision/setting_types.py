"""What a setting may be by its annotation: a number, a choice, a path, a list of them, or None."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints


@functools.cache
def hints_of(config: Callable[..., Any]) -> dict[str, Any]:
    """The type of each field; it takes a while to find out, and many are made of one class."""
    return get_type_hints(config)


def is_a(value: Any, hint: Any) -> bool:
    """Whether it is of the type. A whole number also passes for a number, and so does NaN, which
    the rule of a setting must refuse."""
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return any(value == option and type(value) is type(option) for option in options)
    if get_origin(hint) is tuple:  # of any length: its type, and an ellipsis
        return isinstance(value, tuple) and all(is_a(each, options[0]) for each in value)
    if options:  # a union
        return any(is_a(value, option) for option in options)
    if isinstance(value, bool):  # which Python counts among the whole numbers
        return hint is bool
    if hint is float:
        return isinstance(value, float | int) and not _overflows(value)
    return isinstance(value, hint)


def describe(hint: Any) -> str:
    """The type in words."""
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, options))
    if get_origin(hint) is tuple:
        return f"a list, each of it {describe(options[0])}"
    if options:
        return " or ".join(describe(option) for option in options)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return (words | {Path: "a path", NoneType: "null"})[hint]


def from_file(value: Any, hint: Any) -> Any:
    """Of what JSON and TOML say, what they have no form of: paths, tuples and 1 for 1.0."""
    options = get_args(hint)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(from_file(each, options[0]) for each in value)
    if Path in (hint, *options) and isinstance(value, str):
        return Path(value)
    if float in (hint, *options) and type(value) is int and not _overflows(value):
        return float(value)
    return value


def _overflows(value: int | float) -> bool:
    return isinstance(value, int) and abs(value) > sys.float_info.max


def from_word(word: str, hint: Any) -> Any:
    """What a word of the command line means; the word itself if it is none of the type."""
    if get_origin(hint) is Literal:
        return next((option for option in get_args(hint) if str(option) == word), word)
    for option in get_args(hint) or (hint,):
        if option is NoneType:
            if word == "None":
                return None
        elif option in (int, float, Path):
            try:
                return option(word)
            except ValueError:
                continue
        elif get_origin(option) is Literal and (read := from_word(word, option)) != word:
            return read
    return word
