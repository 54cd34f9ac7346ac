"""How a configuration refuses settings that cannot be: all of them, in one line."""

import copy
import math
from collections.abc import Callable
from typing import Any

from jaxvision.setting_types import describe, hints_of, is_a

Rules = dict[str, tuple[bool, str]]  # for each setting, whether its rule is kept, and the rule


def refuse_broken(config: Any, rules: Callable[[Any], Rules]) -> None:
    """Raises ValueError with every value that cannot be, all in one line.

    Args:
        config: a frozen dataclass with a default for each field.
        rules: those of its class. They are only asked about values of the right type, and where one
            is not, with its default in its place.
    """
    broken, sound = [], copy.copy(config)
    for name, hint in hints_of(type(config)).items():
        value = getattr(config, name)
        if not is_a(value, hint):
            listed = isinstance(value, list) and is_a(tuple(value), hint)
            remedy = ": make it a tuple" if listed else ""
            broken.append(f"`{name}` must be {describe(hint)}, got {value!r}{remedy}")
            object.__setattr__(sound, name, type(config).__dataclass_fields__[name].default)
    broken += [
        f"`{name}` must be {rule}, got {getattr(sound, name)}"
        for name, (kept, rule) in rules(sound).items()
        if not kept
    ]
    if broken:
        raise ValueError("; ".join(broken))


def at_least(config: Any, **lowest: int) -> Rules:
    """That each of these settings is None, or no lower."""
    values = {name: getattr(config, name) for name in lowest}
    return {
        name: (values[name] is None or values[name] >= low, f"at least {low}")
        for name, low in lowest.items()
    }


def from_zero(config: Any, **ends: int | float) -> Rules:
    """That each of these settings is 0 or above, and below its end."""
    return {
        name: (0 <= getattr(config, name) < end, f"in [0, {end})") for name, end in ends.items()
    }


def positive(config: Any, *names: str) -> Rules:
    """That each of these settings is above 0, and finite."""
    return {name: (0 < getattr(config, name) < math.inf, "positive and finite") for name in names}
