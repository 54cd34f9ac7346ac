"""Trains a denoiser or a super-resolver from a configuration, in a run directory
(`jaxvision.train.run`)."""

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.restoration import report
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.restoration.job import make_job, pixel_normalization
from jaxvision.restoration.material import Material, open_parts, read_material
from jaxvision.restoration.patches import Degraded
from jaxvision.restoration.problem import DENOISERS, SUPER_RESOLVERS, Problem, make_problem
from jaxvision.restoration.record import read_config, record_of
from jaxvision.restoration.restorer import Restorer
from jaxvision.runs.devices import mesh_of
from jaxvision.runs.optimizer import OPTIMIZERS
from jaxvision.runs.result import write_result
from jaxvision.runs.session import Session
from jaxvision.runs.training import Plan, Prepared, run_training
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress
from jaxvision.train.mesh import on_host
from jaxvision.train.processes import is_first


def train_denoiser(config: DenoiseConfig, console: Console | None = None, **options: Any) -> Path:
    """Trains a denoiser and measures it; returns the run's directory.

    `run_training` says what the `options` are (`resume`, `allow_changed`, `interruption`), what is
    promised of a run that is resumed, and the errors.

    Raises:
        ValueError: if a name is unknown; `run_training` says the rest.
    """
    lookup("model", config.model, dict.fromkeys(DENOISERS))
    lookup("optimizer", config.optimizer, OPTIMIZERS)
    return run_training(config, _prepare, console, **options)


def train_super_resolver(
    config: SuperResolveConfig, console: Console | None = None, **options: Any
) -> Path:
    """Trains a super-resolver and measures it; `train_denoiser` says the rest."""
    lookup("model", config.model, dict.fromkeys(SUPER_RESOLVERS))
    lookup("optimizer", config.optimizer, OPTIMIZERS)
    return run_training(config, _prepare, console, **options)


def resume_denoiser(path: Path, console: Console | None = None, **options: Any) -> Path:
    """Goes on with the run in `path`, by its own configuration; `train_denoiser` says the rest."""
    config = dataclasses.replace(read_config(path), out=path)
    return train_denoiser(config, console, resume="auto", **options)


def resume_super_resolver(path: Path, console: Console | None = None, **options: Any) -> Path:
    """As `resume_denoiser`."""
    config = dataclasses.replace(read_config(path), out=path)
    return train_super_resolver(config, console, resume="auto", **options)


def _prepare(
    config: DenoiseConfig | SuperResolveConfig, display: Display, stack: ExitStack
) -> Prepared:
    problem, mesh = make_problem(config), mesh_of(config)
    with display.working(f"reading {config.data}"):
        parts = open_parts(config, display.note)
        material = read_material(config, problem, parts, mesh, display.note)
        if parts.test is not None:  # what cannot be measured is refused before, and not after
            report.check_pictures(Degraded(parts.test, problem))
    for feed in (material.train, material.validation):
        stack.callback(feed.close)
    channels = parts.train.channels
    record = record_of(problem.task, config, parts, pixel_normalization(channels))
    side = config.patch // problem.scale
    test = f" and {len(parts.test)} test" if parts.test else ""

    def plan(normalization: Normalization) -> Plan:
        steps = config.epochs * material.train.steps
        return Plan(
            make_job(config, problem, (side, side, channels), steps, normalization, mesh),
            material.train,
            material.validation,
            (side, side, channels),
            f"{config.model} on {config.data}: {config.patches} patches of {config.patch} x "
            f"{config.patch} out of {len(parts.train)} pictures, {len(parts.validation)} "
            f"validation{test} pictures, {'grey' if channels == 1 else 'in colour'}",
            finish=lambda session, progress, began: _finish(
                session, problem, material, normalization, progress, began
            ),
            score=lambda metrics: metrics["PSNR"],
        )

    return Prepared(record, plan)


def _finish(
    session: Session,
    problem: Problem,
    material: Material,
    normalization: Normalization,
    progress: Progress,
    began: float,
) -> None:
    """The test, once, with the best parameters, or validation where there is none; the pictures."""
    variables = on_host(progress.best)  # of several processes each has a part in it
    if not is_first():
        return
    parts = material.parts
    part, pictures = ("test", parts.test) if parts.test else ("validation", parts.validation)
    restorer = Restorer(problem, variables, normalization)
    evaluation = report.evaluate_on(Degraded(pictures, problem), restorer)
    write_result(session, progress, began, part, evaluation, report)
