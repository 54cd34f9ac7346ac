"""Our dropout against Flax's, and with a rate that is traced."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models import MLP, SelfNormalizingMLP
from jaxvision.models.layers import Dropout

KEYS = {"dropout": jax.random.key(3)}


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.7])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_it_is_flaxs_to_the_bit(rate, dtype):
    x = jax.random.normal(jax.random.key(0), (5, 7), dtype)
    ours = Dropout(rate, train=True).apply({}, x, rngs=KEYS)
    np.testing.assert_array_equal(
        ours, nn.Dropout(rate, deterministic=False).apply({}, x, rngs=KEYS)
    )
    assert ours.dtype == dtype


def test_in_evaluation_and_at_rate_zero_nothing_happens_and_no_key_is_needed():
    x = jnp.ones((2, 3))
    np.testing.assert_array_equal(Dropout(0.5, train=False).apply({}, x), x)
    np.testing.assert_array_equal(Dropout(0.0, train=True).apply({}, x), x)


def test_a_share_of_the_rate_is_dropped_and_the_mean_stays():
    x = jnp.ones(100_000)
    y = Dropout(0.3, train=True).apply({}, x, rngs=KEYS)
    # The share of n independent coins has the standard deviation sqrt(p (1 - p) / n) = 0.0014.
    assert abs(np.mean(y == 0) - 0.3) < 0.006
    assert abs(np.mean(y) - 1) < 0.01


@pytest.mark.parametrize(
    "network",
    [
        lambda rate: MLP(3, widths=(8, 8), dropout=rate),
        lambda rate: SelfNormalizingMLP(3, widths=(8, 8), dropout=rate),
    ],
    ids=["mlp", "self_normalizing_mlp"],
)
def test_a_traced_rate_gives_what_the_number_gives(network):
    images = jax.random.normal(jax.random.key(1), (4, 5, 5, 1))
    variables = network(0.0).init(jax.random.key(2), images, train=False)

    def logits(rate):
        return network(rate).apply(variables, images, train=True, rngs=KEYS)[0]

    rates = jnp.array([0.0, 0.1, 0.5])
    each = jnp.stack([logits(float(rate)) for rate in rates])
    np.testing.assert_allclose(jax.vmap(logits)(rates), each, rtol=1e-5, atol=1e-6)
    assert len(np.unique(np.round(each[:, 0, 0], 4))) == 3


def test_a_rate_of_one_is_refused():
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\), got 1\.0; 0\.5 drops half"):
        Dropout(1.0, train=True).apply({}, jnp.ones(3), rngs=KEYS)
