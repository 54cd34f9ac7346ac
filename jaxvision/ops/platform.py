"""Which form of a primitive is built: all forms are equal in value, and each is fast somewhere.

`lax` writes a convolution, a pool or a normalisation in one way, which suits accelerators. XLA's
CPU compiler does far better with other ways of writing the same function, which
`benchmarks/primitives.py` measures. The primitives ask here, as they are traced, which is wanted.
"""

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
