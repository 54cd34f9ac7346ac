"""`jaxvision.style.optimize`: bounds, both optimizers, and what is carried to another size."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.optim.lbfgs import direction
from jaxvision.style.optimize import EDGE, by_adam, by_lbfgs, to_angles, to_pixels

OPTIMIZERS = {"lbfgs": by_lbfgs(5), "adam": by_adam(0.05)}
EACH = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


def smooth(side, frequency=1.0):
    """A picture that is the same at all sizes, but for its resolution."""
    at = (jnp.arange(side) + 0.5) / side
    values = 0.5 + 0.3 * jnp.sin(frequency * 6 * (at[:, None] + 0.5 * at[None, :]))
    return jnp.stack([values, values**2, 1 - values], axis=-1)[None]


def towards(side):
    """A loss that is a mean over pixels, as style transfer's, and of uneven curvature."""
    target, weights = smooth(side), 1 + 5 * smooth(side, 2.0)
    return lambda angles: jnp.mean(weights * (to_pixels(angles) - target) ** 2)


def test_pixels_and_angles_are_inverse():
    pixels = jax.random.uniform(jax.random.key(0), (1, 8, 8, 3), minval=EDGE, maxval=1 - EDGE)
    np.testing.assert_allclose(to_pixels(to_angles(pixels)), pixels, atol=1e-6)
    np.testing.assert_allclose(to_pixels(jnp.array([[[[-9.0, 99.0, 1e4]]]])), 0.5, atol=0.5)


def test_black_and_white_can_still_move():
    ends = jnp.array([[[[0.0, 1.0, 0.5]]]])
    slope = jax.grad(lambda z: to_pixels(z).sum())(to_angles(ends))
    assert np.all(slope > 0.05)


@EACH
def test_the_loss_falls_in_runs_of_any_length(optimizer):
    loss = towards(12)
    state = optimizer.init(to_angles(jnp.full((1, 12, 12, 3), 0.5)))
    run = jax.jit(lambda state, steps: optimizer.run(loss, state, steps))
    first = loss(optimizer.angles(state))
    for steps in (1, 10, 40):
        before, state = loss(optimizer.angles(state)), run(state, steps)
        assert loss(optimizer.angles(state)) < before
    assert loss(optimizer.angles(state)) < 0.01 * first


def test_adam_is_optaxs():
    loss, angles = towards(8), to_angles(jnp.full((1, 8, 8, 3), 0.4))
    theirs = optax.adam(0.05)
    state, expected = theirs.init(angles), angles
    for _ in range(5):
        updates, state = theirs.update(jax.grad(loss)(expected), state)
        expected = expected + updates
    ours = OPTIMIZERS["adam"]
    found = ours.angles(ours.run(loss, ours.init(angles), 5))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@EACH
def test_carried_to_the_same_size_it_goes_on_as_before(optimizer):
    run = jax.jit(lambda state, steps: optimizer.run(towards(12), state, steps))
    state = run(optimizer.init(to_angles(jnp.full((1, 12, 12, 3), 0.5))), 6)
    carried = optimizer.carry(state, optimizer.angles(state))
    fresh = optimizer.init(optimizer.angles(state))
    on, again, anew = (optimizer.angles(run(each, 5)) for each in (state, carried, fresh))
    np.testing.assert_allclose(again, on, atol=1e-4)
    assert np.abs(anew - on).max() > 0.003


def test_adams_moments_are_what_a_run_at_the_larger_size_has():
    optimizer = OPTIMIZERS["adam"]

    def after(side):
        state = optimizer.init(to_angles(jnp.full((1, side, side, 3), 0.5)))
        return jax.jit(lambda s: optimizer.run(towards(side), s, 8))(state)

    small, large = after(24), after(48)
    carried = optimizer.carry(small, optimizer.angles(large))
    for name in ("mu", "nu"):
        found, wanted = getattr(carried.state[0], name), getattr(large.state[0], name)
        assert np.linalg.norm(found - wanted) < 0.1 * np.linalg.norm(wanted), name
    assert carried.state[0].count == 8


def test_the_direction_of_lbfgs_is_the_same_one_enlarged():
    optimizer = OPTIMIZERS["lbfgs"]
    state = optimizer.init(to_angles(jnp.full((1, 24, 24, 3), 0.5)))
    state = jax.jit(lambda s: optimizer.run(towards(24), s, 8))(state)
    carried = optimizer.carry(state, to_angles(smooth(48)))

    def enlarged(flat):
        return jax.image.resize(flat.reshape(1, 24, 24, 3), (1, 48, 48, 3), "linear").ravel()

    gradient = to_angles(smooth(24)).ravel()
    small = direction(state.memory.history, state.memory.pairs, gradient)
    large = direction(carried.memory.history, carried.memory.pairs, enlarged(gradient) / 4)
    error = large - enlarged(small)
    assert np.linalg.norm(error) < 0.05 * np.linalg.norm(enlarged(small))


def test_a_pair_that_no_longer_curves_upwards_is_left_out():
    optimizer = OPTIMIZERS["lbfgs"]
    state = optimizer.run(towards(8), optimizer.init(to_angles(smooth(8, 3.0))), 4)
    history = state.memory.history
    flipped = history._replace(y=history.y.at[1].multiply(-1))
    state = state._replace(memory=state.memory._replace(history=flipped))
    carried = optimizer.carry(state, to_angles(smooth(16)))
    kept = carried.memory.history
    assert kept.rho[1] == 0 and not kept.s[1].any() and kept.rho[0] > 0
    assert np.isfinite(optimizer.angles(optimizer.run(towards(16), carried, 3))).all()
