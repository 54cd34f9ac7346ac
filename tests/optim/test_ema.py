"""Averages of the parameters against loops in NumPy, against Optax, and where they are found."""

from functools import partial
from itertools import pairwise

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.models import SoftmaxRegression
from jaxvision.optim.base import chain
from jaxvision.optim.ema import averaged_params, ema_corrected, ema_from_initial
from jaxvision.train import init_state

AVERAGES = [ema_from_initial, ema_corrected]
each_average = pytest.mark.parametrize("make", AVERAGES)


def path(seed=0, steps=30):
    """The initial parameters and those after each update, all of them positive: no cancellation."""
    return np.random.default_rng(seed).uniform(1.0, 2.0, (steps + 1, 3)).astype(np.float32)


def follow(tx, points):
    """Runs `tx` with the updates that lead along `points`; yields each state, the first too."""
    state, update = tx.init(jnp.array(points[0])), jax.jit(tx.update)
    yield state
    for here, there in pairwise(points):
        updates = jnp.array(there - here)
        passed, state = update(updates, state, jnp.array(here))
        np.testing.assert_array_equal(passed, updates)
        yield state


# Each step adds a few roundings of 6e-8, and forgets 1 - decay of those before.
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_from_initial_is_the_loop_that_begins_there(decay):
    points = path()
    average = points[0].astype(np.float64)
    states = follow(ema_from_initial(decay), points)
    np.testing.assert_array_equal(averaged_params(next(states)), points[0])
    for point, state in zip(points[1:], states, strict=True):
        average = decay * average + (1 - decay) * point
        np.testing.assert_allclose(averaged_params(state), average, rtol=2e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.9999])
def test_corrected_is_the_loop_from_zero_divided_by_its_weights(decay):
    points = path()
    average = np.zeros(3)
    states = follow(ema_corrected(decay), points)
    np.testing.assert_array_equal(averaged_params(next(states)), points[0])
    for t, (point, state) in enumerate(zip(points[1:], states, strict=True), start=1):
        average = decay * average + (1 - decay) * point
        np.testing.assert_allclose(averaged_params(state), average / (1 - decay**t), rtol=2e-6)


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_corrected_follows_optaxs_average_of_the_parameters(decay):
    points, theirs = path(), optax.ema(decay, debias=True)
    their_state = theirs.init(jnp.array(points[0]))
    states = follow(ema_corrected(decay), points)
    next(states)
    for point, state in zip(points[1:], states, strict=True):
        expected, their_state = theirs.update(jnp.array(point), their_state)
        # At 0.99, Optax's 1 - decay**1 has lost two digits.
        np.testing.assert_allclose(averaged_params(state), expected, rtol=1e-5)


@each_average
def test_the_average_of_a_constant_is_that_constant(make):
    points = np.tile(path(steps=0), (50, 1))
    for state in follow(make(0.999), points):
        np.testing.assert_array_equal(averaged_params(state), points[0])


def test_corrected_forgets_the_initial_parameters_and_the_other_does_not():
    points = np.array([[1024.0], [1.0], [1.0]], np.float32)
    *_, corrected = follow(ema_corrected(0.5), points)
    *_, from_initial = follow(ema_from_initial(0.5), points)
    np.testing.assert_allclose(averaged_params(corrected), [1.0], rtol=1e-4)
    np.testing.assert_array_equal(averaged_params(from_initial), [1024 / 4 + 1 / 4 + 1 / 2])


@each_average
def test_a_bfloat16_parameters_average_still_moves(make):
    # 1/1000 of the way from 1 to 2 is below bfloat16's last bit, 1/128.
    tx, one = make(0.999), {"w": jnp.ones(2, jnp.bfloat16)}
    state = tx.init(one)
    zero = {"w": jnp.zeros(2, jnp.bfloat16)}
    _, state = tx.update(zero, state, one)
    for _ in range(3):
        updates, state = tx.update(zero, state, {"w": 2 * one["w"]})
    average = averaged_params(state)["w"]
    assert average.dtype == jnp.float32 and updates["w"].dtype == jnp.bfloat16
    expected = {ema_from_initial: 2 - 0.999**3, ema_corrected: 2 - 0.999**3 / 3.994003999}[make]
    np.testing.assert_allclose(average, expected, rtol=1e-6)


@each_average
@pytest.mark.parametrize(
    "around",
    [
        lambda ema: chain(optim.adam(1e-2), ema),
        lambda ema: optax.chain(optax.chain(optim.sgd(0.1)), optax.chain(ema)),
        lambda ema: optax.chain(
            optax.partition({"k": optim.sgd(0.1), "b": optax.set_to_zero()},
                            {"head": {"kernel": "k", "bias": "b"}}),
            ema,
        ),
        lambda ema: optax.MultiSteps(chain(optim.sgd(0.1), ema), 1).gradient_transformation(),
    ],
    ids=["chain", "nested", "after-a-partition", "multi-steps"],
)  # fmt: skip
def test_is_found_in_a_train_state_and_is_what_evaluation_takes(make, around):
    model, optimizer = SoftmaxRegression(num_classes=3), around(make(0.5))
    state = init_state(model, optimizer, jnp.zeros((1, 2, 2, 1)), jax.random.key(0))
    gradients = jax.tree.map(jnp.ones_like, state.params)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    after = optax.apply_updates(state.params, updates)
    state = state.replace(params=after, opt_state=opt_state)
    chex.assert_trees_all_equal(averaged_params(state), averaged_params(opt_state))
    logits, _ = model.apply({"params": averaged_params(state)}, jnp.ones((1, 2, 2, 1)), train=False)
    assert logits.shape == (1, 3)
    if make is ema_corrected:
        # a_1 = w_1, up to a rounding of a_0 = w_0 in the biases that begin at zero
        chex.assert_trees_all_close(averaged_params(state), after, rtol=1e-5)


@each_average
@pytest.mark.parametrize("compiled", [False, True])
def test_the_average_shares_no_buffer_with_the_parameters(make, compiled):
    tx = chain(optim.sgd(0.1), make(0.0))

    def init(key):
        params = {"w": jax.random.normal(key, (64,))}
        return params, tx.init(params)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state):
        updates, state = tx.update(params, state, params)
        return optax.apply_updates(params, updates), state

    carry = (jax.jit(init) if compiled else init)(jax.random.key(0))
    for _ in range(3):
        carry = step(*carry)
    buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(carry)]
    assert len(set(buffers)) == len(buffers)


@pytest.mark.parametrize(
    ("tx", "found"),
    [
        (optim.adam(1e-3), 0),
        (chain(ema_corrected(0.9), ema_from_initial(0.9)), 2),
    ],
)
def test_no_average_or_two_is_an_error(tx, found):
    with pytest.raises(ValueError, match=f"`opt_state` must hold one average .* got {found}"):
        averaged_params(tx.init({"w": jnp.ones(2)}))


@each_average
@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_out_of_range_is_named(make, decay):
    with pytest.raises(ValueError, match=rf"`decay` must be in \[0, 1\), got {decay}"):
        make(decay)
