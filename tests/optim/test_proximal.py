"""Proximal steps against their definition, a search over a grid, and scikit-learn's Lasso."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet

from jaxvision import optim
from jaxvision.optim.base import chain
from jaxvision.optim.masks import everything
from jaxvision.optim.proximal import l1_proximal, max_norm
from jaxvision.optim.regularize import l1, l2


def moved(tx, w, u):
    """The parameters after an update of `u`."""
    updates, _ = tx.update(u, tx.init(w), w)
    return optax.apply_updates(w, updates)


def random_kernel(seed, *shape):
    return jnp.array(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def test_soft_threshold_by_hand():
    # x = w + u = (3, -3, 1, -1, 0), and the threshold is 4 * 1/2. The second crosses zero.
    w, u = jnp.array([2.0, 2.0, 4.0, -1.0, 0.5]), jnp.array([1.0, -5.0, -3.0, 0.0, -0.5])
    tx = l1_proximal(4.0, learning_rate=0.5, mask=everything)
    np.testing.assert_array_equal(moved(tx, w, u), [1.0, -1.0, 0.0, 0.0, 0.0])


def test_soft_threshold_is_the_nearest_point_that_pays_for_its_size():
    # The definition itself: the argmin over a grid of spacing 1e-4, so within half of that.
    penalty, rate = 0.7, 0.5
    grid = np.linspace(-3, 3, 60001)
    with jax.enable_x64(True):
        w, u = jnp.linspace(-2, 2, 41), jnp.linspace(0.3, -0.4, 41)
        result = moved(l1_proximal(penalty, rate, everything), w, u)
        x, result = np.asarray(w + u), np.asarray(result)
    cost = rate * penalty * np.abs(grid) + (grid - x[:, None]) ** 2 / 2
    assert np.max(np.abs(result - grid[np.argmin(cost, axis=1)])) < 0.51e-4


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5], ids=["lasso", "elastic_net"])
def test_with_sgd_it_solves_the_lasso_as_scikit_learn_does(l1_ratio):
    alpha = 0.3
    inputs, targets = load_diabetes(return_X_y=True)
    inputs, targets = inputs / inputs.std(axis=0), (targets - targets.mean()) / targets.std()
    reference = ElasticNet(
        alpha=alpha, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-12, max_iter=100_000
    )
    expected = reference.fit(inputs, targets).coef_

    with jax.enable_x64(True):
        X, y = jnp.array(inputs), jnp.array(targets)
        tx = chain(
            l2(alpha * (1 - l1_ratio), everything),
            optim.sgd(0.2),
            l1_proximal(alpha * l1_ratio, learning_rate=0.2, mask=everything),
        )

        def step(_, carry):
            w, state = carry
            gradient = jax.grad(lambda w: jnp.mean((X @ w - y) ** 2) / 2)(w)
            updates, state = tx.update(gradient, state, w)
            return optax.apply_updates(w, updates), state

        w = jnp.ones(10)
        w, _ = jax.jit(lambda *carry: jax.lax.fori_loop(0, 3000, step, carry))(w, tx.init(w))
        w = np.asarray(w)
    np.testing.assert_array_equal(w == 0, expected == 0)
    assert 0 < np.sum(expected == 0) < 10
    np.testing.assert_allclose(w, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_only_the_proximal_form_makes_weights_zero(dtype):
    w = {"kernel": random_kernel(0, 4, 5).astype(dtype)}
    proximal, subgradient = (
        chain(optim.sgd(0.1), l1_proximal(1.0, learning_rate=0.1)),
        chain(l1(1.0), optim.sgd(0.1)),
    )
    zeros = []
    for tx in (proximal, subgradient):
        params, state = w, tx.init(w)
        for _ in range(40):
            updates, state = tx.update(jax.tree.map(jnp.zeros_like, w), state, params)
            params = optax.apply_updates(params, updates)
        zeros.append(int(jnp.sum(params["kernel"] == 0)))
    assert zeros == [20, 0]


def test_the_threshold_follows_the_schedule_of_the_step():
    rates = jnp.array([0.5, 0.25, 0.125])
    tx = l1_proximal(2.0, learning_rate=lambda count: rates[count], mask=everything)
    w = jnp.array([8.0])
    state, seen = tx.init(w), []
    for _ in range(3):
        updates, state = tx.update(jnp.zeros(1), state, w)
        seen.append(float(updates[0]))
    assert seen == [-1.0, -0.5, -0.25]


def test_max_norm_by_hand():
    # Columns are units: (3, 4) has norm 5 and is halved; (1.5, 2) is on the limit.
    w = {"kernel": jnp.array([[3.0, 1.5], [3.0, 1.5]]), "bias": jnp.array([9.0, 9.0])}
    u = {"kernel": jnp.array([[0.0, 0.0], [1.0, 0.5]]), "bias": jnp.array([1.0, 1.0])}
    result = moved(max_norm(2.5), w, u)
    np.testing.assert_array_equal(result["kernel"], [[1.5, 1.5], [2.0, 2.0]])
    np.testing.assert_array_equal(result["bias"], [10.0, 10.0])


@pytest.mark.parametrize("shape", [(7,), (6, 7), (3, 3, 2, 7)])
def test_a_unit_is_an_index_of_the_last_axis(shape):
    w = {"kernel": random_kernel(0, *shape)}
    norms = np.linalg.norm(np.asarray(w["kernel"], np.float64).reshape(-1, 7), axis=0)
    limit = float(np.median(norms))
    new = moved(max_norm(limit), w, jax.tree.map(jnp.zeros_like, w))["kernel"]
    # Four roundings on the way: x^2, the root, the factor, w + (w' - w).
    new_norms = np.linalg.norm(np.asarray(new, np.float64).reshape(-1, 7), axis=0)
    np.testing.assert_allclose(new_norms, np.minimum(norms, limit), rtol=1e-6)
    directions = np.asarray(new / w["kernel"]).reshape(-1, 7)
    np.testing.assert_allclose(directions, np.tile(directions[:1], (len(directions), 1)), rtol=2e-5)


def test_units_within_the_limit_keep_their_update_bit_for_bit():
    w, u = random_kernel(0, 6, 5), random_kernel(1, 6, 5) * 1e-5
    tx = max_norm(100.0, everything)
    updates, _ = tx.update(u, tx.init(w), w)
    np.testing.assert_array_equal(updates, u)


def test_the_projection_is_idempotent_and_brings_no_two_points_apart():
    tx, zero = max_norm(1.5, everything), jnp.zeros((6, 50))
    a, b = random_kernel(0, 6, 50), random_kernel(1, 6, 50)
    a1, b1 = moved(tx, a, zero), moved(tx, b, zero)
    # A second projection may only repair the first one's rounding.
    np.testing.assert_allclose(moved(tx, a1, zero), a1, rtol=1e-6)
    before, after = np.linalg.norm(a - b, axis=0), np.linalg.norm(a1 - b1, axis=0)
    assert np.all(after <= before * (1 + 1e-6)) and np.any(after < 0.8 * before)


def test_zero_weights_stay_and_a_norm_that_overflows_is_not_hidden():
    w = jnp.array([[0.0, 1e30], [0.0, 1e30]])
    with jax.debug_nans(True):
        new = moved(max_norm(1.0, everything), w, jnp.zeros((2, 2)))
    np.testing.assert_array_equal(new, w)


@pytest.mark.parametrize("make", [lambda p: l1_proximal(p, 0.1), lambda r: l1_proximal(0.1, r)])
def test_a_threshold_out_of_range_is_named(make):
    with pytest.raises(
        ValueError, match=r"`(penalty|learning_rate)` must be in \[0, inf\), got -1.0"
    ):
        make(-1.0)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("inf")])
def test_a_limit_out_of_range_is_named(limit):
    with pytest.raises(ValueError, match=r"`limit` must be in \(0, inf\), got"):
        max_norm(limit)
