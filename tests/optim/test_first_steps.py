"""The first two updates of every optimizer, worked out by hand."""

from math import sqrt

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import optim

# The gradient is 4 and then -2; every learning rate is 1 at first, and then 1/2.
GRADIENTS = (4.0, -2.0)


def halving(count):
    return jnp.array([1.0, 0.5])[count]


BY_HAND = {
    "sgd": (optim.sgd(halving), -4, 1),
    # v = 4, then .75 * 4 - .5 * 2 = 2
    "momentum": (optim.momentum(halving, gamma=0.75), -4, -2),
    # v = 4, then .75 * 4 - 2 = 1
    "heavy_ball": (optim.heavy_ball(halving, beta=0.75), -4, -0.5),
    # d = 1, then .25 * -2 + .75 * 1 = 1/4
    "ema_momentum": (optim.ema_momentum(halving, a=0.25), -1, -0.125),
    # v = -4, phi moves by v + .75 v = -7; then v = -3 + 1 = -2: lead -1.5, moved 1 - 1.5
    "nesterov": (optim.nesterov(halving, mu=0.75), -7, -0.5),
    # G = 9 + 16 = 25, then 29; with eps 7: roots of 32 and 36
    "adagrad": (optim.adagrad(halving, eps=7.0, initial=9.0), -4 / sqrt(32), 0.5 * 2 / 6),
    # E = .25 * 16 = 4, then .75 * 4 + .25 * 4 = 4
    "rmsprop": (optim.rmsprop(halving, rho=0.75, eps=5.0), -4 / 3, 0.5 * 2 / 3),
    # u = 4/3, then -2/3: v = 4/3, then .5 * 4/3 - .5 * 2/3 = 1/3
    "rmsprop momentum": (
        optim.rmsprop(halving, rho=0.75, eps=5.0, momentum=0.5),
        -4 / 3,
        -1 / 3,
    ),
    # m = 1, E - m^2 = 3; then m = .75 - .5 = .25, E - m^2 = 4 - 1/16
    "centered_rmsprop": (
        optim.centered_rmsprop(halving, rho=0.75, eps=1.0),
        -4 / 2,
        0.5 * 2 / sqrt(5 - 1 / 16),
    ),
    # E = 4, D = 0: u = 4 sqrt(12 / 16); then D = .25 * 12 = 3, E = 4: u = -2 sqrt(15 / 16)
    "adadelta": (
        optim.adadelta(halving, rho=0.75, eps=12.0),
        -4 * sqrt(12 / 16),
        0.5 * 2 * sqrt(15 / 16),
    ),
    # both corrected: mu = 4, nu = 16; then mu = (.5 * 2 - 1) / .75 = 0
    "adam, a mean of zero": (optim.adam(halving, b1=0.5, b2=0.75, eps=1.0), -4 / 5, 0),
    # b1 = 1/4: mu = 3, then .75 - 1.5 = -.75, over 15/16: -.8; nu = 4, then 4, over 7/16: 64/7
    "adam": (
        optim.adam(halving, b1=0.25, b2=0.75, eps=1.0, eps_root=9.0),
        -4 / (5 + 1),
        0.5 * 0.8 / (sqrt(64 / 7 + 9) + 1),
    ),
    "adam_uncorrected": (
        optim.adam_uncorrected(halving, b1=0.25, b2=0.75, eps=5.0),
        -3 / 3,
        0.5 * 0.75 / 3,
    ),
    # Adam's, and decay of w = 10: 10/16; then w = 10 - 4/5 - 10/16
    "adamw": (
        optim.adamw(halving, b1=0.5, b2=0.75, eps=1.0, weight_decay=1 / 16, mask=optim.everything),
        -4 / 5 - 10 / 16,
        -0.5 / 16 * (10 - 4 / 5 - 10 / 16),
    ),
    # mu = 3, m = .25 * 3 / (15/16) + .75 * 4 / .75 = 4.8; then mu = -.75,
    # m = .25 * -.75 / (63/64) + .75 * -2 / (15/16) = -4/21 - 8/5
    "nadam": (
        optim.nadam(halving, b1=0.25, b2=0.75, eps=1.0),
        -4.8 / 5,
        0.5 * (4 / 21 + 8 / 5) / (sqrt(64 / 7) + 1),
    ),
    # largest: 4 + 1 = 5, then max(.75 * 5, 2 + 1) = 3.75
    "adamax": (optim.adamax(halving, b1=0.25, b2=0.75, eps=1.0), -4 / 5, 0.5 * 0.8 / 3.75),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    optimizer, *expected = BY_HAND[name]
    w = jnp.array([10.0])
    state = optimizer.init(w)
    for g, expected_update in zip(GRADIENTS, expected, strict=True):
        update, state = optimizer.update(jnp.array([g]), state, w)
        # The last bits of float32, and 1 - b^t by exp and log.
        np.testing.assert_allclose(update, [expected_update], rtol=1e-6, atol=1e-7)
        w = w + update


# shared facts: the sum of squares from (1, 2, 3), the loss after each of five steps.
LOSSES = {
    "sgd": (optim.sgd(0.003), (13.8, 13.7, 13.5, 13.3, 13.2)),
    "adagrad": (optim.adagrad(1.0, eps=1e-7, initial=0.1), (5.01, 2.40, 1.25, 0.686, 0.385)),
    "adadelta": (optim.adadelta(10.0), (13.6, 13.2, 12.9, 12.5, 12.1)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_five_steps_down_a_sum_of_squares(name):
    optimizer, losses = LOSSES[name]
    w = jnp.array([1.0, 2.0, 3.0])
    state = optimizer.init(w)
    for expected in losses:
        update, state = optimizer.update(2 * w, state, w)
        w = w + update
        np.testing.assert_allclose(jnp.sum(w**2), expected, rtol=4e-3)  # given to three digits
