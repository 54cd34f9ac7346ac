"""One training of a sweep as pure functions of its hyperparameters, seed and rows: a lane.

    init:    (hyperparameters, seed, data) -> lane
    steps:   (lane, hyperparameters, order, data, first, count) -> (lane, totals of each step)
    finish:  (lane, hyperparameters, rows, data, patience) -> (lane, totals of each batch)

`steps` makes `count` steps of an epoch, and `finish` ends the epoch: it measures on the validation
rows, keeps the best variables and stops in time (Prechelt, "Early Stopping -- But When?", 1998). A
lane that has stopped makes no more steps and does not change. The hyperparameters are arguments, so
whatever their values, it is one program; and as nothing in it knows of other lanes, `vmap` makes a
program of many.
"""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from jaxvision.selection.hyperparameters import Hyperparameters
from jaxvision.selection.spaces import Value
from jaxvision.train.fit import Score
from jaxvision.train.job import Job
from jaxvision.train.step import NOT_MEANS

RUNS, PATIENCE, DIVERGED, HALVED, EPOCHS = range(5)  # whether, and why, a lane has stopped

MakeRun = Callable[[Hyperparameters, int], Job]  # (values by name, steps of the training) -> job
Data = dict[str, Array]  # "image" [n, h, w, c], "label" [n]: all examples
Order = dict[str, Array]  # of an epoch: "row", "index", "epoch" [steps, b], "mask"; see `orders`


@flax.struct.dataclass
class LaneState:
    """All that a lane must remember."""

    train: PyTree  # a TrainState
    best: PyTree  # variables, of the epoch with the best validation score
    best_metrics: PyTree  # of that epoch, by name
    best_epoch: PyTree  # int32, from 1; 0: none yet
    epoch: PyTree  # int32, epochs made
    skipped: PyTree  # int32, steps in a row that were just left out because they are not finite
    stopped: PyTree  # int32, why; 0: it goes on


class LaneFunctions:
    """What the programs of a sweep are compiled from.

    Attributes:
        read: the hyperparameters that were asked for while these were traced.
    """

    def __init__(
        self,
        make_run: MakeRun,
        fixed: dict[str, Value],
        training_steps: int,
        score: Score,
        max_skipped: int,
        *,
        loops: bool,
    ):
        """Args:
        make_run: what is trained, see `MakeRun`.
        fixed: hyperparameters that are the same for all lanes, and not arguments.
        training_steps: of a whole training, for schedules.
        score: what "better" means, see `train.fit`.
        max_skipped: so many steps in a row that are not finite stop a lane.
        loops: whether `steps` makes all of them; else it makes the `first` only (see
            `train.epoch` on what a loop is for).
        """
        self._make_run, self._fixed, self._training_steps = make_run, fixed, training_steps
        self._score, self._max_skipped, self._loops = score, max_skipped, loops
        self.read: set[str] = set()

    def init(self, hyperparameters: dict, seed: Array, data: Data) -> LaneState:
        """A lane before its first step."""
        job = self._job(hyperparameters)
        train = job.init(jax.random.key(seed))
        batch = {name: a[:1] for name, a in data.items()} | {
            "mask": jnp.ones(1, bool),
            "row": jnp.zeros(1, jnp.int32),
            "epoch": jnp.zeros(1, jnp.int32),
        }
        metrics = jax.eval_shape(
            lambda *arguments: _means(job.eval_step(*arguments)[0]), train.eval_variables, batch
        )
        zero = jnp.zeros([], jnp.int32)
        return LaneState(
            train=train,
            best=jax.tree.map(jnp.copy, train.eval_variables),
            best_metrics={name: jnp.zeros(x.shape, x.dtype) for name, x in metrics.items()},
            best_epoch=zero,
            epoch=zero,
            skipped=zero,
            stopped=zero,
        )

    def steps(
        self,
        lane: LaneState,
        hyperparameters: dict,
        order: Order,
        data: Data,
        first: Array,
        count: Array,
    ) -> tuple[LaneState, dict[str, Array]]:
        """Makes `count` steps of an epoch from the `first` on, as far as there are any."""
        train_step = self._job(hyperparameters).train_step
        # The first batch without an example is behind the epoch's end: folds differ in size.
        last = jnp.minimum(first + count, jnp.sum(jnp.any(order["mask"], axis=1)))

        def goes_on(carry):
            i, lane, _ = carry
            return (i < last) & (lane.stopped == RUNS)

        def step(carry):
            i, lane, totals = carry
            train, new = train_step(lane.train, _gather(data, order, i))
            skipped = jnp.where(new["skipped"] > 0, lane.skipped + 1, 0)
            stopped = jnp.where(skipped >= self._max_skipped, DIVERGED, RUNS)
            lane = lane.replace(train=train, skipped=skipped, stopped=stopped)
            return i + 1, lane, jax.tree.map(lambda all_, x: all_.at[i].set(x), totals, new)

        batch = jax.eval_shape(_gather, data, order, 0)
        shapes = jax.eval_shape(train_step, lane.train, batch)[1]
        length = order["mask"].shape[0]
        totals = {name: jnp.zeros(length, shape.dtype) for name, shape in shapes.items()}
        start = (first, lane, totals)
        if self._loops:
            return jax.lax.while_loop(goes_on, step, start)[1:]
        return _where(goes_on(start), step(start)[1:], start[1:])

    def finish(
        self, lane: LaneState, hyperparameters: dict, rows: Order, data: Data, patience: Array
    ) -> tuple[LaneState, dict[str, Array]]:
        """Measures on the validation rows, keeps what is best, and stops in time."""
        eval_step = self._job(hyperparameters).eval_step
        variables = lane.train.eval_variables
        length = rows["mask"].shape[0]
        totals = jax.lax.map(
            lambda i: eval_step(variables, _gather(data, rows, i))[0], jnp.arange(length)
        )
        metrics = _means({name: jnp.sum(values) for name, values in totals.items()})
        epoch, score = lane.epoch + 1, self._score
        better = (lane.best_epoch == 0) | _exceeds(score(metrics), score(lane.best_metrics))
        best_epoch = jnp.where(better, epoch, lane.best_epoch)
        new = lane.replace(
            best=_where(better, variables, lane.best),
            best_metrics=_where(better, metrics, lane.best_metrics),
            best_epoch=best_epoch,
            epoch=epoch,
            stopped=jnp.where(epoch - best_epoch >= patience, PATIENCE, RUNS),
        )
        return _where(lane.stopped == RUNS, new, lane), totals

    def once(self, hyperparameters: dict, batch: dict[str, Array]) -> tuple[dict, dict]:
        """A step and an evaluation: all that is to be traced, for a look at it."""
        job = self._job(hyperparameters)
        state, totals = job.train_step(job.init(jax.random.key(0)), batch)
        return totals, job.eval_step(state.eval_variables, batch)[0]

    def _job(self, hyperparameters: dict) -> Job:
        values = Hyperparameters(self._fixed | hyperparameters, self.read)
        return self._make_run(values, self._training_steps)


def _gather(data: Data, order: Order, i: Array | int) -> dict[str, Array]:
    handle = {name: a[i] for name, a in order.items()}
    index = handle.pop("index")
    return {name: jnp.take(a, index, axis=0) for name, a in data.items()} | handle


def _means(totals: dict[str, Array]) -> dict[str, Array]:
    count = totals["count"]
    return {name: total / count for name, total in totals.items() if name not in NOT_MEANS}


def _exceeds(a: object, b: object) -> Array:
    """Whether score `a` is above `b`, as `train.fit.ranked` compares them."""
    result = jnp.asarray(False)
    a, b = ([jnp.where(jnp.isnan(x), -jnp.inf, x) for x in jax.tree.leaves(s)] for s in (a, b))
    for x, y in reversed(list(zip(a, b, strict=True))):
        result = (x > y) | ((x == y) & result)
    return result


def _where(condition: Array, new: PyTree, old: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
