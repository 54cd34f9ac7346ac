"""What the adaptive optimizers promise beyond their equations, and what they refuse."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import optim
from jaxvision.optim.base import one_minus_power

G = jnp.array([3.0, -0.02, 500.0])


@pytest.mark.parametrize(
    "direction",
    [
        optim.scale_by_adagrad(eps=0.0),
        optim.scale_by_rms(eps=0.0),
        optim.scale_by_deviation(eps=0.0),
        optim.scale_by_adam(eps=0.0),
        optim.scale_by_adam_uncorrected(eps=0.0),
        optim.scale_by_nadam(eps=0.0),
        optim.scale_by_adamax(eps=0.0),
    ],
)
def test_the_gradients_scale_does_not_matter(direction):
    # Kingma & Ba, section 2.1: scaling g by c scales numerator and denominator alike. Powers of two
    # scale without rounding, so the bits are the same.
    states = [direction.init(G), direction.init(G)]
    for factor in (1.0, 0.5, -3.0):
        small, states[0] = direction.update(factor * G, states[0])
        large, states[1] = direction.update(1024 * factor * G, states[1])
        np.testing.assert_array_equal(small, large)


def test_adadelta_steps_in_the_units_of_the_parameter():
    # Zeiler, section 3.2: in units in which w is c times as large, g is 1 / c of what it was, and
    # the steps are c times as large -- up to eps, which has units and is negligible here.
    direction = optim.scale_by_adadelta(eps=1e-30)
    state, scaled_state = direction.init(G), direction.init(G)
    state = state._replace(D=jnp.full(3, 1e-2))
    scaled_state = scaled_state._replace(D=jnp.full(3, 64.0**2 * 1e-2))
    for factor in (1.0, 0.5, -3.0):
        step, state = direction.update(factor * G, state)
        scaled, scaled_state = direction.update(factor * G / 64, scaled_state)
        np.testing.assert_allclose(scaled, 64 * step, rtol=1e-6)


def test_the_first_step_of_adam_is_the_learning_rate_in_every_coordinate():
    for optimizer in (optim.adam(0.1, eps=0.0), optim.adamax(0.1, eps=0.0)):
        update, _ = optimizer.update(G, optimizer.init(G))
        np.testing.assert_allclose(update, -0.1 * jnp.sign(G), rtol=1e-6)


def test_without_correction_the_first_step_is_longer():
    corrected, _ = optim.scale_by_adam(eps=0.0).update(G, optim.scale_by_adam().init(G))
    direction = optim.scale_by_adam_uncorrected(eps=0.0)
    uncorrected, _ = direction.update(G, direction.init(G))
    np.testing.assert_allclose(uncorrected / corrected, 0.1 / np.sqrt(0.001), rtol=1e-5)


def test_the_correction_is_exact_where_float32_powers_are_not():
    # 1 - .999 = .001 in float32 is 1.00e-3 to five digits only; nu / (1 - b2) must give g^2 back.
    update, _ = optim.scale_by_adam(eps=0.0).update(G, optim.scale_by_adam().init(G))
    np.testing.assert_allclose(jnp.abs(update), 1.0, rtol=2e-7)


@pytest.mark.parametrize("b2", [1 - 2**-10, jnp.float32(1 - 2**-10)])  # exact in float32
def test_corrections_are_exact_at_every_step(b2):
    t = np.arange(1, 30)
    ours = [one_minus_power(b2, jnp.int32(step)) for step in t]
    np.testing.assert_allclose(ours, 1 - (1 - 2.0**-10) ** t, rtol=3e-7)


def test_adagrads_steps_only_shrink():
    direction = optim.scale_by_adagrad()
    state = direction.init(G)
    sizes = []
    for _ in range(10):
        update, state = direction.update(G, state)
        sizes.append(np.abs(update))
    np.testing.assert_allclose(
        sizes, 1 / np.sqrt(np.arange(1, 11))[:, None] * np.ones(3), rtol=1e-5
    )


def test_centring_keeps_a_variance_that_rounding_made_negative():
    # A constant gradient: E - m^2 is 0 up to rounding, of either sign.
    direction = optim.scale_by_deviation(eps=1e-30)
    g = jnp.array(np.linspace(1, 2, 1000), jnp.float32)
    state = direction.init(g)
    for _ in range(200):
        update, state = direction.update(g, state)
    chex.assert_tree_all_finite(update)


def test_adamw_decays_kernels_alone_by_default():
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    optimizer = optim.adamw(0.1, weight_decay=0.5)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zeros, optimizer.init(params), params)
    np.testing.assert_allclose(updates["kernel"], -0.05 * np.ones((2, 2)), rtol=1e-6)
    np.testing.assert_array_equal(updates["bias"], np.zeros(2))


INF = float("inf")
REFUSED = [
    (lambda: optim.sgd(-0.1), r"`learning_rate` must be in \[0, inf\), got -0.1"),
    (lambda: optim.sgd(float("nan")), r"`learning_rate` must be in \[0, inf\), got nan"),
    (lambda: optim.sgd(INF), r"`learning_rate` must be in \[0, inf\), got inf"),
    (lambda: optim.momentum(0.1, gamma=1.0), r"`gamma` must be in \[0, 1\), got 1.0"),
    (lambda: optim.heavy_ball(0.1, beta=-0.1), r"`beta` must be in \[0, 1\), got -0.1"),
    (lambda: optim.ema_momentum(0.1, a=0.0), r"`a` must be in \(0, 1\], got 0.0"),
    (lambda: optim.ema_momentum(0.1, a=1.5), r"`a` must be in \(0, 1\], got 1.5"),
    (lambda: optim.accumulate(1), r"`decay` must be in \[0, 1\), got 1"),
    (lambda: optim.nesterov(0.1, mu=1.0), r"`mu` must be in \[0, 1\), got 1.0"),
    (lambda: optim.adagrad(0.1, eps=-1.0), r"`eps` must be in \[0, inf\), got -1.0"),
    (lambda: optim.adagrad(0.1, initial=-1.0), r"`initial` must be in \[0, inf\), got -1.0"),
    (lambda: optim.rmsprop(0.1, rho=1.0), r"`rho` must be in \[0, 1\), got 1.0"),
    (lambda: optim.rmsprop(0.1, eps=INF), r"`eps` must be in \[0, inf\), got inf"),
    (lambda: optim.rmsprop(0.1, momentum=1.0), r"`momentum` must be in \[0, 1\), got 1.0"),
    (lambda: optim.centered_rmsprop(0.1, rho=-1), r"`rho` must be in \[0, 1\), got -1"),
    (lambda: optim.centered_rmsprop(0.1, eps=-1), r"`eps` must be in \[0, inf\), got -1"),
    (lambda: optim.adadelta(rho=1.0), r"`rho` must be in \[0, 1\), got 1.0"),
    (lambda: optim.adadelta(eps=-1.0), r"`eps` must be in \[0, inf\), got -1.0"),
    (lambda: optim.adam(0.1, eps_root=-1.0), r"`eps_root` must be in \[0, inf\), got -1.0"),
    (lambda: optim.adamw(0.1, weight_decay=-1.0), r"`weight_decay` must be in \[0, inf\), got -1"),
]
for make in (optim.adam, optim.adam_uncorrected, optim.nadam, optim.adamax):
    REFUSED += [
        (lambda make=make: make(0.1, b1=1.0), r"`b1` must be in \[0, 1\), got 1.0"),
        (lambda make=make: make(0.1, b2=-0.1), r"`b2` must be in \[0, 1\), got -0.1"),
        (lambda make=make: make(0.1, eps=-1.0), r"`eps` must be in \[0, inf\), got -1.0"),
        (lambda make=make: make(-0.1), r"`learning_rate` must be in \[0, inf\), got -0.1"),
    ]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_a_hyperparameter_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_traced_hyperparameter_passes():
    rates = jnp.array([0.1, -0.1])
    updates = jax.vmap(lambda rate: optim.sgd(rate).update(G, optim.sgd(rate).init(G))[0])(rates)
    np.testing.assert_allclose(updates, -rates[:, None] * G[None], rtol=1e-6)


def test_adamw_with_a_mask_that_fits_nothing_names_what_there_is():
    params = {"w": jnp.ones(2)}
    optimizer = optim.adamw(0.1)
    with pytest.raises(ValueError, match=r"`mask`.*w"):
        optimizer.update(params, optimizer.init(params), params)
