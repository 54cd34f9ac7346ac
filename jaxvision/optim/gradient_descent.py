"""Gradient descent over a whole problem: a fixed rate, or as far as a line search goes.

Cauchy, "Methode generale pour la resolution des systemes d'equations simultanees", Comptes rendus
de l'Academie des sciences 25, 1847, pages 536-538; Nocedal & Wright, "Numerical Optimization", 2nd
edition, Springer 2006, chapter 3, https://doi.org/10.1007/978-0-387-40065-5:

    x = x - learning_rate gradient                        `gradient_descent`
    x = x - a gradient, with a of a line search           `steepest_descent`

The search's first trial is s.y / y.y of the step before, which is what L-BFGS scales its direction
by: Barzilai & Borwein, "Two-Point Step Size Gradient Methods", IMA Journal of Numerical Analysis
8(1), 1988, equation 5, https://doi.org/10.1093/imanum/8.1.141.
"""

import functools

import jax
import jax.numpy as jnp

from jaxvision.hyperparameters import Scalar, require
from jaxvision.optim.descent import Method, Step, along_lines
from jaxvision.optim.line_search import Point, dot


def gradient_descent(learning_rate: Scalar) -> Method:
    """Gradient descent of a fixed rate; it fails, at the last good point, where f is not finite.

    Args:
        learning_rate: the step in units of the gradient. It may be a traced array.

    Raises:
        ValueError: if `learning_rate` is a number that is not positive and finite.
    """
    require("learning_rate", learning_rate, "(0, inf)")
    return Method(_remember_nothing, jax.tree_util.Partial(_step, learning_rate))


@jax.tree_util.Partial
def _remember_nothing(x0):
    del x0
    return ()


def _step(learning_rate, memory: tuple[()], point: Point, trial: Point) -> Step:
    finite = jnp.isfinite(trial.value)
    point = jax.tree.map(lambda new, old: jnp.where(finite, new, old), trial, point)
    further = point.x - (learning_rate * point.gradient).astype(point.x.dtype)
    return Step(point, trial=further, memory=memory, moved=finite, failed=~finite)


@functools.cache  # one method, so that nothing compiles a second time
def steepest_descent() -> Method:
    """Gradient descent with a strong Wolfe line search."""

    def init(x0):
        return jnp.ones([], x0.dtype)

    def record(gamma, pairs, s, y, keep):
        del pairs
        return jnp.where(keep, dot(s, y) / dot(y, y), gamma)

    def direction(gamma, pairs, gradient):
        return -jnp.where(pairs > 0, gamma, 1) * gradient

    return along_lines(init, record, direction)
