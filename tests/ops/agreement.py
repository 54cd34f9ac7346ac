"""Checks that a primitive is one function in all its forms, in every mode of differentiation."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.ops.platform import CPU, PLAIN, form

QUICK = {"xla_backend_optimization_level": 0}  # compile times are most of these tests


def random_arrays(*shapes, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) for shape in shapes]


def assert_close(actual, expected, rtol):
    """Entries may differ by `rtol` times the largest: a sum of terms may be near 0."""
    jax.tree.map(
        lambda a, e: np.testing.assert_allclose(a, e, rtol=0, atol=rtol * np.abs(e).max(initial=0)),
        jax.tree.map(np.asarray, actual),
        jax.tree.map(np.asarray, expected),
    )


def run(chosen, function, *arguments):
    """`function` of the arguments, compiled in the chosen form."""
    with form(chosen):
        return jax.jit(function, compiler_options=QUICK)(*arguments)


def first_order(function):
    """(the value, its derivative in a direction, the gradients of a weighted sum of it)."""

    def everything(arguments, directions):
        y, dy = jax.jvp(function, arguments, directions)
        y_again, transpose = jax.vjp(function, *arguments)
        weights = jax.tree.map(jnp.cos, y)
        return y, dy, y_again, transpose(weights)

    return everything


def second_order(function):
    """The Hessian of a sum times a direction: reverse over reverse, and forward over reverse."""

    def everything(arguments, directions):
        def total(*arguments):
            return sum(jnp.sum(jnp.sin(y)) for y in jax.tree.leaves(function(*arguments)))

        gradient = jax.grad(total, argnums=tuple(range(len(arguments))))

        def along(*arguments):
            products = jax.tree.map(jnp.vdot, gradient(*arguments), directions)
            return sum(products)

        reverse = jax.grad(along, argnums=tuple(range(len(arguments))))(*arguments)
        forward = jax.jvp(gradient, arguments, directions)[1]
        return reverse, forward

    return everything


def assert_forms_agree(function, arguments, order=first_order, rtol=1e-12):
    """In float64, the CPU's form of `function` equals the plain one, whose results it returns."""
    with jax.enable_x64(True):
        arguments = tuple(arguments)
        directions = tuple(np.sin(7 * a + 1) for a in arguments)
        plain = run(PLAIN, order(function), arguments, directions)
        assert_close(run(CPU, order(function), arguments, directions), plain, rtol)
        return plain
