"""`train` and `sweep` with their options, as tyro reads them off the functions' signatures.

All but the most important options are in a `group`, which is shown or not.
"""

import dataclasses
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, unwrap
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxvision.classification import config as options
from jaxvision.classification.sweep_config import Sweep
from jaxvision.cli.checking import Command
from jaxvision.cli.tasks import DEFAULT, TASKS
from jaxvision.cli.training import sweep_or_resume, train_or_resume
from jaxvision.style import config as style_options

TRAIN = """Train {what}, test it, and keep everything in a run's directory.

--help-all shows the other options: {others}.
Other tasks have options of their own, which --help shows with it: {tasks}.

Args:
    task: What to learn; without it, {default}.
    config: Settings from a file, JSON or TOML, by the options' names; options win.
    resume: RUN: go on with the run in this directory, by its own configuration. Or what to do \
if --out holds a run: never or must go on with it, or auto: if there is one.
    allow_changed: Settings in which the run may differ from what it began with.
"""

# Options of `train` that are no settings.
BESIDE = {
    "task": str,
    "config": Path | None,
    "resume": str,
    "allow_changed": tuple[str, ...],
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _NewSweep(Sweep):
    """One that is not gone on with, and must say what to try."""

    __post_init__ = Sweep.check


def command_of(words: Sequence[str], task: str) -> Command | None:
    """What the command line `words` may have, to check it; None for commands of few options."""
    match list(words[:1]):
        case ["train"]:
            return Command((TASKS[task].config,), BESIDE, names=TASKS[task].names)
        case ["sweep"]:
            begun = any(word.partition("=")[0] == "--resume" for word in words)
            parts = (options.TrainConfig, Sweep if begun else _NewSweep)
            beside = {"config": Path | None, "resume": Path | None}
            return Command(parts, beside, names=TASKS[DEFAULT].names)
        case ["style"]:
            parts = (style_options.Settings, style_options.Files, style_options.Network)
            return Command(parts, {}, positional=True)
        case ["learn-style"]:
            return Command((style_options.Learning,), {}, positional=True)
    return None


def trainer(name: str, group: Any, given: frozenset[str]) -> Callable[..., None]:
    """`train` for the task of this name; `given` are the options on the command line.

    The signature is made of the groups that the task's configuration is made of.
    """
    task = TASKS[name]
    groups = {cls.__name__.lower(): Annotated[cls, group] for cls in task.groups}
    main = next(iter(groups))
    groups[main] = Annotated[task.groups[0], tyro.conf.arg(name="")]

    def train(
        task: str, config: Path | None, resume: str, allow_changed: tuple[str, ...], **values: Any
    ) -> None:
        settings = {field: v for group in values.values() for field, v in vars(group).items()}
        chosen = TASKS[task]
        train_or_resume(chosen, chosen.config(**settings), given, config, resume, allow_changed)

    plain = {"task": name, "config": None, "resume": "never", "allow_changed": ()}
    keyword = Parameter.KEYWORD_ONLY
    train.__signature__ = Signature(
        [Parameter(name, keyword, annotation=kind) for name, kind in groups.items()]
        + [Parameter(k, keyword, annotation=BESIDE[k], default=v) for k, v in plain.items()]
    )
    # `unwrap`: annotations are looked up below what a checker of types may have put around it.
    unwrap(train).__annotations__ = groups | BESIDE
    others = ", ".join(name for name in groups if name != main)
    tasks = ", ".join(f"--task {other}" for other in TASKS if other != name)
    train.__doc__ = TRAIN.format(what=task.what, others=others, tasks=tasks, default=DEFAULT)
    return train


def sweeper(group: Any, given: frozenset[str]) -> Callable[..., None]:
    """`sweep`; `given` likewise."""

    def sweep(
        search: Annotated[Sweep, tyro.conf.arg(name="")],
        main: Annotated[options.Main, tyro.conf.arg(name="")],
        reading: Annotated[options.Data, group],
        transfer: Annotated[options.Transfer, group],
        augmentation: Annotated[options.Augmentation, group],
        training: Annotated[options.Training, group],
        compute: Annotated[options.Compute, group],
        record: Annotated[options.Record, group],
        config: Path | None = None,
        resume: Path | None = None,
    ) -> None:
        """Train an image classifier with many settings at once, choose the best, and test it.

        --help-all shows the other options: data, transfer, augmentation, training, compute, record.

        Args:
            config: Settings from a file, JSON or TOML, by the options' names; options win.
            resume: Go on with the sweep in this directory, as it began; other options are refused.
        """
        groups = (main, reading, transfer, augmentation, training, compute, record)
        values = {name: value for group in groups for name, value in vars(group).items()}
        sweep_or_resume(search, options.TrainConfig(**values), given, config, resume)

    return sweep
