"""BFGS: a dense estimate of the inverse Hessian, corrected after every step.

Nocedal & Wright, "Numerical Optimization", 2nd edition, Springer 2006, Algorithm 6.1,
https://doi.org/10.1007/978-0-387-40065-5. With s the difference between two points, y that between
their gradients, and rho = 1 / s.y:

    H = s.y / y.y I                                       once, at the first pair     (6.20)
    H = (I - rho s y') H (I - rho y s') + rho s s'        at every pair               (6.17)
    d = -H gradient
"""

import functools

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.optim.descent import Method, along_lines
from jaxvision.optim.line_search import dot

MAX_SIZE = 4096  # H has MAX_SIZE^2 entries: 64 MiB in float32


@functools.cache  # one method, so that nothing compiles a second time
def bfgs() -> Method:
    """BFGS with a strong Wolfe line search, for at most MAX_SIZE variables.

    Starting it from a larger `x0` raises ValueError.
    """
    return along_lines(identity, record, direction)


def identity(x0: Float[Array, " n"]) -> Float[Array, "n n"]:
    """H before any pair.

    Raises:
        ValueError: if x0 has more than MAX_SIZE entries.
    """
    if x0.size > MAX_SIZE:
        raise ValueError(
            f"`x0` must have at most {MAX_SIZE} entries for `bfgs`, which keeps a matrix of that "
            f"many squared, got {x0.size}: use `lbfgs`."
        )
    return jnp.eye(x0.size, dtype=x0.dtype)


def record(
    H: Float[Array, "n n"],
    pairs: Int[Array, ""],
    s: Float[Array, " n"],
    y: Float[Array, " n"],
    keep: Bool[Array, ""],
) -> Float[Array, "n n"]:
    """H corrected by (s, y), if `keep`."""
    rho = 1 / dot(s, y)
    H = jnp.where(pairs > 0, H, jnp.eye(s.size, dtype=s.dtype) / (rho * dot(y, y)))
    Hy = jnp.dot(H, y, precision="highest")
    # (6.17) multiplied out, without a product of matrices.
    ss, sHy = jnp.outer(s, s), jnp.outer(s, Hy)
    corrected = H - rho * (sHy + sHy.T) + rho * (1 + rho * dot(y, Hy)) * ss
    return jnp.where(keep, corrected, H)


def direction(
    H: Float[Array, "n n"],
    pairs: Int[Array, ""],
    gradient: Float[Array, " n"],
) -> Float[Array, " n"]:
    """The quasi-Newton direction; before any pair, the negative gradient."""
    return -jnp.where(pairs > 0, jnp.dot(H, gradient, precision="highest"), gradient)
