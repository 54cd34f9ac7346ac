"""Alpha dropout: two values by hand, mean and variance kept, and Flax's dropout beside it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.activations import selu
from jaxvision.ops.alpha_dropout import SATURATION, alpha_dropout

NORMAL = jax.random.normal(jax.random.key(0), (1000, 1000))


def test_drops_to_the_value_at_which_selu_saturates():
    assert float(selu(jnp.array(-100.0))) == pytest.approx(SATURATION, rel=1e-6)


def test_by_hand_at_one_half():
    # q = 1/2: a = (1/2 + alpha'^2 / 4)^(-1/2) = 0.88641, b = -a alpha' / 2 = 0.77919.
    x = jnp.full((10_000,), 2.0)
    y = alpha_dropout(x, 0.5, jax.random.key(1))
    values, counts = np.unique(np.asarray(y), return_counts=True)
    np.testing.assert_allclose(
        values, [0.88641 * SATURATION + 0.77919, 0.88641 * 2 + 0.77919], atol=2e-5
    )
    assert abs(counts[0] - 5000) < 250  # five standard deviations


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_keeps_mean_0_and_variance_1(rate):
    y = alpha_dropout(NORMAL, rate, jax.random.key(2))
    # A million draws: standard errors of 0.001 and 0.0014, at 5 of them.
    assert float(y.mean()) == pytest.approx(0, abs=0.005)
    assert float(y.var()) == pytest.approx(1, abs=0.008)


def test_nothing_is_dropped_at_rate_0():
    np.testing.assert_allclose(alpha_dropout(NORMAL, 0.0, jax.random.key(3)), NORMAL, rtol=1e-6)


def test_what_is_dropped_has_no_gradient():
    gradient = jax.grad(lambda x: alpha_dropout(x, 0.3, jax.random.key(4)).sum())(NORMAL[0])
    dropped = np.mean(np.asarray(gradient) == 0)
    assert dropped == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_names_a_bad_rate(rate):
    with pytest.raises(ValueError, match=rf"`rate` must be in \[0, 1\), got {rate}"):
        alpha_dropout(NORMAL, rate, jax.random.key(0))


def test_flaxs_dropout_scales_in_training_and_does_nothing_afterwards():
    # Inverted dropout: 1 / q while training keeps the mean, so that evaluation needs no scale.
    x = jnp.ones((1000, 1000))
    training, evaluation = (
        nn.Dropout(0.25, deterministic=flag).apply({}, x, rngs={"dropout": jax.random.key(5)})
        for flag in (False, True)
    )
    np.testing.assert_array_equal(np.unique(np.asarray(training)), np.float32([0, 1 / 0.75]))
    assert float(training.mean()) == pytest.approx(1, abs=0.003)
    np.testing.assert_array_equal(evaluation, x)
