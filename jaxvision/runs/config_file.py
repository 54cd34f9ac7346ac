"""Settings from a file: JSON (such as a run's `config.json`) or TOML, each by its option's name.

    learning_rate = 1e-3
    model = "resnet18"

Everything that is wrong in it comes in one message.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxvision.names import nearest
from jaxvision.setting_types import describe, from_file, hints_of, is_a


class Loaded(NamedTuple):
    """What a file sets, and what is wrong with it."""

    values: dict[str, Any]  # of the right names and types
    problems: list[str]  # with all others


def read_settings(path: Path, config: Callable[..., Any]) -> dict[str, Any]:
    """The fields that the file sets of the configuration whose class `config` is.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no JSON or TOML; or with every name that is unknown and every value of
            the wrong type or out of its range.
    """
    values, problems = load_settings(path, config)
    try:
        config(**values)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems)}")
    return values


def load_settings(path: Path, config: Callable[..., Any]) -> Loaded:
    """Likewise, with what is wrong in names and types beside them instead of raised.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no JSON or TOML.
    """
    hints = hints_of(config)
    problems, values = [], {}
    for name, value in _read(path).items():
        if name not in hints:
            near = nearest(name, hints)
            meant = f" (did you mean `{near}`?)" if near else ""
            problems.append(f"`{_short(name)[1:-1]}` is unknown{meant}")
            continue
        read = from_file(value, hints[name])
        if is_a(read, hints[name]):
            values[name] = read
        else:
            remedy = ": leave out the quotes" if _is_quoted(value, hints[name]) else ""
            rule = describe(hints[name])
            problems.append(f"`{name}` must be {rule}, got {_short(value)}{remedy}")
    return Loaded(values, problems)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: `--config` takes settings in JSON or TOML")
    kind = path.suffix[1:].upper()
    if kind not in ("JSON", "TOML"):
        raise ValueError(
            f"{path} must be named .json or .toml, by what it is written in, got "
            f"{path.suffix or 'no suffix'}: write the settings in one of these"
        )
    try:
        text = path.read_text("utf-8")
        if kind == "TOML":
            settings = tomllib.loads(text)
        else:
            settings = json.loads(text, object_pairs_hook=_each_name_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} cannot be read as {kind}: {_short(str(error))[1:-1]}. Correct it there."
        ) from None
    if isinstance(settings, dict) and isinstance(settings.get("config"), dict):
        settings = settings["config"]  # a run's own record
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold settings by name, got a {type(settings).__name__}")
    return settings


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """As TOML has it: of two values JSON would take the last, and say nothing."""
    twice = sorted(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
    if twice:
        raise ValueError(f"{', '.join(f'`{name}`' for name in twice)} is set twice")
    return dict(pairs)


def _is_quoted(value: Any, hint: Any) -> bool:
    """Whether it is the text of a number or of true or false, where one of these is wanted."""
    if not isinstance(value, str):
        return False
    try:
        return is_a(json.loads(value), hint)
    except (ValueError, RecursionError):
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
