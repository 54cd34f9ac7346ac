"""`jaxvision.style.statistics`: by hand, against NumPy and SciPy in float64, and distances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

from jaxvision.style.statistics import GRAM, MEAN_STD, STATISTICS, WASSERSTEIN

EACH = pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS.keys())


def features(seed, shape=(1, 6, 7, 4)):
    return jnp.abs(jax.random.normal(jax.random.key(seed), shape)) * (1 + seed)


def distance(statistic, x, y, weights=None):
    return statistic.distance(statistic.sums(x, weights), statistic.target(statistic.sums(y, None)))


def moments(x):
    flat = np.asarray(x, np.float64).reshape(-1, x.shape[-1])
    return flat.mean(axis=0), np.cov(flat, rowvar=False, bias=True)


def test_gram_is_the_papers_equation_4():
    x, y = features(0), features(1)
    n, c = 6 * 7, 4
    g, a = (np.einsum("bhwc,bhwd->cd", *[np.asarray(z, np.float64)] * 2) for z in (x, y))
    expected = ((g - a) ** 2).sum() / (4 * c**2 * n**2)
    np.testing.assert_allclose(distance(GRAM, x, y), [expected], rtol=1e-5)


def test_mean_and_deviation_against_numpy():
    x, y = features(0), features(1)
    (m, c), (n, d) = moments(x), moments(y)
    expected = np.mean((m - n) ** 2 + (np.sqrt(np.diag(c)) - np.sqrt(np.diag(d))) ** 2)
    np.testing.assert_allclose(distance(MEAN_STD, x, y), [expected], rtol=1e-4)


def test_wasserstein_against_scipy():
    x, y = features(0), features(1)
    (m, c), (n, d) = moments(x), moments(y)
    root = linalg.sqrtm(d)
    crossed = np.trace(linalg.sqrtm(root @ c @ root).real)
    expected = (((m - n) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * crossed) / 4
    np.testing.assert_allclose(distance(WASSERSTEIN, x, y), [expected], rtol=1e-3)


def test_wasserstein_by_hand():
    # Independent features, deviations 1 and 3 against 2 and 1, means apart by 1 and 2.
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    x = jnp.asarray(signs * [1, 3], jnp.float32)[None, :, None]
    y = jnp.asarray(signs * [2, 1] + [1, 2], jnp.float32)[None, :, None]
    expected = ((1 + 4) + (1 - 2) ** 2 + (3 - 1) ** 2) / 2
    np.testing.assert_allclose(distance(WASSERSTEIN, x, y), [expected], rtol=1e-4)


@EACH
def test_zero_to_itself_and_positive_to_others(statistic):
    x, y = features(0), features(1)
    other = float(distance(statistic, x, y)[0])
    assert abs(float(distance(statistic, x, x)[0])) < 1e-4 * other
    assert other > 0.01


@EACH
def test_positions_may_change_places(statistic):
    x, y = features(0), features(1)
    shuffled = jax.random.permutation(jax.random.key(3), x.reshape(1, 42, 4), axis=1)
    a, b = distance(statistic, x, y), distance(statistic, shuffled.reshape(x.shape), y)
    np.testing.assert_allclose(a, b, rtol=1e-4)


@EACH
def test_sums_over_parts_are_those_of_the_whole(statistic):
    x, y = features(0), features(1)
    weights = jax.random.bernoulli(jax.random.key(4), 0.5, (6, 7)).astype(jnp.float32)
    parts = jax.tree.map(jnp.add, statistic.sums(x, weights), statistic.sums(x, 1 - weights))
    target = statistic.target(statistic.sums(y, None))
    np.testing.assert_allclose(
        statistic.distance(parts, target), distance(statistic, x, y), rtol=1e-4
    )


@EACH
def test_weights_choose_positions(statistic):
    x, y = features(0), features(1)
    left = jnp.zeros((6, 7)).at[:, :3].set(1)
    np.testing.assert_allclose(
        distance(statistic, x, y, left), distance(statistic, x[:, :, :3], y), rtol=1e-4
    )


@EACH
def test_each_image_of_a_batch_has_its_own(statistic):
    x, y = jnp.concatenate([features(0), features(2)]), features(1)
    both = distance(statistic, x, y)
    alone = [distance(statistic, x[i : i + 1], y)[0] for i in range(2)]
    np.testing.assert_allclose(both, alone, rtol=1e-4)


@EACH
def test_the_gradient_is_finite_where_features_are_silent(statistic):
    x, y = features(0).at[..., 2].set(0.0), features(1).at[..., 1].set(0.0)
    gradient = jax.grad(lambda x: distance(statistic, x, y)[0])(x)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.isfinite(jax.grad(lambda x: distance(statistic, x, y)[0])(0 * x)))


@EACH
def test_the_gradient_is_the_differences(statistic):
    x, y = features(0), features(1)
    direction = jax.random.normal(jax.random.key(5), x.shape)

    def along(t):
        return distance(statistic, x + t * direction, y)[0]

    numeric = (along(0.01) - along(-0.01)) / 0.02
    np.testing.assert_allclose(jax.grad(along)(0.0), numeric, rtol=2e-2)


@EACH
def test_an_empty_region_is_finite(statistic):
    assert np.all(np.isfinite(distance(statistic, features(0), features(1), jnp.zeros((6, 7)))))
