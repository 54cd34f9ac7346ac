"""The axes of a sweep, as the command line writes them.

learning_rate=1e-3,1e-2      these values
learning_rate=1e-4:1e-1      any between two
learning_rate=log:1e-4:1e-1  any between two, each order of magnitude alike
model=mlp,lenet5             words
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.sweep_config import Sweep
from jaxvision.names import lookup
from jaxvision.selection.spaces import Candidate, Choice, Log, Uniform, Value, draw, grid

TRACED = (
    *("learning_rate", "label_smoothing", "weight_decay", "average_decay"),
    "rate_decay",
    *("shift", "zoom", "rotation", "shear", "color", "erase", "mixup", "cutmix"),
)
"""Numbers that trainings of one program may differ in."""

FIXED = ("model", "optimizer", "schedule", "dtype", "flip", "crop_padding", "test_flip")
"""Settings that change the program: each of their values has one."""

WORDS = {"true": True, "false": False}


def candidates_of(asked: Sweep, config: TrainConfig) -> list[Candidate]:
    """What is to be tried.

    Raises:
        ValueError: names the first axis that is unknown or cannot be one, is given twice or has no
            values, or the first value that is none or that no run can have.
    """
    axes: dict[str, Any] = {}
    for text in asked.grid or asked.draw:
        name, _, values = text.partition("=")
        name = name.strip().removeprefix("--").replace("-", "_")
        _check_axis(name, axes)
        axes[name] = _parse(name, values, at_random=bool(asked.draw))
    found = draw(axes, asked.candidates, config.seed) if asked.draw else grid(axes)
    for candidate in found:
        dataclasses.replace(config, **settings_of(candidate))
    return found


def settings_of(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `TrainConfig` that a candidate sets."""
    return {
        name: WORDS.get(value, value) if isinstance(value, str) else value
        for name, value in candidate.items()
    }


def with_traced(config: TrainConfig, hyperparameters: Any) -> SimpleNamespace:
    """The configuration with a candidate's values, which may be traced."""
    return SimpleNamespace(**(vars(config) | settings_of(hyperparameters)))


def fixed_axes(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Which axes change the program itself, so that each of their values needs its own."""
    return tuple(name for name in candidates[0] if name in FIXED)


def _check_axis(name: str, axes: dict[str, Any]) -> None:
    if name in axes:
        raise ValueError(f"the axis `{name}` must be given once, with all its values")
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    if name in fields and name not in (*TRACED, *FIXED):
        raise ValueError(
            f"`{name}` cannot be an axis: trainings of one program share it. Run a sweep for each "
            f"of its values; axes can be {', '.join((*TRACED, *FIXED))}"
        )
    lookup("axis", name, dict.fromkeys((*TRACED, *FIXED)))


def _parse(name: str, text: str, *, at_random: bool) -> Any:
    parts = [part.strip() for part in text.split(":")]
    logarithmic, ends = parts[0] == "log", parts[1:] if parts[0] == "log" else parts
    if len(ends) == 2 and name in TRACED:
        if not at_random:
            raise ValueError(
                f"`{name}` needs single values in a grid, got {text}: write 1e-3,1e-2, or draw at "
                "random with --draw"
            )
        low, high = (_value(name, end) for end in ends)
        return Log(low, high) if logarithmic else Uniform(low, high)
    values = tuple(_value(name, value.strip()) for value in text.split(",") if value.strip())
    if not values:
        raise ValueError(f"the axis `{name}` must have values: --grid {name}=A,B")
    return Choice(values) if at_random else values


def _value(name: str, text: str) -> Value:
    kind = get_type_hints(TrainConfig)[name]
    if known := WORDS if kind is bool else get_args(kind) if name in FIXED else ():
        lookup(name, text, dict.fromkeys(known))
        return text
    if name in TRACED or kind is int:
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise ValueError(f"`{name}` must have numbers, got {text!r}") from None
    return text
