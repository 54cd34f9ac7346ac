"""Holds a function's gradient, forward and reverse mode, against differences of its values.

For each checked element x_i and h = step * max(1, |x_i|), in float64, with f+ and f- at x_i +- h,

    D(h) = (f+ - f-) / (2 h)                        the central difference
    differences = (4 D(h / 2) - D(h)) / 3           Richardson's: error h^4 f''''' / 480 + eps f / h
    J(h) = (f+ - f) / h - (f - f-) / h              by how much the two one-sided slopes differ

    error(a, b) = |a - b| / max(|a|, |b|, r / tolerance)      r: what rounding leaves of differences

Where f is smooth J halves with h. A kink in the step, as a ReLU's or a maximum's, has J jump: it
stays as it is with the kink at x_i itself. An element is a kink if J(h / 2) is not J(h) / 2, or
J(h / 4) not J(h / 2) / 2 (either alone has a place that it misses), and J does not grow: that of a
function which is not continuous doubles. Gradients at a kink are a matter of convention, so it is
listed and not counted as a failure.

`GradientCheck` (see `report`) says which element is the worst, and what that points to.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Int, PyTree

from jaxvision.hyperparameters import Whole, require, require_whole
from jaxvision.inspect.gradients.flat import Flat, flatten, map_in_chunks, require_finite
from jaxvision.inspect.gradients.report import Element, GradientCheck, LeafCheck, Verdict
from jaxvision.ops.platform import compiler_options

STEP = 2**-12
PARTS = (1, -1, 1 / 2, -1 / 2, 1 / 4, -1 / 4)  # of h, where the function is evaluated
ROUNDING = 32  # units in the last place that a function's value may be off


def check_gradients(
    fn: Callable[[PyTree], Any],
    params: PyTree,
    *,
    tolerance: int | float = 1e-6,
    elements: Whole = 100,
    seed: Whole = 0,
    step: int | float = STEP,
) -> GradientCheck:
    """Compares the derivatives that autodiff gives of `fn` with each other and with differences.

    A function with a `custom_vjp` has no forward mode: that is left out, and said.

    Args:
        fn: params -> scalar. What it closes over stays as it is: arrays of float32 there that an
            operation does not mix with float64 have to be widened by the caller.
        params: leaves of floating point, of any width; they are widened to float64.
        tolerance: of the relative error.
        elements: at most so many of each leaf are checked, drawn by `seed`.
        seed: of the draw.
        step: h, in units of max(1, |x|) of each element. Take a smaller one for a function that
            bends within 1e-3, as a logarithm near 0.

    Raises:
        ValueError: if an argument is out of range, a leaf is not of floating point, or `fn` does
            not return a finite scalar.
    """
    require("tolerance", tolerance, "(0, 1)")
    require("step", step, "(0, inf)")
    require_whole("elements", elements, low=1)
    flat = flatten(fn, params)
    places = _draw(flat, int(elements), int(seed))
    steps = step * np.maximum(1, np.abs(flat.vector[places]))
    value, gradient, values, forward = _evaluate(flat, places, steps)
    require_finite(value)
    reverse, resolution = gradient[places], _resolution(flat, gradient, values, steps)
    differences, kinks = _differentiate(float(value), values, steps, reverse, resolution, tolerance)
    floor = resolution / tolerance
    modes = np.zeros(len(places)) if forward is None else _error(forward, reverse, floor)
    off = _error(reverse, differences, floor)
    if forward is not None:
        off = np.maximum(off, _error(forward, differences, floor))

    def element(i: int) -> Element:
        return Element(
            *flat.locate(int(places[i])),
            reverse=float(reverse[i]),
            forward=None if forward is None else float(forward[i]),
            differences=float(differences[i]),
            error=float(max(modes[i], off[i])),
            verdict=_verdict(modes[i], off[i], bool(kinks[i]), tolerance),
        )

    found = [element(i) for i in range(len(places))]
    leaves = tuple(
        LeafCheck(
            leaf.path,
            leaf.shape,
            tuple(e for e, i in zip(found, places, strict=True) if 0 <= i - leaf.start < leaf.size),
        )
        for leaf in flat.leaves
    )
    return GradientCheck(leaves, float(tolerance), forward_mode=forward is not None)


def _draw(flat: Flat, elements: int, seed: int) -> Int[np.ndarray, " k"]:
    random = np.random.default_rng(seed)
    drawn = [
        leaf.start + np.sort(random.choice(leaf.size, min(elements, leaf.size), replace=False))
        for leaf in flat.leaves
    ]
    return np.concatenate(drawn)


def _evaluate(
    flat: Flat, places: Int[np.ndarray, " k"], steps: Float64[np.ndarray, " k"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The value, the gradient [n]; at the places values beside [parts, k], and forward mode [k]."""
    parts = np.repeat(PARTS, len(places))
    points = np.tile(places, len(PARTS)), parts * np.tile(steps, len(PARTS))

    def run(vector, places, points, forward_mode):
        def moved(place, distance):
            return flat.fn(vector.at[place].add(distance))

        def slope(place):
            return jax.jvp(flat.fn, (vector,), (jnp.zeros_like(vector).at[place].set(1),))[1]

        size = vector.size
        beside = map_in_chunks(moved, size, *points).reshape(len(PARTS), -1)
        # Apart from the values: at one point for all, a convolution's are not of as many kernels.
        forward = map_in_chunks(slope, size, places) if forward_mode else None
        return *jax.value_and_grad(flat.fn)(vector), beside, forward

    compiled = jax.jit(run, static_argnums=3, compiler_options=compiler_options())
    with jax.enable_x64(True):
        try:
            found = compiled(flat.vector, places, points, True)
        except TypeError as error:
            if "custom_vjp" not in str(error):
                raise
            found = compiled(flat.vector, places, points, False)
        return jax.tree.map(np.asarray, found)


def _resolution(
    flat: Flat,
    gradient: Float64[np.ndarray, " n"],
    values: Float64[np.ndarray, "parts k"],
    steps: Float64[np.ndarray, " k"],
) -> Float64[np.ndarray, " k"]:
    """What rounding may make of a difference, by how large the function's value is.

    And its terms, which may cancel: they are as large as what the value changes by along the way
    from 0, or by 1 where the parameters are smaller.
    """
    gradient, values = (np.where(np.isfinite(a), a, 0) for a in (gradient, values))
    terms = np.linalg.norm(gradient * np.maximum(1, np.abs(flat.vector)))
    size = terms + np.max(np.abs(values), axis=0, initial=0)
    return ROUNDING * np.finfo(np.float64).eps * size / steps


def _differentiate(
    value: float,
    values: Float64[np.ndarray, "parts k"],
    steps: Float64[np.ndarray, " k"],
    reverse: Float64[np.ndarray, " k"],
    resolution: Float64[np.ndarray, " k"],
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The differences, and which elements are kinks."""
    above, below = values[::2], values[1::2]  # [3, k], at h, h / 2 and h / 4
    h = steps * np.array([[1], [1 / 2], [1 / 4]])
    with np.errstate(invalid="ignore"):
        central = (above - below) / (2 * h)
        jumps = (above - 2 * value + below) / h
        slopes = np.max(np.abs([*(above - value) / h, *(value - below) / h, reverse]), axis=0)
        # Twice and four times the noise of h, as the values are divided by h / 2 and by h / 4.
        noticed = tolerance * slopes + 8 * resolution
        bends = np.abs(jumps[1:] - jumps[:-1] / 2) > noticed
        grows = np.abs(jumps[1:]) > 1.5 * np.abs(jumps[:-1]) + noticed
    return (4 * central[1] - central[0]) / 3, bends.any(axis=0) & ~grows.any(axis=0)


def _error(a: np.ndarray, b: np.ndarray, floor: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.maximum(np.maximum(np.abs(a), np.abs(b)), floor)
        error = np.where(a == b, 0, np.abs(a - b) / size)
    return np.where(np.isfinite(a) & np.isfinite(b), error, np.inf)


def _verdict(modes: float, off: float, kink: bool, tolerance: float) -> Verdict:
    if not np.isfinite([modes, off]).all():
        return "not finite"
    if kink:
        return "kink"
    if modes > tolerance:
        return "modes disagree"
    return "differs" if off > tolerance else "passes"
