"""Full-batch minimisation: a whole run, or a chunk of one, is one compiled program.

    result = minimize(fn, x0)                             L-BFGS from x0 to the end
    result.x, result.converged, result.message

    state = start(x0, lbfgs(memory=20))                   the same in chunks of 50 iterations,
    while not state.reason:                               to look at what has come out so far
        state = advance(fn, state, lbfgs(memory=20), 50)

The loop is a `lax.while_loop` with one evaluation of `fn` and its gradient a turn, whatever the
method does with it: `fn` is compiled once, and under `jax.vmap` no problem waits for the line
search of another. It flattens x into one vector, and the methods know only vectors.
"""

import enum
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PyTree

from jaxvision.hyperparameters import Scalar, require, require_whole
from jaxvision.optim.descent import Method
from jaxvision.optim.lbfgs import lbfgs
from jaxvision.optim.line_search import Point


class Reason(enum.IntEnum):
    """Why a run has ended; ITERATION_LIMIT, which is 0, leaves it open to go on."""

    ITERATION_LIMIT = 0
    GRADIENT_BELOW_TOLERANCE = 1
    DECREASE_BELOW_TOLERANCE = 2
    NO_FURTHER_DECREASE = 3  # at the limit of the precision, or the gradient is not that of `fn`
    VALUE_NOT_FINITE = 4


class Minimization(NamedTuple):
    """How far a run has come: its result, and, being arrays only, the checkpoint to go on from."""

    x: PyTree
    value: Float[Array, ""]  # infinite until x0 has been evaluated
    gradient: PyTree
    gradient_norm: Float[Array, ""]  # its entry of largest magnitude
    iterations: Int[Array, ""]  # points that followed x0
    evaluations: Int[Array, ""]  # of `fn` and its gradient, together
    reason: Int[Array, ""]  # a `Reason`
    trial: Float[Array, " n"]  # what to evaluate next, flat
    memory: PyTree  # the method's own

    @property
    def converged(self) -> Bool[Array, "..."]:
        """Whether one of the two tolerances has been met."""
        reason = jnp.asarray(self.reason)
        return (reason == Reason.GRADIENT_BELOW_TOLERANCE.value) | (
            reason == Reason.DECREASE_BELOW_TOLERANCE.value
        )

    @property
    def message(self) -> str:
        """The reason in words, of a single run that is not being traced."""
        return Reason(int(self.reason)).name.lower().replace("_", " ")


def minimize(
    fn: Callable[..., Scalar],
    x0: PyTree,
    method: Method = lbfgs(),  # noqa: B008 (immutable)
    *,
    args: tuple = (),
    max_iterations: int | Int[Array, ""] = 1000,
    tolerance: Scalar = 1e-5,
    value_tolerance: Scalar = 0.0,
) -> Minimization:
    """Minimises `fn(x, *args)` over x from `x0`, in one compiled program.

    It compiles once for each function, method and shapes, and keeps the function, with what it
    closes over, as long as the program: define `fn` once, and pass the data as `args`. It works
    under `jax.jit` and `jax.vmap`, over every array that it is given or that `fn` closes over.

    Args:
        fn: `(x, *args) -> scalar`, differentiable. It may be infinite or NaN outside its domain.
        x0: where to start: a pytree, all float32 or all float64. Without leaves, it is the minimum.
        method: `lbfgs()`, `bfgs()`, `steepest_descent()` or `gradient_descent(learning_rate)`.
        args: further arguments of `fn`, pytrees of arrays.
        max_iterations: at least 1.
        tolerance: converged when no entry of the gradient is larger in magnitude.
        value_tolerance: converged when an iteration changes the value by less than this part of it.
            At 0 this never happens.

    Raises:
        ValueError: if an argument is not as above, or `fn` or its gradient is not finite at `x0`.
            To tell, it waits for the result; under a transformation, where it cannot, the result's
            reason is VALUE_NOT_FINITE.
    """
    _check_limits("max_iterations", max_iterations, tolerance, value_tolerance)
    result = _minimize(fn, x0, method, max_iterations, args, tolerance, value_tolerance)
    _check_beginning(result)
    return result


@jax.jit  # whose results have a buffer each: a state may be donated
def start(x0: PyTree, method: Method = lbfgs()) -> Minimization:  # noqa: B008
    """A run that has yet to evaluate `x0`, for `advance`.

    Raises:
        ValueError: if `x0` is not all float32 or all float64, or too large for the method.
    """
    x0 = jax.tree.map(lambda x: jnp.array(x, jnp.result_type(x)), x0)  # no longer weakly typed
    dtypes = {str(jnp.result_type(leaf)) for leaf in jax.tree.leaves(x0)}
    if len(dtypes) > 1 or not dtypes <= {"float32", "float64"}:
        raise ValueError(
            f"`x0` must be all float32 or all float64, got {' and '.join(sorted(dtypes))}: "
            f"cast it; integers have no gradient, and a line search needs the digits."
        )
    flat, _ = ravel_pytree(x0)
    return Minimization(
        x=x0,
        value=jnp.full([], jnp.inf, flat.dtype),
        gradient=jax.tree.map(jnp.zeros_like, x0),
        gradient_norm=jnp.full([], jnp.inf, flat.dtype),
        iterations=jnp.zeros([], jnp.int32),
        evaluations=jnp.zeros([], jnp.int32),
        reason=jnp.zeros([], jnp.int32),
        trial=flat,
        memory=method.init(flat),
    )


def advance(
    fn: Callable[..., Scalar],
    state: Minimization,
    method: Method,
    steps: int | Int[Array, ""],
    *,
    args: tuple = (),
    tolerance: Scalar = 1e-5,
    value_tolerance: Scalar = 0.0,
) -> Minimization:
    """Goes on for `steps` iterations, or fewer if the run ends; one that has ended stays as it is.

    Chunks give the bits of one long run. The arguments and errors are those of `minimize`.

    Args:
        state: of `start(x0, method)`, or of an earlier chunk, or of `minimize` with this method.
        steps: at least 1. Chunks of different lengths are one compiled program.
    """
    _check_limits("steps", steps, tolerance, value_tolerance)
    state = _advance(fn, state, method, steps, args, tolerance, value_tolerance)
    _check_beginning(state)
    return state


@partial(jax.jit, static_argnames="fn")
def _minimize(fn, x0, method, max_iterations, args, tolerance, value_tolerance):
    state = start(x0, method)
    return _advance(fn, state, method, max_iterations, args, tolerance, value_tolerance)


@partial(jax.jit, static_argnames="fn")
def _advance(fn, state, method, steps, args, tolerance, value_tolerance):
    x, unravel = ravel_pytree(state.x)
    gradient, _ = ravel_pytree(state.gradient)
    _check_memory(state.memory, jax.eval_shape(method.init, x))
    last = state.iterations + steps

    def evaluate(x):
        value, gradient = jax.value_and_grad(lambda x: _scalar(fn(unravel(x), *args), x.dtype))(x)
        norm = jnp.max(jnp.abs(gradient), initial=0)
        return Point(x, jnp.where(jnp.isfinite(norm), value, jnp.nan), gradient, norm)

    def unfinished(state):
        return (state.reason == Reason.ITERATION_LIMIT.value) & (state.iterations < last)

    def turn(state):
        point = Point(state.x, state.value, state.gradient, state.gradient_norm)
        trial = evaluate(state.trial)
        step = method.step(state.memory, point, trial)
        change = jnp.abs(step.point.value - point.value)
        size = jnp.maximum(jnp.abs(step.point.value), jnp.abs(point.value))
        reasons = {
            Reason.GRADIENT_BELOW_TOLERANCE: step.moved & (step.point.gradient_norm <= tolerance),
            Reason.DECREASE_BELOW_TOLERANCE: step.moved & (change < value_tolerance * size),
            Reason.VALUE_NOT_FINITE: step.failed & ~jnp.isfinite(trial.value),
            Reason.NO_FURTHER_DECREASE: step.failed,
        }
        reason = jnp.select(list(reasons.values()), [reason.value for reason in reasons])
        x0_is_known = state.evaluations > 0
        return Minimization(
            *step.point,
            iterations=state.iterations + (step.moved & x0_is_known),
            evaluations=state.evaluations + 1,
            reason=reason.astype(jnp.int32),
            trial=step.trial,
            memory=step.memory,
        )

    flat = jax.lax.while_loop(unfinished, turn, state._replace(x=x, gradient=gradient))
    return flat._replace(x=unravel(flat.x), gradient=unravel(flat.gradient))


def _scalar(value, dtype):
    value = jnp.asarray(value)
    if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(
            f"`fn` must return a floating-point scalar, got {value.dtype} of shape {value.shape}: "
            f"return the sum or the mean."
        )
    return value.astype(dtype)


def _check_limits(name, iterations, tolerance, value_tolerance):
    require_whole(name, iterations, low=1)
    require("tolerance", tolerance, "(0, inf)")
    require("value_tolerance", value_tolerance, "[0, inf)")


def _check_memory(memory, expected):
    def form(tree):
        return jax.tree.structure(tree), [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]

    if form(memory) != form(expected):
        raise ValueError(
            "`state` must be of a run by the same `method`, got one of another: `start` a new run "
            "from `state.x`."
        )


def _check_beginning(state):
    if isinstance(state.reason, jax.core.Tracer):
        return
    if int(state.reason) == Reason.VALUE_NOT_FINITE and int(state.evaluations) == 1:
        raise ValueError(
            "`x0` must be where `fn` and its gradient are finite, got a place where they are not: "
            "start inside the domain of `fn`."
        )
