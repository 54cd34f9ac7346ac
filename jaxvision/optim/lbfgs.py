"""L-BFGS: the BFGS direction from the last few steps alone, without a matrix.

Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
Programming 45, 1989, https://doi.org/10.1007/BF01589116; the equations are Algorithm 7.4 (the
two-loop recursion) and (7.20) of Nocedal & Wright, "Numerical Optimization", 2nd edition, 2006.
With s_i a difference between two points, y_i that between their gradients, rho_i = 1 / s_i.y_i:

    q = gradient
    from the latest pair to the earliest:     alpha_i = rho_i s_i.q
                                              q = q - alpha_i y_i
    r = gamma q,                              gamma = s.y / y.y of the latest pair
    from the earliest pair to the latest:     beta = rho_i y_i.r
                                              r = r + (alpha_i - beta) s_i
    d = -r
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.hyperparameters import require_whole
from jaxvision.optim.descent import Method, along_lines
from jaxvision.optim.line_search import dot


class Pairs(NamedTuple):
    """The latest pairs, in rings: number i, counted from 0, is in row i % memory."""

    s: Float[Array, "memory n"]
    y: Float[Array, "memory n"]
    rho: Float[Array, " memory"]
    gamma: Float[Array, ""]


def lbfgs(memory: int = 10) -> Method:
    """L-BFGS with a strong Wolfe line search.

    Args:
        memory: how many pairs to keep; each takes the space of two x.

    Raises:
        ValueError: if `memory` is less than 1.
    """
    require_whole("memory", memory, low=1)
    return _lbfgs(memory)


@functools.cache  # one method for one memory, so that nothing compiles a second time
def _lbfgs(memory: int) -> Method:
    def init(x0):
        s, y = jnp.zeros((2, memory, x0.size), x0.dtype)
        return Pairs(s, y, rho=jnp.zeros([memory], x0.dtype), gamma=jnp.ones([], x0.dtype))

    return along_lines(init, record, direction)


def record(
    history: Pairs,
    pairs: Int[Array, ""],
    s: Float[Array, " n"],
    y: Float[Array, " n"],
    keep: Bool[Array, ""],
) -> Pairs:
    """Puts (s, y) in the place of the earliest pair, if `keep`."""
    i, sy = pairs % len(history.rho), dot(s, y)

    def put(ring, row):
        return ring.at[i].set(jnp.where(keep, row, ring[i]))

    return Pairs(
        s=put(history.s, s),
        y=put(history.y, y),
        rho=put(history.rho, 1 / sy),
        gamma=jnp.where(keep, sy / dot(y, y), history.gamma),
    )


def direction(
    history: Pairs, pairs: Int[Array, ""], gradient: Float[Array, " n"]
) -> Float[Array, " n"]:
    """The two-loop recursion over the `pairs` recorded, or as many of them as are kept."""
    s, y, rho, gamma = history
    kept = jnp.minimum(pairs, len(rho))

    def backward(k, carry):
        q, alpha = carry
        i = (pairs - 1 - k) % len(rho)
        alpha = alpha.at[i].set(rho[i] * dot(s[i], q))
        return q - alpha[i] * y[i], alpha

    def forward(k, r):
        i = (pairs - kept + k) % len(rho)
        beta = rho[i] * dot(y[i], r)
        return r + (alpha[i] - beta) * s[i]

    q, alpha = jax.lax.fori_loop(0, kept, backward, (gradient, jnp.zeros_like(rho)))
    r = jnp.where(pairs > 0, gamma, 1) * q
    return -jax.lax.fori_loop(0, kept, forward, r)
