"""Which form of a primitive is built: all forms are equal in value, and each is fast somewhere.

`lax` writes a convolution, a pool or a normalisation in one way, which suits accelerators. XLA's
CPU compiler does far better with other ways of writing the same function, which
`benchmarks/primitives.py` measures. The primitives ask here, as they are traced, which is wanted.
Whoever compiles a program of them asks for the compiler's options that suit it.
"""

from functools import cache

import jax

CPU, PLAIN = "cpu", "plain"

form = jax.make_user_context(None)
"""`with form(PLAIN):` or `with form(CPU):` decides for what is traced inside; None: by platform.

Functions that `jax.jit` has compiled in another form are traced again. The plain form is the one to
read a program's structure from: it is the same on every machine.
"""


def prefers_cpu_form() -> bool:
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
