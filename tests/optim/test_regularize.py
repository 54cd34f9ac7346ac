"""Penalties and decay by hand, against autodiff and Optax; where they are one, and where not."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.optim.base import chain
from jaxvision.optim.masks import everything, named
from jaxvision.optim.regularize import decay, elastic_net, l1, l2

# Powers of two: multiplying by them rounds nothing, so two orders of the same products agree in
# every bit, and a test of equality needs no tolerance.
RATE, PENALTY = 0.5, 0.25


def random_params(seed, dtype=jnp.float32):
    random = np.random.default_rng(seed)
    tree = {"kernel": random.standard_normal((3, 2)), "bias": random.standard_normal(2)}
    return jax.tree.map(lambda x: jnp.array(x, dtype), tree)


def one_update(tx, updates, params):
    return tx.update(updates, tx.init(params), params)[0]


def train(tx, steps=5):
    params = random_params(0)
    state = tx.init(params)
    for step in range(steps):
        updates, state = tx.update(random_params(step + 1), state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize(
    ("tx", "expected"),
    [
        (l2(0.25), [1.5, 0.5, 1.0]),
        (l1(0.25), [1.25, 0.75, 1.0]),
        (elastic_net(0.25, 0.5), [2.25, -0.25, 1.0]),
        (decay(0.25), [0.5, 1.5, 1.0]),
    ],
    ids=["l2", "l1", "elastic_net", "decay"],
)
def test_by_hand_and_on_kernels_only(tx, expected):
    params = {"kernel": jnp.array([2.0, -2.0, 0.0]), "bias": jnp.array([2.0])}
    updates = {"kernel": jnp.ones(3), "bias": jnp.ones(1)}
    updates = one_update(tx, updates, params)
    np.testing.assert_array_equal(updates["kernel"], expected)
    np.testing.assert_array_equal(updates["bias"], [1.0])


def test_decay_leaves_one_minus_tau_of_the_weights():
    params = {"kernel": jnp.array([4.0, -8.0])}
    updates = one_update(decay(0.25), {"kernel": jnp.zeros(2)}, params)
    np.testing.assert_array_equal(optax.apply_updates(params, updates)["kernel"], [3.0, -6.0])


@pytest.mark.parametrize(
    ("tx", "penalty"),
    [
        (l2(0.3), lambda w: 0.3 / 2 * jnp.sum(w**2)),
        (l1(0.3), lambda w: 0.3 * jnp.sum(jnp.abs(w))),
        (
            elastic_net(0.3, 0.7),
            lambda w: 0.3 * jnp.sum(jnp.abs(w)) + 0.7 / 2 * jnp.sum(w**2),
        ),
    ],
    ids=["l2", "l1", "elastic_net"],
)
def test_adds_the_gradient_of_the_penalty_it_names(tx, penalty):
    w = random_params(0)["kernel"]
    updates = one_update(tx, {"kernel": jnp.zeros_like(w)}, {"kernel": w})
    np.testing.assert_allclose(updates["kernel"], jax.grad(penalty)(w), rtol=1e-6)


def falling(count):
    return 0.5 ** (count + 1)


@pytest.mark.parametrize(
    ("rate", "tau"),
    [(RATE, RATE * PENALTY), (falling, lambda count: PENALTY * falling(count))],
    ids=["constant", "scheduled"],
)
def test_for_sgd_the_penalty_is_a_decay_by_rate_times_penalty(rate, tau):
    # Loshchilov & Hutter, Proposition 1.
    coupled = train(chain(l2(PENALTY), optim.sgd(rate)))
    decoupled = train(chain(optim.sgd(rate), decay(tau)))
    chex.assert_trees_all_equal(coupled, decoupled)
    unpenalised = train(optim.sgd(rate))
    assert np.max(np.abs(coupled["kernel"] - unpenalised["kernel"])) > 0.1


@pytest.mark.parametrize(
    "direction",
    [optax.trace(0.5), optim.scale_by_adam(eps=2.0**-20)],
    ids=["momentum", "adam"],
)
def test_for_momentum_and_adam_it_is_not(direction):
    # Proposition 2. The first step of momentum is still SGD's; the second remembers the penalty.
    coupled = chain(l2(PENALTY), direction, optim.descend(RATE))
    decoupled = chain(direction, optim.descend(RATE), decay(RATE * PENALTY))
    difference = train(coupled, steps=2)["kernel"] - train(decoupled, steps=2)["kernel"]
    assert np.min(np.abs(difference)) > 1e-3


def test_momentum_remembers_the_penalty():
    # Zero gradients and w_0 = 1: m_1 = p, w_1 = 1 - rate p; m_2 = p w_1 + p / 2, w_2 = w_1 - rate
    # m_2. The decay has no memory: (1 - rate p)^2.
    params = {"kernel": jnp.ones(1)}
    gradients = {"kernel": jnp.zeros(1)}
    tx = chain(l2(PENALTY), optax.trace(0.5), optim.descend(RATE))
    state = tx.init(params)
    for _ in range(2):
        updates, state = tx.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    w1 = 1 - RATE * PENALTY
    np.testing.assert_array_equal(params["kernel"], [w1 - RATE * (PENALTY * w1 + PENALTY / 2)])


kernel_mask = {"kernel": True, "bias": False}
bias_mask = {"kernel": False, "bias": True}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (l2(0.3), optax.add_decayed_weights(0.3, kernel_mask)),
        (l2(0.3, everything), optax.add_decayed_weights(0.3)),
        (
            l2(falling, named("bias")),
            optax.inject_hyperparams(optax.add_decayed_weights, static_args="mask")(
                falling, mask=bias_mask
            ),
        ),
        (
            chain(optim.scale_by_adam(), l2(0.3), optim.descend(falling)),
            optax.adamw(falling, weight_decay=0.3, mask=kernel_mask),
        ),
    ],
    ids=["masked", "everything", "scheduled", "adamw"],
)
def test_follows_optax(ours, theirs):
    # In double precision, for Optax's 1 - b2**t is off by 2e-5 in single.
    with jax.enable_x64(True):
        params = random_params(0, jnp.float64)
        state, their_state = ours.init(params), theirs.init(params)
        for step in range(5):
            gradients = random_params(step + 1, jnp.float64)
            updates, state = ours.update(gradients, state, params)
            expected, their_state = theirs.update(gradients, their_state, params)
            chex.assert_trees_all_close(updates, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "tx", [decay(falling), l1(falling), elastic_net(0.0, falling), elastic_net(falling, 0.0)]
)
def test_a_schedule_is_given_the_number_of_updates_made_before(tx):
    params, zeros = {"kernel": jnp.ones(1)}, {"kernel": jnp.zeros(1)}
    state, seen = tx.init(params), []
    for _ in range(3):
        updates, state = tx.update(zeros, state, params)
        seen.append(abs(float(updates["kernel"][0])))
    assert seen == [0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: l2(-0.1), r"`penalty` must be in \[0, inf\), got -0.1"),
        (lambda: l1(float("nan")), r"`penalty` must be in \[0, inf\), got nan"),
        (lambda: elastic_net(-0.1, 0.1), r"`l1_penalty` must be in \[0, inf\), got -0.1"),
        (lambda: elastic_net(0.1, -0.1), r"`l2_penalty` must be in \[0, inf\), got -0.1"),
        (lambda: decay(1.0), r"`tau` must be in \[0, 1\), got 1.0"),
        (lambda: decay(-0.1), r"`tau` must be in \[0, 1\), got -0.1"),
    ],
)
def test_a_strength_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("tx", [l2(0.1), l1(0.1), elastic_net(0.1, 0.1), decay(0.1)])
def test_a_mask_that_fits_nothing_is_an_error_before_the_first_step(tx):
    with pytest.raises(ValueError, match="`mask` chooses no parameter; there are scale, shift"):
        tx.init({"scale": jnp.ones(2), "shift": jnp.ones(2)})
