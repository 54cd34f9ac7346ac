"""Weights of models by how well they predict: against the posterior, and against all sequences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.optim.model_averaging import bayes_init, bayes_update, switch_init, switch_update


def test_bayes_weights_are_the_posterior():
    log_likelihoods = np.random.default_rng(0).normal(-2, 1, (50, 4))
    log_weights = bayes_init(4)
    for t in range(50):
        log_weights = bayes_update(log_weights, jnp.float32(log_likelihoods[t]))
        joint = np.exp(log_likelihoods[: t + 1].sum(axis=0)) / 4
        # 50 sums of float32 numbers of size up to 20: each is off by at most 1e-6.
        np.testing.assert_allclose(np.exp(log_weights), joint / joint.sum(), rtol=1e-4)


def test_the_best_copy_wins_at_the_rate_of_its_advantage():
    step = lambda w, _: (bayes_update(w, jnp.array([-1.0, -0.5, -2.0])), None)  # noqa: E731
    log_weights, _ = jax.lax.scan(step, bayes_init(3), length=1000)
    np.testing.assert_allclose(log_weights, [-500, 0, -1500], rtol=1e-5)


def switch_by_definition(log_likelihoods, theta):
    """a_k after T observations, as the sum over every sequence of switches.

    P(m follows, the last for good) = theta^(m-1) (1 - theta). A switch is after observation t with
    P(t) = 1 / (t (t + 1)), given that it is later than the last one: P(> t) = 1 / (t + 1).
    """
    T, copies = log_likelihoods.shape
    posterior = np.zeros(copies)
    for switches in itertools.product([False, True], repeat=T):
        times = [0, *(np.flatnonzero(switches) + 1)]
        prior = (1 - theta) + theta * (times[-1] + 1) / (T + 1)  # settled, or not switched yet
        for last, t in itertools.pairwise(times):
            prior *= theta * (last + 1) / (t * (t + 1))
        for follows in itertools.product(range(copies), repeat=len(times)):
            followed = np.repeat(follows, np.diff([*times, T]))
            likelihood = np.exp(log_likelihoods[np.arange(T), followed].sum())
            posterior[follows[-1]] += prior * likelihood / copies ** len(times)
    return posterior / posterior.sum()


@pytest.mark.parametrize("theta", [0.9999, 0.5, 0.0])
def test_switch_weights_are_the_sum_over_all_sequences(theta):
    log_likelihoods = np.random.default_rng(1).normal(-2, 2, (5, 3))
    state, log_weights = switch_init(3, theta), bayes_init(3)
    np.testing.assert_allclose(np.exp(state.log_prior), [theta, 1 - theta], rtol=2e-6)
    for t in range(5):
        state = switch_update(state, jnp.float32(log_likelihoods[t]))
        log_weights = bayes_update(log_weights, jnp.float32(log_likelihoods[t]))
        expected = switch_by_definition(log_likelihoods[: t + 1], theta)
        np.testing.assert_allclose(np.exp(state.log_weights), expected, rtol=1e-5)
        assert np.allclose(state.log_weights, log_weights, rtol=1e-5) == (theta == 0)


def test_a_long_sweep_of_switches_is_the_recursion_in_double_precision():
    thetas, observations = [0.5, 0.75], np.random.default_rng(2).normal(-3, 2, (2000, 4))
    step = lambda state, x: (switch_update(state, x), None)  # noqa: E731
    follow = lambda theta: jax.lax.scan(step, switch_init(4, theta), jnp.float32(observations))[0]  # noqa: E731
    log_weights = jax.vmap(follow)(jnp.array(thetas)).log_weights
    for lane, theta in enumerate(thetas):
        r, s = np.full(4, theta / 4), np.full(4, (1 - theta) / 4)
        for t, x in enumerate(observations, start=1):
            r, s, pi = r * np.exp(x), s * np.exp(x), 1 / (t + 1)
            pool = pi * r.sum() / 4
            r, s = (1 - pi) * r + theta * pool, s + (1 - theta) * pool
            r, s = r / (r.sum() + s.sum()), s / (r.sum() + s.sum())
        # 2000 steps, each off by some 1e-7 of a logarithm.
        np.testing.assert_allclose(np.exp(log_weights[lane]), r + s, rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bayes_init(0), "`copies` must be a whole number from 1 on, got 0"),
        (lambda: switch_init(0), "`copies` must be a whole number from 1 on, got 0"),
        (lambda: switch_init(2, theta=1.0), r"`theta` must be in \[0, 1\), got 1.0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
