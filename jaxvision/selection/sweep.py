"""A sweep: every candidate with every seed on every fold, trained at once.

    candidates x seeds x folds -> lanes -> chunks of lanes -> compiled programs -> results

All lanes with the same fixed hyperparameters run the same compiled programs (`lanes.py`), whatever
their values are and however many there are; how many run at once is `layout.py`'s. Hyperparameters
that are words, or named as fixed, change the program itself: for each combination of them there is
a set of programs, one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Event
from typing import NamedTuple

import numpy as np
from jaxtyping import PyTree

from jaxvision.selection.chunk import Observe
from jaxvision.selection.group import Group, group_lanes
from jaxvision.selection.halving import Halving, rounds, survivors
from jaxvision.selection.keeping import Keeper
from jaxvision.selection.lanes import DIVERGED, HALVED
from jaxvision.selection.plan import Plan
from jaxvision.selection.results import Lane, LaneResult, SweepResult
from jaxvision.selection.spaces import Candidate
from jaxvision.selection.under_way import LaneUnderWay
from jaxvision.train.epoch import Question, never
from jaxvision.train.fit import ranked


class FinishedLane(NamedTuple):
    """A lane that has ended."""

    result: LaneResult
    best: PyTree  # the variables of its best epoch, on the host


def sweep(
    plan: Plan,
    candidates: Sequence[Candidate],
    *,
    seeds: Sequence[int] = (0,),
    fixed: Sequence[str] = (),
    halving: Halving | None = None,
    chunk: int | None = None,
    stop: Question = never,
    observe: Observe = lambda steps: None,
) -> SweepResult:
    """Trains every candidate with every seed on every fold of the plan.

    Args:
        plan: what is trained on what.
        candidates: see `spaces`.
        seeds: each decides the initial parameters, the order of the examples, and all else that is
            random in a training.
        fixed: hyperparameters that change shapes or the program: such candidates are trained one
            program after the other.
        halving: drops the worse candidates on the way; None for none.
        chunk: at most so many lanes a program; None to choose.
        stop: asked often; after a True one, what is finished is returned.
        observe: see `Observe`.

    Raises:
        ValueError: if there is no candidate or seed, candidates have different hyperparameters, or
            the run does not use one of them, uses another, or needs the value of one to build the
            program; or if it was stopped before a training had ended.
    """
    finished = sweep_lanes(
        plan,
        candidates,
        seeds=seeds,
        fixed=fixed,
        halving=halving,
        chunk=chunk,
        stop=stop,
        observe=observe,
    )
    results = {_key(one.result.lane): one.result for one in finished}
    return SweepResult(tuple(results[key] for key in sorted(results, key=_in_order(seeds))))


def list_lanes(
    candidates: Sequence[Candidate], seeds: Sequence[int], folds: int
) -> list[LaneUnderWay]:
    """Every candidate with every seed on every fold, in this order.

    Raises:
        ValueError: as `sweep`.
    """
    if not candidates:
        raise ValueError("`candidates` must hold at least one, got none.")
    names = set(candidates[0])
    for i, candidate in enumerate(candidates):
        if set(candidate) != names:
            raise ValueError(
                "`candidates` must all have the same hyperparameters, but the first has "
                f"{sorted(names)} and number {i} has {sorted(candidate)}."
            )
    if not seeds or len(set(seeds)) < len(seeds) or not 0 <= min(seeds) <= max(seeds) < 2**32:
        raise ValueError(
            f"`seeds` must be different whole numbers in [0, 2**32), at least one, got {seeds}."
        )
    return [
        LaneUnderWay(Lane(number, candidate, seed, fold if folds > 1 else None))
        for number, candidate in enumerate(candidates)
        for seed in seeds
        for fold in range(folds)
    ]


def sweep_lanes(
    plan: Plan,
    candidates: Sequence[Candidate],
    *,
    seeds: Sequence[int] = (0,),
    fixed: Sequence[str] = (),
    halving: Halving | None = None,
    chunk: int | None = None,
    done: Sequence[LaneResult] = (),
    keeper: Keeper | None = None,
    stop: Question = never,
    observe: Observe = lambda steps: None,
) -> Iterator[FinishedLane]:
    """As `sweep`, but yields each lane when it has ended, with its best variables.

    The other arguments are those of `sweep`.

    Args:
        done: what an earlier call yielded: these lanes are not trained again, and not yielded.
        keeper: keeps the lanes that have begun, and brings back those that an earlier call left;
            to forget those that are yielded is the caller's, once their results are safe.

    Raises:
        ValueError: as `sweep`.
    """
    if halving is not None:
        halving.check(plan.epochs)
    lanes = list_lanes(candidates, seeds, len(plan.folds.train))
    unknown = set(fixed) - set(candidates[0])
    if unknown:
        raise ValueError(
            f"`fixed` must name hyperparameters of the candidates, got {sorted(unknown)}; they "
            f"have {sorted(candidates[0])}."
        )
    known = {_key(result.lane): result for result in done}
    for lane in lanes:
        if _key(lane.lane) in known:
            lane.take(known[_key(lane.lane)])
    groups = group_lanes(plan, lanes, frozenset(fixed), chunk)
    running, ends = set(range(len(candidates))), rounds(plan.epochs, halving)
    for until in ends:
        for group in groups:
            yield from train_group(group, until, stop, observe, keeper)
        if stop():
            return
        if halving is not None and until < plan.epochs:
            running = survivors(_scores(plan, lanes, running, until), halving)
            for lane in lanes:
                if lane.goes_on and lane.lane.candidate not in running:
                    lane.stopped = HALVED
                    yield _finished(lane)


def train_group(
    group: Group,
    until: int,
    stop: Question = never,
    observe: Observe = lambda steps: None,
    keeper: Keeper | None = None,
) -> Iterator[FinishedLane]:
    """Trains a group's lanes until the end of epoch `until`; yields those that end."""
    lanes = [lane for lane in group.lanes if lane.goes_on]
    if not lanes:
        return
    group.prepare(lanes)
    if keeper:
        _bring_back(group, [lane for lane in lanes if lane.state is None], keeper, observe)
    cancelled = Event()
    with ThreadPoolExecutor(group.layout.threads) as pool:
        under_way = {
            pool.submit(
                group.train,
                chunk,
                until,
                lambda: cancelled.is_set() or stop(),
                observe,
                keeper,
            ): chunk
            for chunk in group.chunks(lanes)
        }
        try:
            while under_way:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    future.result()
                    yield from _ended(under_way.pop(future))
        finally:
            cancelled.set()


def _bring_back(
    group: Group, lanes: Sequence[LaneUnderWay], keeper: Keeper, observe: Observe
) -> None:
    like = group.first_state()
    for lane in lanes:
        keeper.bring_back(lane, like)
        observe(len(lane.history) * group.plan.steps + lane.made)


def _ended(lanes: Sequence[LaneUnderWay]) -> Iterator[FinishedLane]:
    for lane in lanes:
        if not lane.goes_on:
            yield _finished(lane)


def _finished(lane: LaneUnderWay) -> FinishedLane:
    finished = FinishedLane(lane.result(), lane.state.best)
    lane.state = None  # the memory of many networks
    return finished


def _scores(
    plan: Plan, lanes: Sequence[LaneUnderWay], running: set[int], until: int
) -> dict[int, tuple[float, ...]]:
    """What each running candidate has reached in so many epochs, the mean over its lanes.

    It does not look further, so that a sweep that is resumed decides as it did before.
    """
    of_candidate: dict[int, list[tuple[float, ...]]] = {candidate: [] for candidate in running}
    for lane in lanes:
        if lane.lane.candidate in running:
            scores = [ranked(plan.score(record["validation"])) for record in lane.history[:until]]
            whole = lane.stopped != DIVERGED or len(lane.history) >= until
            of_candidate[lane.lane.candidate].append(max(scores) if whole and scores else None)
    return {
        candidate: tuple(np.mean(scores, axis=0)) if None not in scores else (-np.inf,)
        for candidate, scores in of_candidate.items()
    }


def _in_order(seeds: Sequence[int]) -> Callable[[tuple], tuple]:
    return lambda key: (key[0], seeds.index(key[1]), key[2] or 0)


def _key(lane: Lane) -> tuple[int, int, int | None]:
    return lane.candidate, lane.seed, lane.fold
