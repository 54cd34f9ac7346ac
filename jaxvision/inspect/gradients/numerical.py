"""Gradients from values alone, in float64: what a derivative by hand or by rule is held against.

For each element x_i of the parameters, with e_i its unit vector,

    central differences    (f(x + h e_i) - f(x - h e_i)) / (2 h)    error  h^2 f''' / 6 + eps f / h
    complex step           Im f(x + i h e_i) / h                    error  h^2 f''' / 6

The first has the least error, some 1e-10 of f, near h = eps^(1/3). The second subtracts nothing, so
that h can be as small as 1e-20 and the gradient is exact to the last digits: Squire & Trapp, "Using
Complex Variables to Estimate Derivatives of Real Functions", SIAM Review 40(1), 1998,
https://doi.org/10.1137/S003614459631241X. It needs an analytic f, of operations that take complex
numbers: no absolute value, no maximum, no comparison in it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float64, PyTree

from jaxvision.hyperparameters import require
from jaxvision.inspect.gradients.flat import Flat, flatten, map_in_chunks, require_finite

CUBE_ROOT = 6e-6  # of the distance between 1 and the next float64
ANALYTIC = 1e-4  # of the gradient's length that a direction's difference may be off


def central_differences(
    fn: Callable[[PyTree], Any], params: PyTree, step: int | float = CUBE_ROOT
) -> PyTree[Float64[np.ndarray, "..."]]:
    """The gradient of `fn` at `params`, by two values an element; in float64.

    Args:
        fn: params -> scalar. What it closes over stays as it is: arrays of float32 there that an
            operation does not mix with float64 have to be widened by the caller.
        params: leaves of floating point, of any width.
        step: h, in units of max(1, |x|) of each element.

    Raises:
        ValueError: if `step` is not positive, a leaf is not of floating point, or `fn` does not
            return a scalar that is finite at `params` and beside them.
    """
    require("step", step, "(0, inf)")
    flat = flatten(fn, params)
    steps = step * np.maximum(1, np.abs(flat.vector))
    above, below = flat.vector + steps, flat.vector - steps
    places = np.arange(len(flat.vector))
    with jax.enable_x64(True):
        points = np.tile(places, 2), np.concatenate([above, below])
        value, values = jax.jit(partial(_beside, flat))(flat.vector, *points)
    require_finite(np.asarray(value))
    values = np.asarray(values).reshape(2, -1)
    _require_finite(flat, values, "a step beside them; take a smaller `step`")
    # By the distance that the rounded points have, which is not exactly 2 h.
    return flat.unravel((values[0] - values[1]) / (above - below))


def complex_step(
    fn: Callable[[PyTree], Any], params: PyTree, step: int | float = 1e-20
) -> PyTree[Float64[np.ndarray, "..."]]:
    """The gradient of an analytic `fn` at `params`, exact to rounding; in float64.

    That `fn` is analytic is not taken on trust: along one direction the result is held against a
    difference of real values.

    Args:
        fn: params -> scalar; is called with leaves of complex128.
        params: leaves of floating point, of any width.
        step: h.

    Raises:
        ValueError: as `central_differences`, and if `fn` does not take complex numbers, loses their
            imaginary part, or is not analytic.
    """
    require("step", step, "(0, inf)")
    flat = flatten(fn, params)
    size = len(flat.vector)
    # Not the same sign for all, in which errors of a symmetric function might cancel.
    direction = np.random.default_rng(0).standard_normal(size)
    h = CUBE_ROOT * max(1, np.abs(flat.vector).max())
    at = jax.jit(flat.fn)
    with jax.enable_x64(True):
        value, above, below = (
            np.asarray(at(jnp.asarray(flat.vector + s * h * direction))) for s in (0, 1, -1)
        )
        require_finite(value)
        _require_complex(flat)

        @jax.jit
        def parts(vector: Complex[jax.Array, " n"], places: jax.Array) -> jax.Array:
            return map_in_chunks(
                lambda i: flat.fn(vector.at[i].add(1j * step)).imag, 2 * size, places
            )

        gradient = np.asarray(parts(flat.vector.astype(np.complex128), np.arange(size))) / step
    _require_finite(flat, gradient[None], "the complex step; take another `step`")
    slope = float(above - below) / (2 * h)
    length = max(np.linalg.norm(gradient), abs(slope))
    noise = 1e-15 * abs(value) / h
    if not abs(slope - gradient @ direction) <= ANALYTIC * length + 10 * noise:
        raise ValueError(
            "`fn` must be analytic, and along one direction its complex step gives a slope of "
            f"{gradient @ direction:.6g} and a difference {slope:.6g}: an absolute value, a real "
            "part or a maximum in it loses the derivative. Use central_differences."
        )
    return flat.unravel(gradient)


def _beside(
    flat: Flat, vector: jax.Array, places: jax.Array, points: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The value at the vector, and those where the element at each place is another."""
    values = map_in_chunks(lambda i, x: flat.fn(vector.at[i].set(x)), vector.size, places, points)
    return flat.fn(vector), values


def _require_finite(flat: Flat, values: Float64[np.ndarray, "k n"], where: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(wrong):
        path, index = flat.locate(int(wrong[0]))
        raise ValueError(
            f"`fn` must be finite near `params`, and is not for {path}{list(index)} with {where}."
        )


def _require_complex(flat: Flat) -> None:
    try:
        output = jax.eval_shape(flat.fn, jax.ShapeDtypeStruct(flat.vector.shape, np.complex128))
    except Exception as error:  # of whatever kind the operation, or a check of types, raises
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"`fn` must be written in operations that take complex numbers, and one says: {first} "
            "Use central_differences."
        ) from error
    if not jnp.issubdtype(output.dtype, jnp.complexfloating):
        raise ValueError(
            f"`fn` must return a complex number for complex `params`, got {output.dtype}: what "
            "drops the imaginary part drops the derivative. Use central_differences."
        )
