"""Whole minimisations: against SciPy, in chunks, under transformations, and how each one ends."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from sklearn.datasets import load_digits

from jaxvision.optim.bfgs import bfgs
from jaxvision.optim.gradient_descent import gradient_descent, steepest_descent
from jaxvision.optim.lbfgs import lbfgs
from jaxvision.optim.minimize import advance, minimize, start

METHODS = [
    pytest.param(lbfgs(), id="lbfgs"),
    pytest.param(bfgs(), id="bfgs"),
    pytest.param(steepest_descent(), id="steepest"),
    pytest.param(gradient_descent(1e-3), id="fixed"),
]
each_method = pytest.mark.parametrize("method", METHODS)
each_search = pytest.mark.parametrize("method", METHODS[:3])
with_and_without_search = pytest.mark.parametrize("method", [METHODS[0], METHODS[3]])


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def beale(x):
    a, b = x
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def himmelblau(x):
    a, b = x
    return (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2


def logistic(x, images, labels):
    """Multinomial regression of the real digits: x is {"w": [64, 10], "b": [10]}."""
    logits = images @ x["w"] + x["b"][None]
    chosen = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    loss = jnp.mean(jax.nn.logsumexp(logits, axis=1) - chosen)
    return loss + 1e-3 * jnp.sum(x["w"] ** 2)


def digits():
    images, labels = load_digits(return_X_y=True)
    return jnp.asarray(images[:400] / 16), jnp.asarray(labels[:400])


WEIGHTS = {"w": np.zeros((64, 10)), "b": np.zeros(10)}


def scipys(fn, x0, method, **options):
    value_and_grad = jax.jit(jax.value_and_grad(fn))
    return scipy.optimize.minimize(
        lambda x: tuple(map(np.asarray, value_and_grad(x))),
        x0,
        jac=True,
        method=method,
        options=options | ({"ftol": 0} if method == "L-BFGS-B" else {}),
    )


@pytest.mark.parametrize(
    ("method", "theirs"), [(lbfgs(), "L-BFGS-B"), (bfgs(), "BFGS")], ids=["lbfgs", "bfgs"]
)
@pytest.mark.parametrize(
    ("fn", "x0"),
    [(rosenbrock, np.tile([-1.2, 1.0], 10)), (beale, np.ones(2)), (himmelblau, np.zeros(2))],
)
def test_finds_the_minimum_that_scipy_finds_in_no_more_evaluations(fn, x0, method, theirs):
    with jax.enable_x64(True):
        result = jax.device_get(minimize(fn, x0, method, tolerance=1e-8))
        expected = scipys(fn, x0, theirs, gtol=1e-8)
    assert result.converged
    assert result.gradient_norm <= 1e-8
    # The Hessians' least eigenvalue here is 0.1 or more: x is within 1e-7 of the minimum.
    np.testing.assert_allclose(result.x, expected.x, rtol=1e-6)
    # Both accept most first trials, but not always the same ones.
    assert result.evaluations <= 1.25 * expected.nfev


def test_real_digits_in_a_pytree_as_scipy_in_a_vector():
    with jax.enable_x64(True):
        data = digits()
        result = minimize(logistic, WEIGHTS, args=data)
        flat, unravel = jax.flatten_util.ravel_pytree(WEIGHTS)
        expected = scipys(lambda x: logistic(unravel(x), *data), flat, "L-BFGS-B", gtol=1e-5)
        chex.assert_trees_all_equal_shapes_and_dtypes(result.x, WEIGHTS, result.gradient)
        assert result.converged
        # f - f* is at most |g|^2 / (2 * 2e-3), |g|^2 at most 650 * 1e-5^2, and f* is 0.3.
        np.testing.assert_allclose(result.value, expected.fun, rtol=1e-4)
        np.testing.assert_allclose(result.value, logistic(result.x, *data), rtol=1e-12)
    assert result.evaluations <= 1.25 * expected.nfev


def test_a_fixed_rate_by_hand():
    # f = 2 x^2, gradient 4 x: every step multiplies x by 1 - 4 / 8, and the gradient ends at 2^-9.
    result = minimize(lambda x: 2 * x**2, 1.0, gradient_descent(1 / 8), tolerance=2.0**-9)
    assert (result.x, result.value, result.gradient) == (2.0**-11, 2.0**-21, 2.0**-9)
    assert (result.iterations, result.evaluations) == (11, 12)


@each_search
def test_in_one_dimension_the_second_step_is_exact_by_hand(method):
    # f = 2 x^2, gradient 4 x: from 3 by a step of length 1 to 2, then s.y / y.y = 1 / 4 is exact.
    result = minimize(lambda x: 2 * x**2, 3.0, method, max_iterations=2)
    assert (result.x, result.iterations, result.evaluations) == (0.0, 2, 3)
    assert result.message == "gradient below tolerance"


@each_search
def test_float32_reaches_a_small_gradient_where_values_are_all_alike(method):
    result = minimize(lambda x: himmelblau(x) + 1000, jnp.zeros(2), method, tolerance=1e-4)
    assert result.converged
    np.testing.assert_allclose(result.x, [3.0, 2.0], rtol=1e-5)


def test_steps_outside_the_domain_are_taken_back():
    x0 = jnp.array([5.0, 100.0, 1e-3])
    result = minimize(lambda x: jnp.sum(x - jnp.log(x)), x0)
    assert result.converged
    np.testing.assert_allclose(result.x, np.ones(3), rtol=1e-4)


@with_and_without_search
def test_counts_the_evaluations_that_were_made(method):
    seen = []

    def counted(x):
        jax.debug.callback(lambda x: seen.append(x.copy()), x)
        return himmelblau(x)

    result = minimize(counted, jnp.array([0.5, 0.25]), method, max_iterations=5)
    jax.effects_barrier()
    assert len(seen) == result.evaluations
    np.testing.assert_array_equal(seen[0], [0.5, 0.25])
    assert result.iterations == 5


@each_method
def test_chunks_are_one_run_bit_for_bit(method):
    x0 = jnp.array([-1.2, 1.0])
    whole = minimize(rosenbrock, x0, method, max_iterations=30)
    state = start(x0, method)
    for steps in (1, 7, 20, 2):
        state = advance(rosenbrock, state, method, steps)
    chex.assert_trees_all_equal(state, whole)
    assert state.iterations == 30
    assert state.message == "iteration limit"
    ended = minimize(rosenbrock, x0, method, tolerance=300.0)
    chex.assert_trees_all_equal(advance(rosenbrock, ended, method, 5), ended)


@with_and_without_search
def test_a_state_may_be_donated(method):
    go_on = jax.jit(lambda state: advance(himmelblau, state, method, 2), donate_argnums=0)
    x0 = jnp.zeros(2)
    state = start(x0, method)
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((state, x0))]
    assert len(set(buffers)) == len(buffers)
    state = go_on(go_on(state))
    assert state.iterations == 4


@pytest.mark.parametrize("method", METHODS[:2])
def test_vmapped_problems_are_those_run_alone(method):
    x0 = jnp.array([[0.0, 0.0], [3.0, 2.1], [-2.0, 3.0], [-4.0, -3.0]])
    scale = jnp.array([1.0, 2.0, 0.5, 1.0])

    def fn(x, scale):
        return scale * himmelblau(x)

    def closed_over(x0, scale):
        return minimize(lambda x: fn(x, scale), x0, method, max_iterations=8)

    together = jax.jit(jax.vmap(closed_over))(x0, scale)
    for i in range(len(x0)):
        alone = minimize(fn, x0[i], method, args=(scale[i],), max_iterations=8)
        lane = jax.tree.map(lambda x, i=i: x[i], together)
        assert (lane.iterations, lane.evaluations) == (alone.iterations, alone.evaluations)
        assert (together.converged[i], lane.reason) == (alone.converged, alone.reason)
        # Eight steps of float32, in other kernels.
        np.testing.assert_allclose(lane.x, alone.x, rtol=1e-4)
    assert len({int(evaluations) for evaluations in together.evaluations}) > 1


def test_rates_and_data_can_be_swept_in_one_program():
    def run(rate, scale):
        method = gradient_descent(rate)
        return minimize(lambda x, c: c * x**2, 1.0, method, args=(scale,), max_iterations=3).x

    rates, scales = jnp.array([1 / 8, 1 / 16, 1 / 16]), jnp.array([2.0, 2.0, 4.0])
    np.testing.assert_array_equal(jax.vmap(run)(rates, scales), [0.5**3, 0.75**3, 0.5**3])


def test_compiles_once_for_a_function_a_method_and_shapes():
    compiled = []

    def listen(event, *args, **kwargs):
        del args, kwargs
        compiled.extend([event] * event.endswith("backend_compile_duration"))

    def fn(x, target):
        return jnp.sum((x - target) ** 2)

    zeros, ones = jnp.zeros(3), jnp.ones(3)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        minimize(fn, zeros, gradient_descent(0.1), args=(ones,))
        minimize(fn, ones, gradient_descent(0.2), args=(zeros,), max_iterations=5, tolerance=1e-2)
        assert len(compiled) == 1
        minimize(fn, zeros, args=(ones,))
        minimize(fn, ones, lbfgs(10), args=(zeros,), value_tolerance=0.1)
        minimize(fn, ones, lbfgs(memory=10), args=(ones,))
        assert len(compiled) == 2
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert bfgs() == bfgs()
    assert steepest_descent() == steepest_descent()


def test_without_variables_x0_is_the_minimum():
    result = minimize(lambda x: jnp.float32(3.0), {})
    assert (result.x, result.value, result.evaluations) == ({}, 3.0, 1)
    assert result.converged
