"""What `jaxvision train` and `jaxvision sweep` do with their options."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxvision.classification import config as options
from jaxvision.classification.sweep_config import Sweep
from jaxvision.cli.tasks import TASKS, Config, Task
from jaxvision.runs.config import FREE


def train_or_resume(
    task: Task,
    config: Config,
    given: frozenset[str],
    settings: Path | None,
    resume: str,
    allow_changed: tuple[str, ...],
) -> None:
    """Trains a new run, or goes on with one.

    Args:
        task: what is trained.
        config: all options.
        given: those that were named.
        settings: a file of more.
        resume: "never", "auto" or "must" for the run in `config.out`, or the path of another.
        allow_changed: the fields that may differ from those that the run began with.

    Raises:
        ValueError: if options contradict each other, or the run.
    """
    if settings is not None:
        config, given = _with_settings(config, given, settings)
    _start_processes(config)
    _check_model(task, config, given)

    train = getattr(task.module("training"), task.trainer)
    from jaxvision.train.interruption import Interruption

    with Interruption() as interruption:
        if resume in ("never", "auto", "must"):
            train(config, resume=resume, allow_changed=allow_changed, interruption=interruption)
            return
        run = Path(resume)
        own = task.module("record").read_config(run)
        # As the run's own was: "vgg16" is "vgg16:lpips".
        changed = _given_changes(task.follow_pretrained(config), given, own, run, allow_changed)
        train(
            dataclasses.replace(own, **changed, out=run),
            resume="auto",
            allow_changed=allow_changed,
            interruption=interruption,
        )


def sweep_or_resume(
    asked: Sweep,
    config: options.TrainConfig,
    given: frozenset[str],
    settings: Path | None,
    resume: Path | None,
) -> None:
    """Begins a sweep, or goes on with the one in `resume`; arguments as for `train_or_resume`.

    Raises:
        ValueError: if there are other options beside `resume`.
    """
    if settings is not None:
        config, _ = _with_settings(config, given, settings)
    _check_model(TASKS["classification"], config, given)
    others = sorted(given - {"resume"})
    if resume is not None and others:
        raise ValueError(
            f"--resume goes on as the sweep began: leave out --{others[0].replace('_', '-')}"
        )

    from jaxvision.classification.sweep import resume_sweep, run_sweep
    from jaxvision.train.interruption import Interruption

    with Interruption() as interruption:
        if resume is not None:
            resume_sweep(resume, interruption=interruption)
        else:
            run_sweep(config, asked, interruption=interruption)


def _check_model(task: Task, config: Config, given: frozenset[str]) -> None:
    """Raises ValueError if the default network was asked for by name beside the weights of another,
    which the configuration does not show."""
    field = "backbone" if hasattr(config, "backbone") else "model"
    followed = getattr(task.follow_pretrained(config), field)
    if field in given and followed != getattr(config, field):
        raise ValueError(
            f"`{field}` must be left out beside `pretrained`, which is of {followed}, got "
            f"{getattr(config, field)}"
        )


def _with_settings(
    config: Config, given: frozenset[str], settings: Path
) -> tuple[Config, frozenset[str]]:
    """The configuration with what a file sets and the command line does not; all that is set."""
    from jaxvision.runs.config_file import read_settings

    read = {
        name: v for name, v in read_settings(settings, type(config)).items() if name not in given
    }
    return dataclasses.replace(config, **read), given | frozenset(read)


def _start_processes(config: Config) -> None:
    """Joins the processes of one computation, before JAX looks for devices."""
    given = (config.coordinator, config.processes, config.process_id)
    if given == (None, None, None):
        return
    alone = config.coordinator == "auto"
    if (
        config.coordinator is None
        or alone != (given[1:] == (None, None))
        or (not alone and None in given)
    ):
        raise ValueError(
            "`--coordinator auto` stands alone; `--coordinator HOST:PORT` needs `--processes` and "
            "`--process-id`"
        )
    from jaxvision.train.processes import join

    join(*((None, None, None) if alone else given))


def _given_changes(
    config: Config,
    given: frozenset[str],
    own: Config,
    run: Path,
    allowed: tuple[str, ...],
) -> dict[str, Any]:
    """The options beside `--resume RUN`; one that would be ignored is refused, unless it says the
    same as the run's."""
    changed = {
        name: value
        for name, value in vars(config).items()
        if name in given and name != "out" and value != getattr(own, name)
    }
    refused = [name for name in changed if name not in (*allowed, *FREE)]
    if refused:
        texts = [
            f"--{name.replace('_', '-')} {changed[name]} (the run has {getattr(own, name)})"
            for name in refused
        ]
        raise ValueError(
            f"{run} goes on by its own configuration, which differs in {', '.join(texts)}: leave "
            f"these options out, add --allow-changed {' '.join(refused)}, or start a new run"
        )
    return changed
