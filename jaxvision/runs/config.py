"""What can be set for any run, whatever is learned in it."""

import dataclasses
import math
from typing import Any, Literal

from jaxvision.settings import Rules, at_least, from_zero, positive


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


def shared_rules(config: Any) -> Rules:
    """Those of the settings that every task has, those above among them: whether each is kept, and
    the rule."""
    decay = config.average_decay
    return (
        at_least(
            config,
            **dict.fromkeys(("batch_size", "epochs", "max_skipped", "accumulate", "keep"), 1),
            **{"patience": 1, "processes": 1, "process_id": 0, "split_seed": 0, "workers": 0},
        )
        | from_zero(config, checkpoint_seconds=math.inf, weight_decay=math.inf, max_bad=1)
        | positive(config, "learning_rate")
        | {
            "seed": (0 <= config.seed < 2**32, "in [0, 2**32)"),
            "average_decay": (decay is None or 0 <= decay < 1, "in [0, 1), or None"),
            "validation_fraction": (0 < config.validation_fraction < 1, "in (0, 1)"),
        }
    )
