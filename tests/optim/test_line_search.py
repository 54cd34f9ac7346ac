"""A strong Wolfe search, one evaluation at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.optim.line_search import C1, C2, MAX_TRIALS, Point, begin, observe


def point(a, value, slope):
    """On the line x = a, where the gradient is phi'."""
    as_array = jnp.asarray([a], jnp.result_type(float))
    value, slope = as_array.dtype.type(value), as_array.dtype.type(slope)
    return Point(as_array, jnp.asarray(value), jnp.full([1], slope), jnp.asarray(abs(slope)))


def parabola(a):
    return point(a, (a - 3) ** 2, 2 * (a - 3))


def search_from_zero(phi, step):
    start = phi(0.0)
    return begin(start, jnp.ones_like(start.x), jnp.asarray(step, start.x.dtype))


# phi(a) = (a - 3)^2, phi(0) = 9, phi'(0) = -6: accepted up to |phi'| = 5.4, which is [.3, 5.7].
@pytest.mark.parametrize(
    ("trial", "following"),
    [
        (10.0, 3.0),  # too high: the cubic through both ends is the parabola itself
        (5.8, 3.0),  # lower than phi(0), but it has turned: phi' = 5.6
        (0.29, 2.9),  # too steep still: 3 is more than ten times as far
        (0.2999, 2.999),
        (1000.0, 100.0),  # 3 is too close to the end at 0
    ],
)
def test_the_second_trial_by_hand(trial, following):
    search = observe(search_from_zero(parabola, trial), parabola(trial))
    assert not search.accepted
    assert not search.exhausted
    np.testing.assert_allclose(search.step, following, rtol=1e-5)
    search = observe(search, parabola(float(search.step)))
    assert search.accepted == (following < 5.7)


@pytest.mark.parametrize("trial", [0.31, 1.0, 3.0, 5.69])
def test_a_first_trial_within_both_conditions_is_accepted(trial):
    search = observe(search_from_zero(parabola, trial), parabola(trial))
    assert search.accepted
    assert search.low.step == jnp.float32(trial)
    np.testing.assert_array_equal(search.best.gradient, parabola(trial).gradient)


def test_while_steep_it_goes_on_at_least_twice_as_far():
    # The cubic through both ends is least at 1.35, but slopes of -6 and -5.9 show no sign of it.
    assert observe(search_from_zero(parabola, 1.0), point(1.0, 1.0, -5.9)).step == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_a_step_too_far(value):
    search = observe(search_from_zero(parabola, 8.0), point(8.0, value, np.nan))
    assert search.step == 4
    assert search.best.x == 0
    assert not search.accepted | search.exhausted


@pytest.mark.parametrize(("last_digits", "accepted"), [(0, True), (8, True), (12, False)])
def test_a_rise_within_round_off_is_not_held_against_a_flat_slope(last_digits, accepted):
    search = search_from_zero(lambda a: point(a, 2.0**20, -1e-3), 1.0)
    value = 2.0**20 * (1 + last_digits * np.finfo(np.float32).eps)
    assert observe(search, point(1.0, value, 1e-4)).accepted == accepted


def test_a_direction_that_rises_is_refused():
    search = observe(search_from_zero(lambda a: point(a, a, 1.0), 1.0), point(1.0, 1.0, 1.0))
    assert search.exhausted
    assert not search.accepted


def test_a_slope_that_lies_exhausts_the_search_where_it_began():
    # phi rises, whatever its "slope" of -1 says: the bracket shrinks until round-off hides that.
    def phi(a):
        return point(a, 1 + abs(a), -1.0)

    search, trials = search_from_zero(phi, 1.0), 0
    while not search.exhausted:
        search, trials = observe(search, phi(float(search.step))), trials + 1
    assert not search.accepted
    assert search.best.x < 11 * np.finfo(np.float32).eps
    assert trials <= MAX_TRIALS


@jax.jit
def run(coefficients, first):
    """Searches a polynomial, lowest power first, to the end."""
    powers = jnp.arange(coefficients.size)

    def phi(a):
        value = coefficients @ a**powers
        slope = coefficients[1:] * powers[1:] @ a ** powers[:-1]
        return Point(a[None], value, slope[None], jnp.abs(slope))

    search = begin(phi(jnp.zeros_like(first)), jnp.ones([1], first.dtype), first)
    return jax.lax.while_loop(
        lambda search: ~(search.accepted | search.exhausted),
        lambda search: observe(search, phi(search.step)),
        search,
    )


number = st.floats(-10, 10, allow_subnormal=False)


@settings(deadline=None)
@given(
    c1=st.floats(-100, -0.1),
    c2=number,
    c3=number,
    c4=st.floats(0.1, 10),
    first=st.floats(1e-3, 1e3),
)
def test_the_step_taken_satisfies_both_conditions(c1, c2, c3, c4, first):
    # A quartic that falls at 0 and grows at infinity always has such a step (the book's lemma 3.1);
    # with slopes within some eight orders of magnitude, the search finds it before MAX_TRIALS.
    with jax.enable_x64(True):
        coefficients = np.array([1.0, c1, c2, c3, c4])
        search = run(jnp.array(coefficients), jnp.asarray(first))
        assert search.accepted
        a, phi = float(search.low.step), np.polynomial.Polynomial(coefficients)
        size = np.abs(coefficients) @ a ** np.arange(5)
        round_off = 100 * np.finfo(float).eps * size
        assert phi(a) <= phi(0) + C1 * a * c1 + round_off
        assert abs(phi.deriv()(a)) <= C2 * abs(c1) + round_off / a
        assert search.best.x == a
