"""Searches for the best settings of a classifier, and keeps everything in a directory.

sweep.json          what was asked, and of which data
lanes.json          every training that has ended: its settings, curves and end
under_way/          every training that has begun, as it is now and then, to go on from
lanes.csv           a row a training          epochs.csv      a row an epoch of each
*.png               scores over the settings, learning curves
chosen/             the chosen model, a run like those of `jaxvision train`
result.json         what was chosen, and the figures
"""

import dataclasses
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxvision.classification import setup
from jaxvision.classification import sweep_report as report
from jaxvision.classification.axes import candidates_of, fixed_axes, settings_of
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.material import Material, read_material, with_image_size
from jaxvision.classification.pretraining import follow_pretrained
from jaxvision.classification.record import config_of, record_of
from jaxvision.classification.sweep_config import Sweep
from jaxvision.runs.record import check_same
from jaxvision.selection.halving import Halving
from jaxvision.selection.keeping import Keeper
from jaxvision.selection.plan import Plan
from jaxvision.selection.procedure import choose, epochs_to_train, measure_once, retrain
from jaxvision.selection.results import LaneResult, SweepResult, read_json, write_json
from jaxvision.selection.scores import CandidateScore
from jaxvision.selection.spaces import Candidate
from jaxvision.selection.sweep import list_lanes, sweep_lanes
from jaxvision.train import run as files
from jaxvision.train.compilation import cache_programs
from jaxvision.train.display import Display
from jaxvision.train.export import save_variables
from jaxvision.train.interruption import InterruptedRunError, Interruption
from jaxvision.train.lock import lock_run
from jaxvision.train.state import combine

NOT_USED = (
    *("mesh", "coordinator", "processes", "process_id", "feed", "workers", "keep"),
    *("tensorboard", "profile"),
)
SWEEP, LANES, UNDER_WAY, CHOSEN = "sweep.json", "lanes.json", "under_way", "chosen"


def run_sweep(
    config: TrainConfig,
    asked: Sweep,
    console: Console | None = None,
    *,
    resume: bool = False,
    interruption: Interruption | None = None,
) -> Path:
    """Trains every candidate, chooses, trains again and tests; returns the directory.

    Args:
        config: what all candidates have in common.
        asked: which they are, and how they are compared.
        console: where it is shown.
        resume: whether to go on with what is in `config.out`; what has ended is not done again.
        interruption: entered, it ends the sweep soon after a signal, with all saved.

    Raises:
        ValueError: if the settings or the data are not usable, or, resumed, not those that it began
            with; says why and what to do.
        FileExistsError: if `config.out` is not free.
        FileNotFoundError: if there is nothing to go on with.
        InterruptedRunError: after a signal.
    """
    display, interruption = Display(console or Console()), interruption or Interruption()
    asked.check()
    candidates = candidates_of(asked, config)
    _check_usable(config)
    if asked.halving:
        Halving(asked.halving).check(config.epochs)  # before anything is written
    config = with_image_size(follow_pretrained(config), candidates)
    for candidate in candidates:
        setup.check_names(dataclasses.replace(config, **settings_of(candidate)))
    simplicity = _simplicity(asked.simpler, candidates[0])
    if config.compilation_cache:
        cache_programs()
    if resume:
        return _go_on(config, asked, candidates, simplicity, display, interruption)
    if config.out is not None:
        files.check_free(config.out)  # at once, and not when the data have been read
    with display.working(f"reading {config.data}"):
        material = read_material(config, candidates[0], asked, display.note)
    path = config.out or files.make_numbered(Path("runs"), "sweep")
    path.mkdir(parents=True, exist_ok=True)
    with lock_run(path):
        record = _record(config, material)
        files.write_json(path / SWEEP, {"sweep": dataclasses.asdict(asked)} | record)
        _run(path, config, asked, candidates, simplicity, material, display, interruption)
    return path


def resume_sweep(
    path: Path, console: Console | None = None, *, interruption: Interruption | None = None
) -> Path:
    """Goes on with the sweep in `path`, as `run_sweep`; raises ValueError if it is damaged."""
    record = _read_record(path)
    try:
        asked = Sweep(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in record["sweep"].items()}
        )
        config = dataclasses.replace(config_of(record), out=path)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path / SWEEP} cannot be understood ({error}): it is damaged, or of another version "
            "of jaxvision. Sweep anew."
        ) from error
    return run_sweep(config, asked, console, resume=True, interruption=interruption)


def _go_on(
    config: TrainConfig,
    asked: Sweep,
    candidates: list[Candidate],
    simplicity: Callable | None,
    display: Display,
    interruption: Interruption,
) -> Path:
    path, then = config.out, _read_record(config.out)
    with lock_run(path):
        if (path / files.RESULT).exists():
            display.note(f"{path} is finished already; its result is in {files.RESULT} there")
            return path
        with display.working(f"reading {config.data}"):
            material = read_material(config, candidates[0], asked, display.note)
        check_same(then, _record(config, material), ())
        _run(path, config, asked, candidates, simplicity, material, display, interruption)
    return path


def _run(
    path: Path,
    config: TrainConfig,
    asked: Sweep,
    candidates: list[Candidate],
    simplicity: Callable | None,
    material: Material,
    display: Display,
    interruption: Interruption,
) -> None:
    began = time.monotonic()
    result = _train(path, config, asked, candidates, material.plan, display, interruption)
    report.write_tables(path, result)
    report.draw(path, result)
    chosen = choose(result, simplicity=simplicity)
    report.show_sweep(display, result, chosen, config, len(material.splits.train.classes))
    if asked.test:
        _finish(path, config, chosen, result, material, display, began)


def _train(
    path: Path,
    config: TrainConfig,
    asked: Sweep,
    candidates: list[Candidate],
    plan: Plan,
    display: Display,
    interruption: Interruption,
) -> SweepResult:
    """Every training that has not ended yet; writes what has, now and then."""
    seeds = tuple(range(config.seed, config.seed + asked.seeds))
    lanes = list_lanes(candidates, seeds, plan.folds.k)
    done = list(read_json(path / LANES).lanes) if (path / LANES).exists() else []
    shown = report.Shown(display, candidates, len(lanes) // len(candidates), done)
    display.note(
        f"{len(candidates)} candidates x {asked.seeds} seeds x {plan.folds.k} folds = {len(lanes)} "
        f"trainings of up to {plan.epochs} epochs -> {path}"
        f"{f'; {len(done)} have ended already' if done else ''}"
    )
    keeper = Keeper(path / UNDER_WAY, seconds=config.checkpoint_seconds, note=display.note)
    saved = time.monotonic()

    def save() -> None:
        if done:
            write_json(path / LANES, SweepResult(_in_order(done)))
        for one in done:
            keeper.forget(one.lane)

    finished = sweep_lanes(
        plan,
        candidates,
        seeds=seeds,
        fixed=fixed_axes(candidates),
        halving=Halving(asked.halving) if asked.halving else None,
        chunk=asked.chunk,
        done=tuple(done),
        keeper=keeper,
        stop=interruption.requested,
        observe=shown.steps,
    )
    try:
        with display.bar((len(lanes) - len(done)) * plan.epochs * plan.steps) as shown.bar:
            interruption.unsaved = True
            for one in finished:
                done.append(one.result)
                shown.lane(one.result)
                if time.monotonic() - saved > config.checkpoint_seconds:
                    save()
                    saved = time.monotonic()
    finally:
        finished.close()  # which waits for the trainings under way to stop
        save()
        interruption.unsaved = False
    if interruption.requested():
        how = f"`jaxvision sweep --resume {path}` goes on"
        raise InterruptedRunError(interruption.signal or signal.SIGTERM, how)
    keeper.clear()
    return SweepResult(_in_order(done))


def _finish(
    path: Path,
    config: TrainConfig,
    chosen: CandidateScore,
    result: SweepResult,
    material: Material,
    display: Display,
    began: float,
) -> None:
    plan, epochs = material.plan, epochs_to_train(result, chosen)
    with display.working(f"training on all for {epochs} epochs"):
        retrained = retrain(plan, chosen.hyperparameters, epochs, config.seed)
        test = measure_once(
            plan, chosen.hyperparameters, retrained, lambda: material.load(material.splits.test)
        )
    run = path / CHOSEN
    run.mkdir(exist_ok=True)
    own = dataclasses.replace(config, **settings_of(chosen.hyperparameters), out=run)
    files.write_json(run / files.CONFIG, _record(own, material))
    save_variables(run / files.MODEL, combine(retrained.variables, material.frozen))
    figures = {
        "hyperparameters": chosen.hyperparameters,
        "validation_accuracy": {
            "mean": chosen.mean,
            "standard_error": chosen.standard_error if chosen.lanes > 1 else None,
        },
        "epochs": epochs,
        "test": test,
        "seconds": round(time.monotonic() - began, 2),
    }
    for folder in (run, path):
        files.write_json(folder / files.RESULT, figures)
    report.show_test(display, path, figures, len(material.splits.test))


def _record(config: TrainConfig, material: Material) -> dict[str, Any]:
    return record_of(config, material.splits, material.normalization, material.options)


def _simplicity(text: str | None, candidate: Candidate) -> Callable | None:
    if text is None:
        return None
    name, sign = text.removeprefix("-").replace("-", "_"), -1 if text.startswith("-") else 1
    if not isinstance(candidate.get(name), int | float):
        raise ValueError(
            f"`simpler` must name an axis of numbers, got {text}: the axes are "
            f"{', '.join(candidate)}"
        )
    return lambda hyperparameters: sign * hyperparameters[name]


def _check_usable(config: TrainConfig) -> None:
    for name in NOT_USED:
        value, default = getattr(config, name), getattr(TrainConfig, name)
        if value != default:
            raise ValueError(
                f"`{name}` is for a single training, and a sweep has none of it, got {value}: "
                "leave it out. (Trainings of a sweep are spread over all devices by themselves.)"
            )


def _read_record(path: Path) -> dict[str, Any]:
    if not (path / SWEEP).is_file():
        raise FileNotFoundError(f"{path} holds no sweep: it has no {SWEEP}")
    try:
        return json.loads((path / SWEEP).read_text())
    except ValueError:
        raise ValueError(f"{path / SWEEP} is damaged: it is not JSON. Sweep anew.") from None


def _in_order(results: list[LaneResult]) -> tuple[LaneResult, ...]:
    def place(result: LaneResult) -> tuple[int, int, int]:
        return result.lane.candidate, result.lane.seed, result.lane.fold or 0

    return tuple(sorted(results, key=place))
