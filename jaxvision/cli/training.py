"""What `jaxvision train` and `jaxvision sweep` do with their options."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from jaxvision.classification import config as options
from jaxvision.classification.sweep_config import Sweep
from jaxvision.detection.config import DetectConfig
from jaxvision.names import lookup
from jaxvision.runs.config import FREE

TASKS = ("classification", "detection")

Config: TypeAlias = options.TrainConfig | DetectConfig


def train_or_resume(
    config: options.TrainConfig,
    given: frozenset[str],
    settings: Path | None,
    resume: str,
    allow_changed: tuple[str, ...],
) -> None:
    """Trains a new run, or goes on with one.

    Args:
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
    _check_model(config, given)

    from jaxvision.classification.pretraining import follow_pretrained
    from jaxvision.classification.record import read_config
    from jaxvision.classification.training import train

    # As the run's own was: "vgg16" is "vgg16:lpips".
    _run(config, given, resume, allow_changed, train, read_config, follow_pretrained)


def detect_or_resume(
    config: DetectConfig,
    given: frozenset[str],
    settings: Path | None,
    resume: str,
    allow_changed: tuple[str, ...],
) -> None:
    """Trains a new detector, or goes on with one; arguments and errors as `train_or_resume`."""
    if settings is not None:
        config, given = _with_settings(config, given, settings)
    _start_processes(config)

    from jaxvision.detection.record import read_config
    from jaxvision.detection.training import follow_pretrained, train_detector

    _run(config, given, resume, allow_changed, train_detector, read_config, follow_pretrained)


def task_of(arguments: Sequence[str]) -> str:
    """What `jaxvision train` shall train: as --task says, or the run that is gone on with.

    Raises:
        ValueError: if there is no such task.
    """
    said = dict.fromkeys(("--task", "--resume"), "")
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in said:
            said[name] = value if equals else following
    if said["--task"]:
        lookup("--task", said["--task"], dict.fromkeys(TASKS))
        return said["--task"]
    return task_of_run(Path(said["--resume"])) if said["--resume"] else TASKS[0]


def task_of_run(run: Path) -> str:
    """The task of the run in `run`; of what is no run, or a damaged one, the first: whoever reads
    it then says what is wrong."""
    try:
        task = json.loads((run / "config.json").read_text()).get("task", TASKS[0])
    except (OSError, ValueError, AttributeError):
        return TASKS[0]
    return task if task in TASKS else TASKS[0]


def _run(
    config: Config,
    given: frozenset[str],
    resume: str,
    allow_changed: tuple[str, ...],
    train: Callable[..., Path],
    read_config: Callable[[Path], Config],
    follow_pretrained: Callable[[Config], Config],
) -> None:
    """Trains by `train`, in the run that `resume` says, which `read_config` reads."""
    from jaxvision.train.interruption import Interruption

    with Interruption() as interruption:
        if resume in ("never", "auto", "must"):
            train(config, resume=resume, allow_changed=allow_changed, interruption=interruption)
            return
        run = Path(resume)
        own = read_config(run)
        changed = _given_changes(follow_pretrained(config), given, own, run, allow_changed)
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
    _check_model(config, given)
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


def _check_model(config: options.TrainConfig, given: frozenset[str]) -> None:
    """Raises ValueError if the default network was asked for by name beside the weights of another,
    which the configuration does not show."""
    if "model" not in given or config.pretrained is None:
        return
    from jaxvision.classification.pretraining import follow_pretrained

    model = follow_pretrained(config).model
    if model != config.model:
        raise ValueError(
            f"`model` must be left out beside `pretrained`, which is of {model}, got {config.model}"
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
