"""Everything that is wrong with a command's options, in one list, before JAX is imported.

tyro, which reads them, stops at the first. So this reads them before, from the same annotations,
together with the file of settings beside them.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from jaxvision.names import lookup, nearest
from jaxvision.runs.config_file import load_settings
from jaxvision.setting_types import describe, from_word, is_a

ALIASES = {"-o": "--out"}
ON_DISK = ("folder", "voc", "coco", "masks", "images")  # kinds of data that are named by a path


class Command(NamedTuple):
    """What a command takes."""

    parts: tuple[Callable[..., Any], ...]  # each makes a part of the settings, or refuses them
    beside: Mapping[str, Any]  # the types of its other options
    positional: bool = False  # whether words before and between the options are its own
    names: Mapping[str, tuple[str, str]] = {}  # of a setting: the module and constant of all names


def check_options(command: Command, words: Sequence[str]) -> None:
    """Raises ValueError with all that is wrong in `words`, what follows the command's name."""
    hints = [_hints(part) for part in command.parts]
    known = {name: hint for part in (*hints, command.beside) for name, hint in part.items()}
    values, problems = _read(words, known, command.positional)
    if isinstance(file := values.get("config"), Path):
        try:  # a file is for the first part
            loaded = load_settings(file, command.parts[0])
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
        else:
            problems += [f"{file}: {problem}" for problem in loaded.problems]
            values = loaded.values | values
    for part, own in zip(command.parts, hints, strict=True):
        try:
            part(**{name: value for name, value in values.items() if name in own})
        except ValueError as error:
            problems.append(str(error))
    problems += _missing(values) + _unknown(values, command.names)
    if problems:
        raise ValueError("; ".join(problems))


def _hints(part: Callable[..., Any]) -> dict[str, Any]:
    """Of a configuration, or of a function with one's arguments."""
    return {name: hint for name, hint in get_type_hints(part).items() if name != "return"}


def _read(
    words: Sequence[str], hints: Mapping[str, Any], positional: bool
) -> tuple[dict[str, Any], list[str]]:
    """The options of the right names and types; what is wrong with the others."""
    values: dict[str, Any] = {}
    problems = []
    for option, given in _grouped(words):
        name = option.removeprefix("--").replace("-", "_")
        if option == "":
            if given and not positional:
                problems.append(f"`{given[0]}` is no option: options begin with --")
            continue
        off = name.removeprefix("no_")
        flag = next((n for n in (name, off) if hints.get(n) is bool), None)
        if flag is None and name not in hints:
            near = nearest(name, hints)
            meant = f" (did you mean `--{near.replace('_', '-')}`?)" if near else ""
            problems.append(f"`{option}` is unknown{meant}")
            continue
        if (flag or name) in values:
            problems.append(f"`{option}` is given twice")
        if flag is not None:
            values[flag], used = name == flag, 0
        elif get_origin(hints[name]) is tuple:
            kind = get_args(hints[name])[0]
            values[name], used = tuple(from_word(word, kind) for word in given), len(given)
        elif given:
            values[name], used = from_word(given[0], hints[name]), 1
        else:
            problems.append(f"`{option}` must have a value, {describe(hints[name])}: add it")
            continue
        name = flag or name
        if not is_a(values[name], hints[name]):
            problems.append(f"`{option}` must be {describe(hints[name])}, got {' '.join(given)!r}")
            del values[name]
        if given[used:] and not positional:
            problems.append(f"`{given[used]}` after `{option}` is no option: leave it out")
    return values, problems


def _grouped(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each option with what follows it; first, under "", what no option is before."""
    groups: list[tuple[str, list[str]]] = [("", [])]
    for word in words:
        option, equals, value = word.partition("=")
        option = ALIASES.get(option, option)
        if option.startswith("--"):
            groups.append((option, [value] if equals else []))
        else:
            groups[-1][1].append(word)
    return groups


def _missing(settings: Mapping[str, Any]) -> list[str]:
    """The data that are named by a path which does not exist."""
    problems = []
    for name in ("data", "test_data"):
        kind, _, path = str(settings.get(name, "")).partition(":")
        if kind in ON_DISK and path and not Path(path).expanduser().exists():
            problems.append(f"`{name}`: {path} does not exist: check the path")
    folder = settings.get("data_dir")
    if folder is not None and not folder.expanduser().is_dir():
        problems.append(f"`data_dir`: {folder} is no folder: check the path")
    return problems


def _unknown(settings: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> list[str]:
    """The models and the like that are named and unknown. It takes JAX to know them all, which is
    why they are looked up only if one is named."""
    problems = []
    for name, (module, constant) in names.items():
        if settings.get(name) is not None:
            try:
                lookup(name, settings[name], dict.fromkeys(vars(import_module(module))[constant]))
            except ValueError as error:
                problems.append(str(error).removesuffix("."))
    return problems
