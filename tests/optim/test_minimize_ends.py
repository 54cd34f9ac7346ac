"""How a minimisation ends: every reason, and every error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.optim.bfgs import MAX_SIZE, bfgs
from jaxvision.optim.descent import along_lines
from jaxvision.optim.gradient_descent import gradient_descent, steepest_descent
from jaxvision.optim.lbfgs import lbfgs
from jaxvision.optim.minimize import Reason, advance, minimize, start


def himmelblau(x):
    a, b = x
    return (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2


def test_ends_when_the_value_hardly_changes_by_hand():
    # x halves: the values are 2, 1.25, 1.0625, the changes .75 / 2 = .375, .1875 / 1.25 = .15.
    result = minimize(lambda x: 1 + x**2, 1.0, gradient_descent(1 / 4), value_tolerance=0.16)
    assert (result.value, result.iterations) == (1.0625, 2)
    assert result.message == "decrease below tolerance"
    assert result.converged


@pytest.mark.parametrize("method", [lbfgs(), steepest_descent()], ids=["lbfgs", "steepest"])
def test_ends_where_the_precision_does(method):
    A = np.random.default_rng(0).standard_normal((40, 20)).astype(np.float32)
    result = minimize(lambda x: jnp.sum((A @ x - 1) ** 2), jnp.zeros(20), method, tolerance=1e-30)
    assert result.reason == Reason.NO_FURTHER_DECREASE
    assert result.message == "no further decrease"
    assert not result.converged
    assert result.gradient_norm < 1e-3  # of 40 terms of size 1, each with the 7 digits of float32
    assert result.iterations < 300


def test_ends_at_x0_if_the_gradient_is_not_the_functions():
    @jax.custom_jvp
    def wrong(x):
        return x**2

    wrong.defjvp(lambda x, dx: (x[0] ** 2, -2 * x[0] * dx[0]))
    result = minimize(wrong, 1.0)
    assert (result.x, result.iterations) == (1.0, 0)
    assert result.reason == Reason.NO_FURTHER_DECREASE


def test_a_direction_that_leads_nowhere_empties_the_history_once():
    def uphill(history, pairs, gradient):
        del history
        return jnp.where(pairs > 0, gradient, -gradient)

    method = along_lines(lambda x0: (), lambda history, *pair: history, uphill)
    result = minimize(himmelblau, jnp.zeros(2), method, max_iterations=5)
    assert (result.iterations, result.message) == (5, "iteration limit")
    assert result.value < himmelblau(jnp.zeros(2)) / 2
    assert result.evaluations >= 1 + 5 + 4  # each later step had to be tried twice


def test_a_fixed_rate_that_diverges_ends_at_the_last_finite_point():
    result = minimize(lambda x: x**4, 10.0, gradient_descent(1.0))
    assert result.reason == Reason.VALUE_NOT_FINITE
    assert np.isfinite(result.value)
    np.testing.assert_allclose(result.value, result.x**4, rtol=1e-6)


@pytest.mark.parametrize("method", [lbfgs(), gradient_descent(1e-3)], ids=["lbfgs", "fixed"])
def test_a_bad_beginning_is_a_reason_where_it_cannot_be_an_error(method):
    run = jax.jit(lambda x0: minimize(lambda x: jnp.sqrt(x), x0, method, max_iterations=3))
    for x0 in (-1.0, 0.0):  # the value is NaN, the gradient is infinite
        result = run(x0)
        assert (result.reason, result.evaluations) == (Reason.VALUE_NOT_FINITE, 1)
        assert result.x == x0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minimize(himmelblau, jnp.array([1, 2])), "`x0` must be all float32 .* got int32"),
        (lambda: start(jnp.zeros(2, jnp.bfloat16)), "`x0` must be all float32 .* got bfloat16"),
        (lambda: minimize(lambda x: x, jnp.ones(2)), r"`fn` must return a .* of shape \(2,\)"),
        (lambda: minimize(lambda x: 1, jnp.ones(2)), r"`fn` must return a floating.*got int32"),
        (lambda: minimize(lambda x: jnp.log(x), -1.0), "`x0` must be where `fn` and its gradient"),
        (lambda: minimize(lambda x: jnp.sqrt(x), 0.0), "`x0` must be where `fn` and its gradient"),
        (lambda: minimize(himmelblau, jnp.zeros(2), tolerance=0.0), "`tolerance` must be in"),
        (lambda: minimize(himmelblau, jnp.zeros(2), value_tolerance=-1.0), "`value_tolerance` mus"),
        (lambda: minimize(himmelblau, jnp.zeros(2), max_iterations=0), "`max_iterations` must be"),
        (
            lambda: advance(himmelblau, start(jnp.zeros(2)), lbfgs(), 0),
            "`steps` must be a whole number from 1 on",
        ),
        (
            lambda: advance(himmelblau, start(jnp.zeros(2)), bfgs(), 1),
            "`state` must be of a run by",
        ),
        (
            lambda: advance(himmelblau, start(jnp.zeros(2)), lbfgs(5), 1),
            "`state` must be of a run by",
        ),
        (lambda: lbfgs(0), "`memory` must be a whole number from 1 on, got 0"),
        (lambda: start(jnp.zeros(MAX_SIZE + 1), bfgs()), f"at most {MAX_SIZE} entries.*`lbfgs`"),
        (lambda: gradient_descent(0.0), r"`learning_rate` must be in \(0, inf\), got 0.0"),
    ],
)
def test_what_it_cannot_work_with_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
