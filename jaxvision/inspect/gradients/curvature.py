"""How a loss bends: products with its Hessian H, its trace and its largest eigenvalues.

H has as many rows as there are parameters and is never made. Its product with a vector costs some
two gradients, being the derivative of the gradient along the vector (Pearlmutter, "Fast Exact
Multiplication by the Hessian", Neural Computation 6(1), 1994, equation 3):

    H v = d/dr grad L(params + r v) at r = 0

    trace          E[v' H v] for v of +-1, evenly drawn     Hutchinson, "A Stochastic Estimator of
                   the Trace of the Influence Matrix", Commun. Statist. Simula. 18(3), 1989
    eigenvalues    of the tridiagonal T = Q' H Q, with Q the orthonormal basis of v, H v, H^2 v, ...
                   Lanczos, J. Res. Natl. Bur. Stand. 45(4), 1950

and ||H v - lambda v|| says how far off an eigenvalue lambda, with its v of length 1, can be: some
true one is that near. In floating point Q loses its right angles, and eigenvalues come twice; so
each new vector is made orthogonal to all before it, twice (Parlett, "The Symmetric Eigenvalue
Problem", 1998, section 6.9). That takes as many vectors of memory as there are iterations.

What is computed has the dtype of the parameters.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from jaxvision.hyperparameters import Whole, require_whole

ITERATIONS = 50

Loss = Callable[[PyTree], Any]  # params -> scalar


class TraceEstimate(NamedTuple):
    """A trace, and the standard deviation that its estimate has."""

    trace: Float[Array, ""]
    standard_error: Float[Array, ""]


class Eigenpairs(NamedTuple):
    """Some eigenvalues of a Hessian, the largest first.

    Attributes:
        values: lambda.
        vectors: v, of length 1, each a tree as the parameters.
        residuals: ||H v - lambda v||.
    """

    values: Float[np.ndarray, " count"]
    vectors: tuple[PyTree, ...]
    residuals: Float[np.ndarray, " count"]


def hessian_vector_product(loss: Loss, params: PyTree, vector: PyTree) -> PyTree:
    """H v, forward over reverse; may be compiled and mapped.

    Args:
        loss: params -> scalar, without a `custom_vjp`, which has no forward mode.
        params: where H is taken.
        vector: v, a tree as `params`.

    Raises:
        ValueError: if `vector` has not the structure or the shapes of `params`.
    """
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (params, vector)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`vector` must be a tree of the shapes of `params`, {shapes[0]}, got {shapes[1]}."
        )
    return jax.jvp(jax.grad(loss), (params,), (vector,))[1]


def hutchinson_trace(
    key: Key[Array, ""], loss: Loss, params: PyTree, samples: Whole = 100
) -> TraceEstimate:
    """Estimates the trace of H, the sum of its eigenvalues; its error falls with sqrt(samples).

    Exact, with an error of 0, where H is diagonal. May be compiled.

    Args:
        key: what the vectors are drawn from.
        loss: params -> scalar.
        params: where H is taken.
        samples: vectors, at least 2.

    Raises:
        ValueError: if `samples` is below 2.
    """
    require_whole("samples", samples, low=2, remedy="of one there is no standard error")
    flat, unravel = ravel_pytree(params)

    def sample(key: Key[Array, ""]) -> Float[Array, ""]:
        v = jax.random.rademacher(key, flat.shape, flat.dtype)
        return jnp.vdot(v, ravel_pytree(hessian_vector_product(loss, params, unravel(v)))[0])

    values = jax.lax.map(sample, jax.random.split(key, samples))
    return TraceEstimate(jnp.mean(values), jnp.std(values, ddof=1) / jnp.sqrt(samples))


def top_eigenvalues(
    key: Key[Array, ""],
    loss: Loss,
    params: PyTree,
    count: Whole = 1,
    iterations: Whole | None = None,
) -> Eigenpairs:
    """The algebraically largest eigenvalues of H, by Lanczos.

    The smallest are those of `lambda params: -loss(params)`, with the other sign.

    Args:
        key: what the first vector is drawn from.
        loss: params -> scalar.
        params: where H is taken.
        count: how many, the largest first.
        iterations: products with H; by default 50, or as many as there are parameters. Look at the
            residuals: if they are not small, take more.

    Raises:
        ValueError: if `count` is below 1, or `iterations` below `count` or above the number of
            parameters, or H is not finite.
    """
    flat, unravel = ravel_pytree(params)
    require_whole("count", count, low=1)
    if iterations is None:
        iterations = min(max(ITERATIONS, count), flat.size)
    if not count <= iterations <= flat.size:
        raise ValueError(
            f"`iterations` must be in [{count}, {flat.size}], from `count` to the number of "
            f"parameters, got {iterations}."
        )

    def product(v: Float[Array, " n"]) -> Float[Array, " n"]:
        return ravel_pytree(hessian_vector_product(loss, params, unravel(v)))[0]

    @jax.jit
    def combine(weights: Float[Array, "c k"], values: Float[Array, " c"], basis: Array):
        vectors = weights @ basis
        vectors = vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)
        off = jax.lax.map(product, vectors) - values[:, None] * vectors
        return vectors, jnp.linalg.norm(off, axis=1)

    basis, diagonal, beside = _lanczos(product, key, flat, int(iterations))
    tridiagonal = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    values, weights = np.linalg.eigh(tridiagonal)
    values, weights = values[::-1][:count], weights.T[::-1][:count]  # the largest were the last
    vectors, residuals = combine(weights.astype(flat.dtype), values.astype(flat.dtype), basis)
    return Eigenpairs(values, tuple(map(unravel, vectors)), np.asarray(residuals, np.float64))


def _lanczos(
    product: Callable[[Array], Array], key: Key[Array, ""], flat: Array, iterations: int
) -> tuple[Float[Array, "k n"], np.ndarray, np.ndarray]:
    """Q as rows, and the diagonal and the one beside it of T, in float64."""

    @partial(jax.jit, donate_argnums=0)
    def advance(basis: Float[Array, "k n"], i: Array, new: Float[Array, " n"]):
        basis = basis.at[i].set(new / jnp.linalg.norm(new))
        image = product(basis[i])
        return basis, jnp.vdot(basis[i], image), *_orthogonal(image, basis)

    basis = jnp.zeros((iterations, flat.size), flat.dtype)
    diagonal, beside = np.zeros(iterations), np.zeros(iterations - 1)
    first, *later = jax.random.split(key, iterations)
    new = jax.random.normal(first, flat.shape, flat.dtype)
    for i in range(iterations):
        basis, diagonal[i], new, length = advance(basis, i, new)
        if not np.isfinite(diagonal[i]):
            raise ValueError(
                "`loss` must have a finite Hessian at `params`, and a product with it is "
                f"{diagonal[i]}: check the gradients there."
            )
        if i == iterations - 1:
            break
        size = max(np.abs(diagonal).max(), beside.max())
        if length > 10 * jnp.finfo(flat.dtype).eps * size:
            beside[i] = length
        else:
            # H makes nothing new of the vectors so far, it falls apart: the next part begins with
            # any vector at right angles to them.
            new, _ = _orthogonal(jax.random.normal(later[i], flat.shape, flat.dtype), basis)
    return basis, diagonal, beside


@jax.jit
def _orthogonal(
    v: Float[Array, " n"], basis: Float[Array, "k n"]
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """What of `v` is at right angles to all rows, which may be 0, and its length."""
    for _ in range(2):
        v = v - (basis @ v) @ basis
    return v, jnp.linalg.norm(v)
