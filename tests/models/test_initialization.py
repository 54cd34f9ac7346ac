"""Which kernels keep the signal alive through 50 layers, and which pairings lose or blow it up."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models.layers import Conv

WIDTH, LAYERS, NETWORKS = 512, 50, 6
HE, XAVIER = nn.initializers.he_normal(), nn.initializers.xavier_normal()


def growth(kernel_init, activation, scale):
    """Second moment of the sums in layer 50 over that in layer 1, in the geometric mean.

    It is over 6 networks, because one of this width deviates from another by a factor of 2.
    """

    def layer(x, key):
        return activation(x) @ kernel_init(key, (WIDTH, WIDTH)), None

    @jax.jit
    @jax.vmap
    def network(key):
        x = scale * jax.random.normal(key, (64, WIDTH))
        first, _ = layer(x, jax.random.fold_in(key, 1))
        keys = jax.random.split(jax.random.fold_in(key, 2), LAYERS - 1)
        last, _ = jax.lax.scan(layer, first, keys)
        return jnp.mean(last**2) / jnp.mean(first**2)

    ratios = np.asarray(network(jax.random.split(jax.random.key(0), NETWORKS)), np.float64)
    return np.exp(np.mean(np.log(ratios)))


def test_he_keeps_the_variance_through_50_layers_of_relu():
    assert 0.5 < growth(HE, nn.relu, 1.0) < 2


def test_xavier_keeps_the_variance_through_50_layers_of_tanh():
    # Glorot & Bengio 2010, section 4.2.1, assume the linear part of tanh: hence the small input.
    assert 0.5 < growth(XAVIER, nn.tanh, 0.05) < 2


def test_tanh_from_its_curved_part_falls_slowly_and_does_not_vanish():
    # nu_l ~ 1 / (2 l): what saturates is damped until it is in the linear part.
    assert 1 / 300 < growth(XAVIER, nn.tanh, 1.0) < 1 / 10


def test_xavier_with_relu_vanishes():
    # A ReLU halves the second moment, and 1 / fan_in does not make up for it: 2^-49 = 2e-15.
    assert growth(XAVIER, nn.relu, 1.0) < 1e-12


def test_he_with_the_identity_explodes():
    # What 2 / fan_in doubles, nothing halves: 2^49.
    assert growth(HE, lambda x: x, 1.0) > 1e12


def test_he_with_tanh_saturates():
    # The sums settle where tanh bends: 2 E[tanh(z)^2] = Var(z) at about 0.8, for every input.
    small, large = growth(HE, nn.tanh, 0.05), growth(HE, nn.tanh, 5.0)
    assert small > 50
    assert large < 0.5


@pytest.mark.parametrize("groups", [1, 4])
def test_a_convolution_begins_with_hes_variance(groups):
    x = jax.random.normal(jax.random.key(3), (8, 12, 12, 64))
    conv = Conv(256, 3, groups=groups)
    variables = conv.init(jax.random.key(4), x)
    kernel = np.asarray(variables["params"]["kernel"])
    assert kernel.shape == (3, 3, 64 // groups, 256)
    assert kernel.var() == pytest.approx(2 / (9 * 64 / groups), rel=0.05)
    # So a ReLU's second moment goes on: E[relu(y)^2] = Var(y) / 2 = E[x^2].
    y = nn.relu(conv.apply(variables, x))
    assert float(jnp.mean(y**2)) == pytest.approx(1, rel=0.1)
