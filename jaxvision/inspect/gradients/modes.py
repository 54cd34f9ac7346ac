"""Forward against reverse mode: a Jacobian costs a pass for each input, or one for each output.

For f from m numbers to n, a pass of either mode costs a small multiple of f:

    forward mode    J e_j, a column, for each of m inputs     costs grow with m
    reverse mode    e_i' J, a row, for each of n outputs      costs grow with n

A loss has n = 1, which is why networks are trained in reverse mode (Griewank & Walther, "Evaluating
Derivatives", 2nd ed., 2008, sections 3.1 and 3.2; Baydin et al., "Automatic Differentiation in
Machine Learning: a Survey", JMLR 18, 2018, section 3.2).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxvision.inspect.picture import COLORS, Picture, house_style


class JacobianCosts(NamedTuple):
    """Floating-point operations of a whole Jacobian, as XLA counts them in the compiled program."""

    inputs: int
    outputs: int
    forward: float
    reverse: float


def jacobian_costs(
    fn: Callable[[Float[Array, "..."]], Float[Array, "..."]], x: Float[Array, "..."]
) -> JacobianCosts:
    """Compiles the Jacobian of `fn` in both modes, and runs neither.

    XLA counts a loop's body once: `fn` should have none.

    Args:
        fn: from one array to one, of any shapes.
        x: its argument, whose shape and dtype alone count.

    Raises:
        ValueError: if `fn` does not return one array of floating point, or this platform's
            compiler does not count.
    """
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    y = jax.eval_shape(fn, shape)
    if not isinstance(y, jax.ShapeDtypeStruct) or not np.issubdtype(y.dtype, np.floating):
        raise ValueError(f"`fn` must return one array of floating point, got {y}.")
    forward, reverse = (_flops(mode(fn), shape) for mode in (jax.jacfwd, jax.jacrev))
    return JacobianCosts(int(np.prod(x.shape)), int(np.prod(y.shape)), forward, reverse)


@house_style
def plot_mode_costs(
    by_inputs: Sequence[JacobianCosts], by_outputs: Sequence[JacobianCosts]
) -> Picture:
    """Draws what a Jacobian costs in both modes, as the inputs and as the outputs become more.

    Args:
        by_inputs: with the same outputs and rising inputs, at least two.
        by_outputs: with the same inputs and rising outputs, at least two.

    Raises:
        ValueError: if the numbers do not rise, or the others are not the same.
    """
    panels = (
        ("by_inputs", "inputs", "outputs", by_inputs),
        ("by_outputs", "outputs", "inputs", by_outputs),
    )
    figure = Picture(figsize=(9.4, 3.9))
    for i, (argument, rising, same, costs) in enumerate(panels):
        numbers, others = ([getattr(c, name) for c in costs] for name in (rising, same))
        if len(costs) < 2 or (np.diff(numbers) <= 0).any() or len(set(others)) > 1:
            raise ValueError(
                f"`{argument}` must be at least two with rising {rising} and the same {same}, got "
                f"{rising} {numbers} and {same} {others}."
            )
        axes = figure.place(0.9 + 4.6 * i, 0.65, 3.7, 2.4)
        for color, mode in zip(COLORS, ("forward", "reverse"), strict=False):
            flops = [getattr(c, mode) for c in costs]
            axes.plot(numbers, flops, "o-", lw=1.8, ms=5, c=color, label=f"{mode} mode")
        axes.set(xscale="log", yscale="log", xlabel=rising)
        axes.set_title(f"{others[0]} {same if others[0] > 1 else same[:-1]}", loc="left", pad=10)
        axes.minorticks_off()
        axes.set_xticks(numbers, [str(n) for n in numbers])
        if not i:
            axes.set_ylabel("operations")
            handles = axes.get_legend_handles_labels()
    figure.legend(*handles, loc="upper left", ncols=2, frameon=False, bbox_to_anchor=(0.08, 1))
    return figure


def _flops(fn: Callable, x: jax.ShapeDtypeStruct) -> float:
    analysis = jax.jit(fn).lower(x).compile().cost_analysis()
    if not analysis or "flops" not in analysis:
        raise ValueError(
            f"`fn` cannot be counted: XLA says nothing of its costs on {jax.default_backend()}, so "
            "run it on a CPU."
        )
    return float(analysis["flops"])
