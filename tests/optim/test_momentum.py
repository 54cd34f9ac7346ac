"""Three algorithms called momentum, and Nesterov's: when they are one, and when they are not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim

H = jnp.array([1.0, 20.0])  # the curvatures of a ravine


def gradient(w):
    return H * w


def descend_ravine(optimizer, steps=30):
    """All points, [steps, 2]."""
    w, points = jnp.array([5.0, 1.0]), []
    state = optimizer.init(w)
    for _ in range(steps):
        update, state = optimizer.update(gradient(w), state, w)
        w = w + update
        points.append(w)
    return np.stack(points)


def dropping(count):
    return jnp.where(count < 10, 0.04, 0.004)


def test_with_a_constant_rate_inside_and_outside_are_one():
    inside = descend_ravine(optim.momentum(0.04, gamma=0.8))
    outside = descend_ravine(optim.heavy_ball(0.04, beta=0.8))
    np.testing.assert_allclose(inside, outside, rtol=1e-4)  # the points pass close to 0


def test_under_a_schedule_they_part_at_its_first_change():
    inside = descend_ravine(optim.momentum(dropping, gamma=0.8))
    outside = descend_ravine(optim.heavy_ball(dropping, beta=0.8))
    np.testing.assert_allclose(inside[:10], outside[:10], rtol=1e-4)
    assert np.abs(inside[10:] - outside[10:]).max() > 0.1


def test_when_the_rate_falls_to_zero_the_one_coasts_and_the_other_stops():
    def stopping(count):
        return jnp.where(count < 5, 0.04, 0.0)

    inside = np.diff(descend_ravine(optim.momentum(stopping, gamma=0.8), 9)[4:], axis=0)
    np.testing.assert_allclose(inside[1:], 0.8 * inside[:-1], rtol=1e-5)
    outside = descend_ravine(optim.heavy_ball(stopping, beta=0.8), 9)[4:]
    np.testing.assert_array_equal(outside, np.broadcast_to(outside[0], outside.shape))


@pytest.mark.parametrize("rate", [0.04, dropping])
def test_ema_is_heavy_ball_at_a_smaller_rate(rate):
    larger = (lambda count: rate(count) / 0.2) if callable(rate) else rate / 0.2
    ema = descend_ravine(optim.ema_momentum(larger, a=0.2))
    ball = descend_ravine(optim.heavy_ball(rate, beta=0.8))
    np.testing.assert_allclose(ema, ball, rtol=1e-4)


def test_without_memory_all_are_plain_descent():
    plain = descend_ravine(optim.sgd(0.04))
    for optimizer in (
        optim.momentum(0.04, gamma=0.0),
        optim.heavy_ball(0.04, beta=0.0),
        optim.ema_momentum(0.04, a=1.0),
        optim.nesterov(0.04, mu=0.0),
    ):
        np.testing.assert_allclose(descend_ravine(optimizer), plain, rtol=1e-6)


def test_momentum_goes_on_at_the_terminal_velocity():
    # A constant gradient: v tends to eta g / (1 - gamma).
    optimizer = optim.momentum(0.1, gamma=0.9)
    state = optimizer.init(jnp.zeros(1))
    for _ in range(300):
        update, state = optimizer.update(jnp.array([2.0]), state)
    np.testing.assert_allclose(update, [-0.1 * 2 / (1 - 0.9)], rtol=1e-5)


def two_point_nesterov(rate, mu, steps=30):
    """The literal algorithm in double precision; yields theta and the point looked ahead to."""
    theta, v = np.array([5.0, 1.0]), np.zeros(2)
    for t in range(steps):
        eta = float(rate(t)) if callable(rate) else rate
        v = mu * v - eta * np.asarray(H, np.float64) * (theta + mu * v)
        theta = theta + v
        yield theta, theta + mu * v


@pytest.mark.parametrize("rate", [0.03, dropping, lambda count: 0.03 / jnp.sqrt(1.0 + count)])
def test_nesterov_is_the_literal_two_point_algorithm(rate):
    optimizer = optax.chain(optax.identity(), optim.nesterov(rate, mu=0.9))
    phi = jnp.array([5.0, 1.0])
    state = optimizer.init(phi)
    np.testing.assert_array_equal(optim.lookahead_params(phi, state), phi)
    for theta, ahead in two_point_nesterov(rate, 0.9):
        update, state = optimizer.update(gradient(phi), state, phi)
        phi = phi + update
        # Rounding of float32, of points that begin at 5 and pass close to 0.
        np.testing.assert_allclose(phi, ahead, rtol=1e-5, atol=5e-6)
        np.testing.assert_allclose(optim.lookahead_params(phi, state), theta, rtol=1e-5, atol=5e-6)


def test_nesterov_differs_from_the_rate_outside_under_a_schedule():
    ours = descend_ravine(optim.nesterov(dropping, mu=0.9))
    theirs = descend_ravine(optax.sgd(dropping, momentum=0.9, nesterov=True))
    np.testing.assert_allclose(ours[:10], theirs[:10], rtol=1e-3)
    assert np.abs(ours[10:] - theirs[10:]).max() > 0.1


def test_lookahead_params_needs_one_nesterov():
    w = jnp.zeros(2)
    with pytest.raises(ValueError, match=r"`state` must be .* one `nesterov` in it, got .* 0"):
        optim.lookahead_params(w, optim.adam(0.1).init(w))
    twice = optax.chain(optim.nesterov(0.1), optim.nesterov(0.1)).init(w)
    with pytest.raises(ValueError, match="got one with 2"):
        optim.lookahead_params(w, twice)


def test_lookahead_params_keeps_structure_and_dtypes():
    params = {"w": jnp.ones((2, 2), jnp.bfloat16), "b": jnp.ones(2)}
    optimizer = optim.nesterov(0.1)
    state = jax.jit(optimizer.update)(params, optimizer.init(params), params)[1]
    back = optim.lookahead_params(params, state)
    assert jax.tree.map(jnp.result_type, back) == jax.tree.map(jnp.result_type, params)
