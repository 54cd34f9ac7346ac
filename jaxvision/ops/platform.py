"""Which form of a primitive is built: all forms are equal in value, and each is fast somewhere.

`lax` writes a convolution, a pool or a normalisation in one way, which suits accelerators. XLA's
CPU compiler does far better with other ways of writing the same function, which
`benchmarks/primitives.py` measures. The primitives ask here, as they are traced, which is wanted.
Whoever compiles a program of them asks for the compiler's options that suit it.
"""

from collections.abc import Callable, Iterator
from functools import cache

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jaxtyping import PyTree

CPU, PLAIN = "cpu", "plain"

form = jax.make_user_context(None)
"""`with form(PLAIN):` or `with form(CPU):` decides for what is traced inside; None: by platform.

Functions that `jax.jit` has compiled in another form are traced again. The plain form is the one to
read a program's structure from: it is the same on every machine.
"""


def prefers_cpu_form() -> bool:
    """Whether what is traced now is for a CPU, where the primitives have forms of their own."""
    if form.value is not None:
        return form.value == CPU
    return jax.default_backend() == "cpu"


@cache
def compiler_options() -> dict[str, str]:
    """For `jax.jit(..., compiler_options=...)` of a program with convolutions; empty if none help.

    XLA's CPU compiler runs convolutions by one of two libraries; its default uses one core only, at
    most sizes. These options are its defaults without that. As they are experimental, a version of
    XLA that does not know them gets none.
    """
    if jax.default_backend() != "cpu":
        return {}
    kept = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    options = {"xla_cpu_experimental_ynn_fusion_type": kept}
    return options if _compiles_with(options) else {}


def _compiles_with(options: dict[str, str]) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def slow_in_loops(function: Callable, *arguments: PyTree) -> bool:
    """Whether `function` has convolutions that this platform is slow at inside a loop.

    XLA's CPU compiler rewrites a convolution whose axes are not in the canonical order, as those of
    the gradients of `lax`'s convolutions, into one whose axes are: outside of loops only. Inside,
    they take up to thirty times as long. Ours have them in order.

    Args:
        function: is traced and not run.
        arguments: its arguments, or their shapes.
    """
    if jax.default_backend() != "cpu":
        return False
    return any(
        equation.primitive.name == "conv_general_dilated" and not _is_canonical(equation)
        for equation in _equations(jax.make_jaxpr(function)(*arguments).jaxpr)
    )


def _is_canonical(equation: JaxprEqn) -> bool:
    numbers = equation.params["dimension_numbers"]
    axes = tuple(range(1, len(numbers.lhs_spec) - 1))
    last = len(numbers.lhs_spec) - 1
    images, kernel = (0, last, *axes), (last, last - 1, *(axis - 1 for axis in axes))
    return (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec) == (images, kernel, images)


def _equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """All operations of a program, those of the programs inside it included."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(
            equation.params, is_leaf=lambda x: isinstance(x, Jaxpr | ClosedJaxpr)
        ):
            if isinstance(value, Jaxpr | ClosedJaxpr):
                yield from _equations(getattr(value, "jaxpr", value))
