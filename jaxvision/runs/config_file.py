"""Settings from a file: JSON (such as a run's `config.json`) or TOML, each by its option's name.

    learning_rate = 1e-3
    model = "resnet18"

Everything that is wrong in it comes in one message.
"""

import difflib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints


def read_settings(path: Path, config: Callable[..., Any]) -> dict[str, Any]:
    """The fields that the file sets of the configuration whose class `config` is.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no JSON or TOML; or with every name that is unknown and every value of
            the wrong type or out of its range.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: `--config` takes settings in JSON or TOML")
    settings = _read(path)
    hints = get_type_hints(config)
    problems, values = [], {}
    for name, value in settings.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1, cutoff=0.5)
            meant = f" (did you mean `{near[0]}`?)" if near else ""
            problems.append(f"`{name}` is unknown{meant}")
        elif not _is_a(value, hints[name]):
            problems.append(f"`{name}` must be {_describe(hints[name])}, got {value!r}")
        else:
            values[name] = _as_a(value, hints[name])
    try:
        config(**values)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems)}")
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        settings = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix[1:].upper()}: {error}") from None
    if isinstance(settings, dict) and isinstance(settings.get("config"), dict):
        settings = settings["config"]  # a run's own record
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold settings by name, got a {type(settings).__name__}")
    return settings


def _is_a(value: Any, hint: Any) -> bool:
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return any(value == option and type(value) is type(option) for option in options)
    if get_origin(hint) is tuple:  # of any length: its type, and an ellipsis
        return type(value) is list and all(_is_a(each, options[0]) for each in value)
    if options:  # a union
        return any(_is_a(value, option) for option in options)
    if hint is float:
        return type(value) in (int, float) and value == value
    return type(value) is {Path: str}.get(hint, hint)


def _as_a(value: Any, hint: Any) -> Any:
    """What JSON and TOML have no form of: paths and tuples."""
    if get_origin(hint) is tuple:
        return tuple(map(get_args(hint)[0], value))
    is_path = hint is Path or Path in get_args(hint)
    return Path(value) if is_path and value is not None else value


def _describe(hint: Any) -> str:
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, options))
    if get_origin(hint) is tuple:
        return f"a list, each of it {_describe(options[0])}"
    if options:
        return " or ".join(_describe(option) for option in options)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return (words | {Path: "a path in quotes", NoneType: "null"})[hint]
