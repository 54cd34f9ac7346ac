"""The Rosenbrock function by L-BFGS: one compiled program, Optax from Python, and SciPy.

    python -m benchmarks.minimize

In float64, 10 pairs of memory, until no entry of the gradient exceeds 1e-8. SciPy's BLAS has one
thread: with more, they and XLA's wait for each other, and SciPy takes 15 to 150 times as long.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.optimize
from threadpoolctl import threadpool_limits

from benchmarks.alternate import alternate, print_table
from jaxvision.optim.minimize import minimize

TOLERANCE, MAX_ITERATIONS = 1e-8, 10_000
ROUNDS = 9


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def ours(x0):
    """Each way returns iterations, evaluations and the final value."""
    result = minimize(rosenbrock, x0, max_iterations=MAX_ITERATIONS, tolerance=TOLERANCE)
    return int(result.iterations), int(result.evaluations), float(result.value)


class Optax:
    """`optax.lbfgs` as its documentation drives it: a jitted step, with `value_and_grad` reused."""

    def __init__(self):
        self.solver = optax.lbfgs(memory_size=10)
        self.step = jax.jit(self._step)
        self.run = jax.jit(self._run)

    def _step(self, x, state):
        value, gradient = optax.value_and_grad_from_state(rosenbrock)(x, state=state)
        updates, state = self.solver.update(
            gradient, state, x, value=value, grad=gradient, value_fn=rosenbrock
        )
        x = optax.apply_updates(x, updates)
        norm = jnp.max(jnp.abs(optax.tree.get(state, "grad")))
        trials = optax.tree.get(state, "info").num_linesearch_steps
        return x, state, norm, trials

    def from_python(self, x0):
        x, state, norm = jnp.asarray(x0), self.solver.init(jnp.asarray(x0)), np.inf
        iterations, evaluations = 0, 1
        while norm > TOLERANCE and iterations < MAX_ITERATIONS:
            x, state, norm, trials = self.step(x, state)
            iterations, evaluations = iterations + 1, evaluations + int(trials)
        return iterations, evaluations, float(optax.tree.get(state, "value"))

    def _run(self, x):
        def unfinished(carry):
            _, _, norm, iterations, _ = carry
            return (norm > TOLERANCE) & (iterations < MAX_ITERATIONS)

        def turn(carry):
            x, state, _, iterations, evaluations = carry
            x, state, norm, trials = self._step(x, state)
            return x, state, norm, iterations + 1, evaluations + trials

        carry = (x, self.solver.init(x), jnp.array(jnp.inf), jnp.array(0), jnp.array(1))
        _, state, _, iterations, evaluations = jax.lax.while_loop(unfinished, turn, carry)
        return iterations, evaluations, optax.tree.get(state, "value")

    def in_a_while_loop(self, x0):
        iterations, evaluations, value = self.run(x0)
        return int(iterations), int(evaluations), float(value)


def scipy_on(fn, gradient):
    options = {
        "gtol": TOLERANCE,
        "ftol": 0.0,
        "maxcor": 10,
        "maxiter": MAX_ITERATIONS,
        "maxfun": 10 * MAX_ITERATIONS,
    }

    def way(x0):
        result = scipy.optimize.minimize(fn, x0, jac=gradient, method="L-BFGS-B", options=options)
        return result.nit, result.nfev, float(result.fun)

    return way


def jitted():
    value_and_grad = jax.jit(jax.value_and_grad(rosenbrock))

    def evaluate(x):
        value, gradient = value_and_grad(x)
        return float(value), np.asarray(gradient)

    return evaluate


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores, {ROUNDS} rounds")
    theirs = Optax()
    ways = {
        "jaxvision minimize": ours,
        "optax.lbfgs from Python": theirs.from_python,
        "optax.lbfgs in a while_loop": theirs.in_a_while_loop,
        "SciPy L-BFGS-B, NumPy": scipy_on(scipy.optimize.rosen, scipy.optimize.rosen_der),
        "SciPy L-BFGS-B, jitted JAX": scipy_on(jitted(), True),
    }
    for size in (2, 1000):
        x0 = np.tile([-1.2, 1.0], size // 2)
        seen = {}

        def record(name, way, x0=x0, seen=seen):
            seen[name] = way(x0)

        with threadpool_limits(1, user_api="blas"):
            seconds = alternate(
                {name: lambda n=name, w=way: record(n, w) for name, way in ways.items()}, ROUNDS
            )
        print_table(f"Rosenbrock, {size} variables", seconds, 1, "runs")
        print("\n| | iterations | evaluations | value |\n| --- | ---: | ---: | ---: |")
        for name, (iterations, evaluations, value) in seen.items():
            print(f"| {name} | {iterations} | {evaluations} | {value:.1e} |")
