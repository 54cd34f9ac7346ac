"""Runs the steps of an epoch: compiled programs that make many steps, and return in between.

    train program: (state, data, handles, offset, first, count) -> (state, totals of each step)

makes `count` steps from the `first` on in one loop on the device: between them nothing is
dispatched and no memory is asked for. The count is decided at run time by the steps' speed, so that
the host gets its turn about twice a second: to show something, to save, to stop. The same program
with other counts gives the same bits.

A loop is for steps that are as fast inside as outside of one: on an accelerator all are, on a CPU
those without the convolutions that XLA's CPU compiler rewrites outside of loops only
(`ops.platform.slow_in_loops`; `ops.conv2d` has none). For the others, a program is one step.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.stages import Compiled, Lowered
from jaxtyping import PyTree

from jaxvision.ops.platform import compiler_options, slow_in_loops
from jaxvision.train.state import TrainState, Variables

Question = Callable[[], bool]
Observe = Callable[[int, float], None]  # told of steps made and of the seconds waited for their
# data; of 0 steps as an epoch begins

TURN = 0.5  # seconds that a program of more than one step may take
STEPS_TOGETHER = 8  # a program's steps where several processes must agree on them
MAX_SKIPPED = 10


class NonFiniteError(FloatingPointError):
    """Too many steps in a row had NaN or an infinity in their loss or gradient."""

    def __init__(self, step: int, skipped: int, batch: str):
        """The last of `skipped` steps in a row was `step`, and `batch` says what was in it."""
        super().__init__(step, skipped, batch)
        self.step, self.skipped, self.batch = step, skipped, batch
        self.kept = ""  # what was saved before, for the message

    def __str__(self) -> str:
        return (
            f"the loss or its gradient is not finite at step {self.step} and the "
            f"{self.skipped - 1} before it. They were left out, and training stopped there; the "
            f"usual remedy is a smaller learning rate. The last batch was {self.batch}."
            f"{f' What was good is kept: {self.kept}.' if self.kept else ''}"
        )


def never() -> bool:
    """The answer of who has no question: no."""
    return False


def unobserved(steps: int, waited: float) -> None:
    """What is told of the steps when nobody wants to know."""
    del steps, waited


class TrainEpoch:
    """The steps of an epoch, compiled when it is first called, or before by `compile_together`."""

    def __init__(self, train_step: Callable, feed: Any, *, scan: bool | None = None):
        """Args:
        train_step: from `make_train_step`.
        feed: where batches come from, see `jaxvision.data.batches.Feed`.
        scan: whether a program makes many steps; None to choose what is faster here.
        """
        self.train_step, self.feed, self.scan = train_step, feed, scan
        self.program: Compiled | None = None

    def lower(self, state: TrainState) -> Lowered:
        """The program for states like this one, which it will be donated."""
        data, handles = self.feed.data, self.feed.piece_shapes()
        if self.scan is None:
            batch = jax.eval_shape(self.feed.gather, data, _pick(handles, 0))
            self.scan = not slow_in_loops(self.train_step, state, batch)
        whole = self.feed.replicated
        shardings = None if whole is None else (jax.tree.map(lambda x: x.sharding, state), whole)
        return jax.jit(
            self._many_steps if self.scan else self._one_step,
            donate_argnums=0,
            out_shardings=shardings,
            compiler_options=compiler_options(),
        ).lower(state, data, handles, *self.feed.replicate(_numbers(0, 0, 1)))

    def __call__(
        self,
        state: TrainState,
        epoch: int,
        first: int = 0,
        *,
        skipped: int = 0,
        max_skipped: int = MAX_SKIPPED,
        pause: Question = never,
        observe: Observe = unobserved,
    ) -> tuple[TrainState, dict[str, np.ndarray]]:
        """Makes the steps from `first` on: (the state after them, the totals of each, [steps]).

        Args:
            state: is donated.
            epoch: from 0; it decides the order.
            first: the steps of this epoch that are made already.
            skipped: how many steps in a row were left out just before.
            max_skipped: how many may be.
            pause: asked after every program; if it says True, no further one is begun.
            observe: see `Observe`.

        Raises:
            NonFiniteError: at the step that makes `max_skipped` in a row left out.
        """
        if self.program is None:
            self.program = self.lower(state).compile()
        pace, before = _Pace(self.scan), int(jax.device_get(state.step))
        observe(0, 0.0)

        def programs() -> Iterator[tuple[Any, range, float]]:
            nonlocal state
            for (handles, offset, steps), waited in _timed(self.feed.pieces(epoch, first)):
                while steps:
                    now, steps = steps[: pace.count], steps[pace.count :]
                    turn = self.feed.replicate(_numbers(offset, now.start, len(now)))
                    state, totals = self.program(state, self.feed.data, handles, *turn)
                    yield totals, now, waited
                    waited = 0.0
                    if pause():
                        return

        read, made = [], 0
        for totals, steps, waited in _behind(programs(), 0 if jax.process_count() > 1 else 1):
            totals = jax.device_get(totals)
            if self.scan:
                totals = {name: values[steps.start : steps.stop] for name, values in totals.items()}
            for left_out in totals["skipped"]:
                made += 1
                skipped = skipped + 1 if left_out else 0
                if skipped >= max_skipped:
                    batch = self.feed.describe(epoch, first + made - 1)
                    raise NonFiniteError(before + made, skipped, batch)
            read.append(totals)
            pace.measure(len(steps))
            observe(len(steps), waited)
        return state, {name: np.concatenate([one[name] for one in read]) for name in read[0]}

    def _one_step(self, state, data, handles, offset, first, count):
        del count
        batch = self.feed.gather(data, _pick(handles, first - offset))
        state, totals = self.train_step(state, batch)
        return state, jax.tree.map(lambda x: x[None], totals)

    def _many_steps(self, state, data, handles, offset, first, count):
        def step(i, carry):
            state, totals = carry
            batch = self.feed.gather(data, _pick(handles, i - offset))
            state, new = self.train_step(state, batch)
            return state, jax.tree.map(lambda all_, one: all_.at[i].set(one), totals, new)

        shapes = jax.eval_shape(self._one_step, state, data, handles, offset, first, count)[1]
        totals = {name: jnp.zeros(self.feed.steps, shape.dtype) for name, shape in shapes.items()}
        return jax.lax.fori_loop(first, first + count, step, (state, totals))


class EvalEpoch:
    """A look at all examples of a feed, compiled as a `TrainEpoch` is."""

    def __init__(self, eval_step: Callable, feed: Any):
        """Args: from `make_eval_step`; where batches come from."""
        self.eval_step, self.feed = eval_step, feed
        self.program: Compiled | None = None

    def lower(self, variables: Variables) -> Lowered:
        """The program for variables like these."""

        def step(variables, data, handles, offset, i):
            batch = self.feed.gather(data, _pick(handles, i - offset))
            return *self.eval_step(variables, batch), batch["mask"]

        return jax.jit(
            step, out_shardings=self.feed.replicated, compiler_options=compiler_options()
        ).lower(
            variables,
            self.feed.data,
            self.feed.piece_shapes(),
            *self.feed.replicate(_numbers(0, 0)),
        )

    def __call__(
        self, variables: Variables, stop: Question = never
    ) -> tuple[dict[str, float], PyTree] | None:
        """(totals summed over all examples, outputs [n, ...]); None if `stop` said True before.

        Both are on the host, the outputs in the feed's order without the filling of the last batch.
        """
        if self.program is None:
            self.program = self.lower(variables).compile()

        def programs() -> Iterator[PyTree]:
            for handles, offset, steps in self.feed.pieces(0):
                for i in steps:
                    turn = self.feed.replicate(_numbers(offset, i))
                    yield self.program(variables, self.feed.data, handles, *turn)

        sums, parts = {}, []
        for outputs in _behind(programs(), 0 if jax.process_count() > 1 else 1):
            if stop():
                return None
            totals, some, mask = jax.device_get(outputs)
            sums = add_totals(sums, totals)
            parts.append(jax.tree.map(lambda x, mask=mask: x[mask], some))
        return sums, jax.tree.map(lambda *x: np.concatenate(x), *parts)


def add_totals(sums: dict[str, float], totals: dict[str, np.ndarray]) -> dict[str, float]:
    """Adds totals to sums, in double precision and in the order of the steps.

    So the sum is the same to the bit wherever an epoch was interrupted.
    """
    sums = dict(sums)
    for name, values in totals.items():
        for value in np.ravel(values):
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums


class _Pace:
    """How many steps the next program shall make."""

    def __init__(self, scan: bool | None):
        self.adapts = scan and jax.process_count() == 1
        self.count = STEPS_TOGETHER if scan and not self.adapts else 1
        self._read = time.monotonic()

    def measure(self, steps: int) -> None:
        now = time.monotonic()
        if self.adapts:
            self.count = max(1, int(TURN * steps / (now - self._read)))
        self._read = now


def _numbers(*numbers: int) -> tuple[np.int32, ...]:
    return tuple(map(np.int32, numbers))


def _pick(handles: PyTree, i: int | jax.Array) -> PyTree:
    """Handle number `i`, of arrays or of their shapes."""

    def pick(x):
        if isinstance(x, jax.ShapeDtypeStruct):
            return jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
        return jax.lax.dynamic_index_in_dim(x, i, keepdims=False)

    return jax.tree.map(pick, handles)


def _timed(pieces: Iterator) -> Iterator[tuple[Any, float]]:
    """Each piece, and how long it had to be waited for."""
    while True:
        began = time.monotonic()
        piece = next(pieces, None)
        if piece is None:
            return
        yield piece, time.monotonic() - began


def _behind(outputs: Iterator, count: int) -> Iterator:
    """Hands out each output when `count` more are under way: no device waits for a reader."""
    waiting = deque()
    for output in outputs:
        waiting.append(output)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting
