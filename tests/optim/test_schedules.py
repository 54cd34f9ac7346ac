"""Schedules by hand, against NumPy in float64 and Optax, and at their joints and ends."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.optim.schedules import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    inverse_time,
    joined,
    linear,
    one_cycle,
    piecewise,
    polynomial,
    step_decay,
    warmup,
)

LAST = 2**31 - 1  # the largest count that an int32 holds

# A schedule and its rates from count 0 on, worked out by hand; the last three are past the end of
# those that end.
BY_HAND = {
    "constant": (constant(0.3), [0.3, 0.3, 0.3]),
    "step_decay": (step_decay(1.0, 2), [1.0, 1.0, 0.9, 0.9, 0.81, 0.81, 0.729]),
    "exponential": (exponential(8.0, 2, 0.25), [8.0, 4.0, 2.0, 1.0, 0.5]),
    "inverse_sqrt": (inverse_sqrt(6.0), [6.0, 6 / 2**0.5, 6 / 3**0.5, 3.0]),
    "inverse_time": (inverse_time(6.0, 0.5), [6.0, 4.0, 3.0, 2.4, 2.0]),
    "linear": (linear(1.0, 4, 0.2), [1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2]),
    "linear-up": (linear(0.0, 4, 1.0), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]),
    "polynomial": (polynomial(1.0, 4, 2, 0.2), [1.0, 0.65, 0.4, 0.25, 0.2, 0.2, 0.2]),
    "cosine": (cosine(1.0, 3), [1.0, 0.75, 0.25, 0.0, 0.0, 0.0]),
    "cosine-final": (cosine(1.0, 3, 0.2), [1.0, 0.8, 0.4, 0.2, 0.2, 0.2]),
    "warmup": (warmup(3, 1.0), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]),
    "warmup-then": (warmup(3, step_decay(1.0, 2, 0.5)), [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.5]),
    "one_cycle": (one_cycle(1.0, 4, 2, 10, 10), [0.1, 0.55, 1.0, 0.505, 0.01, 0.01, 0.01]),
    "piecewise": (piecewise([2, 3], [3.0, 2.0, 1.0]), [3.0, 3.0, 2.0, 1.0, 1.0, 1.0]),
    "joined": (
        joined([linear(0.0, 2, 1.0), step_decay(1.0, 1, 0.5), 0.1], [2, 4]),
        [0.0, 0.5, 1.0, 0.5, 0.1, 0.1, 0.1],
    ),
}
each_schedule = pytest.mark.parametrize(("schedule", "rates"), BY_HAND.values(), ids=BY_HAND.keys())


def rates_of(schedule, counts):
    return np.asarray(jax.jit(jax.vmap(schedule))(np.asarray(counts, np.int32)))


@each_schedule
def test_by_hand_from_python_jit_vmap_and_scan(schedule, rates):
    # Three or four roundings of 6e-8 each.
    for f in (schedule, jax.jit(schedule)):
        for count, rate in enumerate(rates):
            given = f(count)
            assert given.shape == () and given.dtype == jnp.float32
            np.testing.assert_allclose(given, rate, rtol=3e-7)
    np.testing.assert_allclose(rates_of(schedule, range(len(rates))), rates, rtol=3e-7)

    def step(count, _):
        return count + 1, schedule(count)

    _, scanned = jax.lax.scan(step, jnp.int32(0), length=len(rates))
    np.testing.assert_allclose(scanned, rates, rtol=3e-7)


# A few roundings; a power adds 1.2e-7 times its logarithm, which is below 6 here.
@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        (step_decay(0.1, 7), lambda n: 0.1 * 0.9 ** (n // 7)),
        (exponential(0.1, 7), lambda n: 0.1 * 0.9 ** (n / 7)),
        (exponential(1e-6, 100, 10.0), lambda n: 1e-6 * 10 ** (n / 100)),
        (inverse_sqrt(0.1), lambda n: 0.1 / np.sqrt(n + 1)),
        (inverse_time(0.1, 0.03), lambda n: 0.1 / (1 + 0.03 * n)),
        (linear(0.1, 100), lambda n: 0.1 - 0.001 * np.minimum(n, 100)),
        (
            polynomial(0.1, 100, 0.7, 0.01),
            lambda n: 0.01 + 0.09 * np.maximum(1 - n / 100, 0) ** 0.7,
        ),
        (cosine(0.1, 100), lambda n: 0.05 * (1 + np.cos(np.pi * np.minimum(n / 100, 1)))),
    ],
)
def test_follows_its_formula_in_float64(schedule, formula):
    counts = np.array([0, 1, 2, 6, 7, 8, 13, 14, 50, 97, 98, 99, 100, 101, 250])
    np.testing.assert_allclose(rates_of(schedule, counts), formula(counts), rtol=1.5e-6)


# Optax rounds 0.9 to float32 before it takes a power, and its 1 - p and 1 + cos(pi p) are off by
# 1.2e-7, which counts ten times where the rate is a tenth, and forty times where it is a fortieth.
@pytest.mark.parametrize(
    ("ours", "theirs", "rtol"),
    [
        (constant(0.1), optax.constant_schedule(0.1), 1e-7),
        (step_decay(0.1, 7), optax.exponential_decay(0.1, 7, 0.9, staircase=True), 2e-6),
        (exponential(0.1, 7), optax.exponential_decay(0.1, 7, 0.9), 2e-6),
        (linear(0.1, 30, 0.01), optax.linear_schedule(0.1, 0.01, 30), 2e-6),
        (polynomial(0.1, 30, 3, 0.01), optax.polynomial_schedule(0.1, 0.01, 3, 30), 2e-6),
        (cosine(0.1, 30, 0.01), optax.cosine_decay_schedule(0.1, 30, 0.1), 2e-6),
        (
            warmup(9, cosine(0.1, 30, 0.01)),
            optax.warmup_cosine_decay_schedule(0.01, 0.1, 9, 39, 0.01),
            2e-6,
        ),
        (
            one_cycle(0.1, 40, None, 4, 10),
            optax.cosine_onecycle_schedule(40, 0.1, 0.3, 4, 10),
            6e-6,
        ),
        (
            piecewise([5, 9], [0.1, 0.02, 0.01]),
            optax.piecewise_constant_schedule(0.1, {5: 0.2, 9: 0.5}),
            3e-7,
        ),
        (
            joined([cosine(0.1, 7, 0.02), exponential(0.02, 3), inverse_sqrt(0.01)], [5, 20]),
            optax.join_schedules(
                [
                    optax.cosine_decay_schedule(0.1, 7, 0.2),
                    optax.exponential_decay(0.02, 3, 0.9),
                    lambda count: 0.01 / jnp.sqrt(count + 1),
                ],
                [5, 20],
            ),
            2e-6,
        ),
    ],
)
def test_follows_optax(ours, theirs, rtol):
    counts = range(50)
    np.testing.assert_allclose(rates_of(ours, counts), rates_of(theirs, counts), rtol=rtol)


@pytest.mark.parametrize("steps", [7, 30, LAST - 1])
@pytest.mark.parametrize(
    ("make", "final"),
    [
        (lambda n: linear(0.5, n, 0.7), 0.7),
        (lambda n: polynomial(0.5, n, 0.3, 0.2), 0.2),
        (lambda n: polynomial(0.5, n, 3, 0.0), 0.0),
        (lambda n: cosine(0.5, n, 0.7), 0.7),
        (lambda n: cosine(0.5, n), 0.0),
    ],
)
def test_what_ends_stays_at_its_end(make, steps, final):
    first, *ends = rates_of(make(steps), [0, steps, steps + 1, LAST])
    np.testing.assert_allclose(first, 0.5, rtol=3e-7)
    np.testing.assert_allclose(ends, final, rtol=3e-7)
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: warmup(n, cosine(1.0, 2 * n)),
        lambda n: joined([linear(0.1, n, 1.0), cosine(1.0, n, 0.2), 0.2], [n, 2 * n]),
        lambda n: joined([cosine(1.0, n, 0.5), polynomial(0.5, n, 2)], [n]),
        lambda n: one_cycle(1.0, 3 * n),
        lambda n: one_cycle(1.0, 3 * n, n // 2, 3.0, 10.0),
    ],
)
def test_a_joint_is_continuous(make):
    # With twice as many updates each change of a continuous curve halves; a jump stays as it is.
    def largest_change(n):
        return np.abs(np.diff(rates_of(make(n), range(4 * n)))).max()

    assert 0.4 < largest_change(200) / largest_change(100) < 0.51


def test_a_warmup_is_straight_through_the_joint_and_none_of_its_updates_is_lost():
    rates = rates_of(warmup(49, cosine(0.5, 1000)), range(50))
    np.testing.assert_allclose(rates, 0.01 * np.arange(1, 51), rtol=3e-7)


def test_a_cycle_peaks_once():
    for schedule, peak_at in [(one_cycle(0.5, 13), 4), (one_cycle(0.5, 13, 8), 8)]:
        rates = rates_of(schedule, range(14))
        assert rates.argmax() == peak_at
        np.testing.assert_allclose(rates[peak_at], 0.5, rtol=3e-7)
        assert (np.diff(rates)[:peak_at] > 0).all() and (np.diff(rates)[peak_at:] < 0).all()
        np.testing.assert_allclose(rates[[0, -1]], [0.5 / 25, 0.5 / 250_000], rtol=3e-7)


def test_a_cosine_down_and_the_same_up_add_to_a_constant():
    down, up = (rates_of(cosine(*ends), range(60)) for ends in [(0.6, 50, 0.1), (0.1, 50, 0.6)])
    np.testing.assert_allclose(down + up, 0.7, rtol=3e-7)


def test_the_smooth_decay_meets_the_stepped_one_where_it_steps():
    counts = 7 * np.arange(20)
    smooth, stepped = (rates_of(f(0.1, 7), counts) for f in (exponential, step_decay))
    np.testing.assert_allclose(smooth, stepped, rtol=3e-7)
    assert (rates_of(exponential(0.1, 7), counts + 6) < rates_of(step_decay(0.1, 7), counts)).all()


def test_counts_and_factors_that_float32_does_not_hold():
    # 2^26 - 1 and its multiples less one are all rounded up by float32, to the next step.
    every = 2**26 - 1
    counts = every * np.arange(1, 32)
    halves = 0.5 ** np.arange(1, 32)
    np.testing.assert_allclose(rates_of(step_decay(1.0, every, 0.5), counts), halves, rtol=3e-6)
    before = rates_of(step_decay(1.0, every, 0.5), counts - 1)
    np.testing.assert_allclose(before, 2 * halves, rtol=3e-6)
    # One update before the end: 1 - p = 1 / steps, which float32 would find to be 0.
    one_left = [LAST - 1]
    np.testing.assert_allclose(rates_of(linear(1.0, LAST), one_left), 1 / LAST, rtol=3e-7)
    squared = (np.pi / 2 / LAST) ** 2
    np.testing.assert_allclose(rates_of(cosine(1.0, LAST), one_left), squared, rtol=1e-6)
    # One update after the start.
    np.testing.assert_allclose(rates_of(linear(0.0, LAST, 1.0), [1]), 1 / LAST, rtol=3e-7)
    np.testing.assert_allclose(rates_of(cosine(0.0, LAST, 1.0), [1]), squared, rtol=1e-6)
    late = rates_of(joined([1.0, inverse_time(0.5, 1.0)], [2**30]), 2**30 + np.arange(-1, 3))
    np.testing.assert_allclose(late, [1.0, 0.5, 0.25, 0.5 / 3], rtol=3e-7)
    late = rates_of(warmup(2**30, inverse_time(0.5, 1.0)), 2**30 + np.arange(3))
    np.testing.assert_allclose(late, [0.5, 0.25, 0.5 / 3], rtol=3e-7)
    np.testing.assert_allclose(rates_of(inverse_sqrt(1.0), [LAST]), 2**-15.5, rtol=3e-7)
    # float32(0.999) is off by 1.3e-8 of it, 10 000 times.
    late = rates_of(exponential(1.0, 1, 0.999), [10_000])
    np.testing.assert_allclose(late, 0.999**10_000, rtol=1.5e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda rate, n: constant(rate),
        lambda rate, n: step_decay(rate, n, rate),
        lambda rate, n: exponential(rate, n, rate),
        lambda rate, n: inverse_sqrt(rate),
        lambda rate, n: inverse_time(rate, rate),
        lambda rate, n: linear(rate, n, 0.1 * rate),
        lambda rate, n: polynomial(rate, n, rate, 0.1 * rate),
        lambda rate, n: cosine(rate, n, 0.1 * rate),
        lambda rate, n: warmup(n, rate),
        lambda rate, n: one_cycle(rate, n, None, 1 + rate, 10 * rate),
        lambda rate, n: one_cycle(rate, 9, n, 5, 5),
        lambda rate, n: piecewise([n, 7], [rate, 0.1 * rate, 0.3]),
        lambda rate, n: joined([cosine(rate, n), inverse_sqrt(rate)], [n]),
    ],
)
def test_vmapped_hyperparameters_equal_one_schedule_each(make):
    rates, steps, counts = [0.9, 0.5, 0.1], [6, 4, 3], jnp.arange(10)

    def curve(rate, n):
        return jax.vmap(make(rate, n))(counts)

    swept = jax.jit(jax.vmap(curve))(jnp.array(rates), jnp.array(steps))
    one_by_one = [curve(rate, n) for rate, n in zip(rates, steps, strict=True)]
    # 0.1 as float32 is off by 1.5e-8 of it, and its ninth power by nine times that.
    np.testing.assert_allclose(swept, one_by_one, rtol=2e-6)


@pytest.mark.parametrize("wrap", [lambda f: joined([0.5, f], [9]), lambda f: warmup(9, f)])
def test_what_has_not_begun_sees_no_negative_count(wrap):
    # The root of a negative number would be hidden in the rate, but not in the gradient.
    gradient = jax.grad(lambda initial: wrap(inverse_sqrt(initial))(0))(0.5)
    assert np.isfinite(gradient)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constant(-0.1), r"`rate` must be in \[0, inf\), got -0.1"),
        (lambda: step_decay(-0.1, 5), r"`initial` must be in \[0, inf\), got -0.1"),
        (lambda: step_decay(0.1, 0), "`every` must be a whole number from 1 on, got 0"),
        (lambda: step_decay(0.1, 5, 0.0), "`factor` must be in \\(0, inf\\), got 0.0"),
        (lambda: exponential(0.1, -5), "`every` must be a whole number from 1 on, got -5"),
        (lambda: exponential(0.1, 5, -1.0), "`factor` must be in \\(0, inf\\), got -1.0"),
        (lambda: inverse_sqrt(float("nan")), r"`initial` must be in \[0, inf\), got nan"),
        (lambda: inverse_time(-1.0, 1.0), r"`initial` must be in \[0, inf\), got -1.0"),
        (lambda: inverse_time(1.0, -1.0), r"`decay` must be in \[0, inf\), got -1.0"),
        (lambda: linear(0.1, 0), "`steps` must be a whole number from 1 on, got 0"),
        (lambda: polynomial(0.1, 9, 0.0), "`power` must be in \\(0, inf\\), got 0.0"),
        (lambda: cosine(0.1, True), "`steps` must be a whole number from 1 on, got True"),
        (lambda: cosine(0.1, 9, -0.1), r"`final` must be in \[0, inf\), got -0.1"),
        (lambda: cosine(-0.1, 9), r"`initial` must be in \[0, inf\), got -0.1"),
        (lambda: warmup(0, 0.1), "`steps` must be a whole number from 1 on, got 0"),
        (lambda: warmup(9, -0.1), r"`rate` must be in \[0, inf\), got -0.1"),
        (lambda: one_cycle(0.1, 1), "`steps` must be a whole number from 2 on, got 1"),
        (lambda: one_cycle(0.1, 9, 0), "`peak_at` must be a whole number from 1 on, got 0"),
        (lambda: one_cycle(0.1, 9, 9), "`steps - peak_at` must be a whole number from 1 on, got 0"),
        (lambda: one_cycle(-0.1, 9), r"`peak` must be in \[0, inf\), got -0.1"),
        (lambda: one_cycle(0.1, 9, 3, 0.0), "`div_factor` must be in \\(0, inf\\), got 0.0"),
        (lambda: one_cycle(0.1, 9, 3, 2, 0), "`final_div_factor` must be in \\(0, inf\\)"),
        (lambda: piecewise([9, 5], [0.3, 0.2, 0.1]), r"`boundaries` must increase, got \[9, 5\]"),
        (lambda: piecewise([5, 5], [0.3, 0.2, 0.1]), r"`boundaries` must increase, got \[5, 5\]"),
        (lambda: piecewise([5], [0.1]), "`boundaries` must be one fewer .* got 1 for 1 pieces"),
        (lambda: piecewise([5], [0.3, 0.2, 0.1]), "must be one fewer .* got 1 for 3 pieces"),
        (lambda: piecewise([5], [0.1, -0.1]), r"`rate` must be in \[0, inf\), got -0.1"),
        (lambda: joined([], []), "`boundaries` must be one fewer .* got 0 for 0 pieces"),
        (lambda: joined([0.1, 0.2], [0]), "`boundaries` must be a whole number from 1 on, got 0"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
