"""What can be set for any run, whatever is learned in it, and how a setting is refused."""

import dataclasses
from typing import Any, Literal

Rules = dict[str, tuple[bool, str]]  # for each setting, whether its rule is kept, and the rule


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
)


def refuse_broken(config: Any, rules: Rules) -> None:
    """Raises ValueError with every value that cannot be, all in one line."""
    broken = [
        f"`{name}` must be {rule}, got {getattr(config, name)}"
        for name, (kept, rule) in rules.items()
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
