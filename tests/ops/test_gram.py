"""`jaxvision.ops.gram`: by hand, against NumPy, and what a Gram matrix must be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.gram import gram_matrix, gram_sum


def features(seed=0, shape=(2, 4, 5, 3)):
    return jax.random.normal(jax.random.key(seed), shape)


def test_by_hand():
    # Two positions, two channels: (1, 2) and (3, 4).
    x = jnp.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    np.testing.assert_array_equal(gram_matrix(x), [[[5, 7], [7, 10]]])


def test_against_numpy_in_float64():
    x = np.asarray(features(), np.float64)
    flat = x.reshape(2, 20, 3)
    expected = np.stack([each.T @ each / 20 for each in flat])
    np.testing.assert_allclose(gram_matrix(features()), expected, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_symmetric_and_positive_semi_definite(seed):
    gram = gram_matrix(features(seed, (1, 3, 1, 6)))[0]  # fewer positions than channels
    np.testing.assert_array_equal(gram, gram.T)
    assert np.linalg.eigvalsh(gram).min() > -1e-6


def test_positions_may_change_places():
    x = features()
    shuffled = jax.random.permutation(jax.random.key(1), x.reshape(2, 20, 3), axis=1)
    assert not np.allclose(x, shuffled.reshape(x.shape))
    np.testing.assert_allclose(
        gram_matrix(shuffled.reshape(x.shape)), gram_matrix(x), rtol=1e-5, atol=1e-6
    )


def test_an_image_twice_as_large_has_the_same():
    x = features()
    twice = jnp.concatenate([x, x], axis=1)
    np.testing.assert_allclose(gram_matrix(twice), gram_matrix(x), rtol=1e-5, atol=1e-6)


def test_weighted_sums_of_parts_are_the_whole():
    x = features()
    weights = jax.random.uniform(jax.random.key(2), (4, 5))
    parts = gram_sum(x, weights) + gram_sum(x, 1 - weights)
    np.testing.assert_allclose(parts, gram_sum(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gram_sum(x, jnp.ones((4, 5))), gram_sum(x), rtol=1e-6)
