"""What can be set for any run, whatever is learned in it, and how a setting is refused."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from jaxvision.runs.setting_types import describe, hints_of, is_a

Rules = dict[str, tuple[bool, str]]  # for each setting, whether its rule is kept, and the rule


@dataclasses.dataclass(frozen=True, kw_only=True)
class BadImages:
    """What becomes of images that cannot be read."""

    on_bad_image: Literal["error", "skip"] = "error"
    """An image that cannot be read ends the run; or all are read before, and such are left out."""
    max_bad: float = 0.01
    """skip: the part of all images that may be left out; if more are bad, the run ends."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compute:
    """What it is computed with."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: faster on GPUs and TPUs; parameters, statistics and loss stay float32."""
    accumulate: int = 1
    """Go through each batch in so many parts: less memory, the same gradient."""
    remat: bool = False
    """Compute activations again where the gradient needs them: less memory, more time."""
    mesh: str | None = None
    """Devices: data=8 splits batches, data=4,model=2 the parameters too. By default all, if more
    than one, split batches."""
    coordinator: str | None = None
    """Of several processes: HOST:PORT of the first, or auto on SLURM, GKE and TPU pods."""
    processes: int | None = None
    """How many, with HOST:PORT."""
    process_id: int | None = None
    """Which of them this one is, from 0."""
    compilation_cache: bool = True
    """Keep compiled programs in the user's cache folder: the same job compiles once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept and shown."""

    checkpoint_seconds: float = 30.0
    """Save so often. The end of the run, and its interruption, are always saved."""
    keep: int = 2
    """How many checkpoints stay."""
    tensorboard: bool = False
    """Write TensorBoard's event files into the run (pip install 'jaxvision[tensorboard]')."""
    profile: bool = False
    """Write a trace of some steps into the run, for Perfetto or TensorBoard."""


# What may differ between a run and its resumption: none of it changes what is learned.
FREE = (
    *("out", "data_dir", "workers", "mesh", "coordinator", "processes", "process_id"),
    *("compilation_cache", "checkpoint_seconds", "keep", "tensorboard", "profile", "max_skipped"),
    *("on_bad_image", "max_bad", "allow_copies"),  # the data are compared by themselves
)


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
            broken.append(f"`{name}` must be {describe(hint)}, got {value!r}")
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
