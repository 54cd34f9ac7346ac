"""The fixed point (0, 1): by the moment map in closed form, and in a network of 32 layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erfc

from jaxvision.models.self_normalizing import SelfNormalizingMLP
from jaxvision.ops.activations import relu, selu

LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772
IMAGES = jax.random.normal(jax.random.key(0), (64, 8, 8, 2))


def moment_map(mean, variance, omega=0.0, tau=1.0):
    """Mean and variance of selu(z), z ~ N(mean omega, variance tau): equations 4 and 5.

    omega is the sum of a unit's weights, tau that of their squares. With m and s^2 the moments of
    z, these are Gaussian integrals of z, z^2, exp(z) - 1 and its square on either side of 0.
    """
    m, s = mean * omega, np.sqrt(variance * tau)
    below = erfc(m / (s * np.sqrt(2))) / 2  # P(z < 0)
    density = np.exp(-(m**2) / (2 * s**2)) / np.sqrt(2 * np.pi)

    def exponential(k):  # E[exp(k z); z < 0]
        return np.exp(k * m + (k * s) ** 2 / 2) * erfc((m + k * s**2) / (s * np.sqrt(2))) / 2

    first = m * (1 - below) + s * density + ALPHA * (exponential(1) - below)
    second = (m**2 + s**2) * (1 - below) + m * s * density
    second += ALPHA**2 * (exponential(2) - 2 * exponential(1) + below)
    return LAMBDA * first, LAMBDA**2 * second - (LAMBDA * first) ** 2


def test_the_moment_map_is_that_of_our_selu():
    z = 0.3 + np.sqrt(0.8) * jax.random.normal(jax.random.key(1), (1_000_000,))
    mean, variance = moment_map(1.0, 0.8, omega=0.3)
    # Standard errors of about 0.001: at 5 of them.
    assert float(selu(z).mean()) == pytest.approx(mean, abs=0.005)
    assert float(selu(z).var()) == pytest.approx(variance, abs=0.008)


def test_zero_and_one_is_a_fixed_point_to_the_last_digit():
    mean, variance = moment_map(0.0, 1.0)
    assert mean == pytest.approx(0, abs=1e-15)
    assert variance == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("start", [(-0.1, 0.8), (0.1, 1.5), (0.5, 0.5), (-0.9, 3.0)])
def test_the_fixed_point_attracts(start):
    # Theorem 1 has it for means in [-0.1, 0.1] and variances in [0.8, 1.5]; it holds further out.
    mean, variance = start
    for _ in range(300):
        mean, variance = moment_map(mean, variance)
    assert mean == pytest.approx(0, abs=1e-12)
    assert variance == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("omega", "tau"), [(0.1, 1.1), (-0.1, 0.95), (0.1, 0.95), (-0.1, 1.1)])
def test_weights_that_are_a_little_off_have_a_fixed_point_nearby(omega, tau):
    # Theorem 1: for these sums the moments stay in [-0.1, 0.1] and [0.8, 1.5].
    mean, variance = 0.0, 1.0
    for _ in range(300):
        mean, variance = moment_map(mean, variance, omega, tau)
        assert -0.1 <= mean <= 0.1
        assert 0.8 <= variance <= 1.5


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.5, 2.0), (-0.3, 0.3)])
def test_32_layers_end_at_mean_0_and_variance_1(shift, scale):
    model = SelfNormalizingMLP(10, widths=(512,) * 32)
    images = shift + scale * IMAGES

    @jax.jit
    def run(key, images):
        _, variables = model.init_with_output(key, images, train=False)
        return model.apply(variables, images, train=False)[1]

    last = run(jax.random.key(2), images)["hidden32"]
    # 512 drawn weights a unit, layer after layer, leave some percent.
    assert float(last.mean()) == pytest.approx(0, abs=0.1)
    assert float(last.var()) == pytest.approx(1, abs=0.2)


def test_a_relu_in_its_place_does_not():
    # The same kernels, variance 1 / fan_in, halve a ReLU's second moment in every layer.
    def layer(x, key):
        return relu(x @ (jax.random.normal(key, (512, 512)) / np.sqrt(512))), None

    x = jax.random.normal(jax.random.key(3), (64, 512))
    x, _ = jax.lax.scan(layer, x, jax.random.split(jax.random.key(4), 32))
    assert float(jnp.mean(x**2)) < 2.0**-28


def test_alpha_dropout_acts_in_training_only_and_keeps_the_moments():
    model = SelfNormalizingMLP(10, widths=(512,) * 8, dropout=0.1)
    variables = jax.jit(lambda: model.init(jax.random.key(5), IMAGES, train=False))()
    rngs = {"dropout": jax.random.key(6)}
    logits, features = model.apply(variables, IMAGES, train=True, rngs=rngs)
    without, _ = model.apply(variables, IMAGES, train=False)
    assert not np.allclose(logits, without, rtol=1e-2)
    assert float(features["hidden8"].mean()) == pytest.approx(0, abs=0.1)
    assert float(features["hidden8"].var()) == pytest.approx(1, abs=0.2)
    # Without dropout no key is needed.
    silent = SelfNormalizingMLP(10, widths=(512,) * 8, dropout=0.0)
    np.testing.assert_array_equal(silent.apply(variables, IMAGES, train=True)[0], without)


def test_parameter_count_and_features():
    model = SelfNormalizingMLP(10, widths=(7, 5))
    (logits, features), variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), IMAGES, train=False)
    )
    assert logits.shape == (64, 10)
    assert [feature.shape for feature in features.values()] == [(64, 7), (64, 5)]
    count = sum(leaf.size for leaf in jax.tree.leaves(variables))
    assert count == (128 + 1) * 7 + (7 + 1) * 5 + (5 + 1) * 10


@pytest.mark.parametrize("widths", [(), (0,)])
def test_names_bad_widths(widths):
    with pytest.raises(ValueError, match=r"`widths` must name at least one hidden layer.* got"):
        SelfNormalizingMLP(10, widths=widths)
