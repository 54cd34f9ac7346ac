"""The directions of BFGS and L-BFGS, from pairs written down or drawn, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.optim.bfgs import direction as bfgs_direction
from jaxvision.optim.bfgs import record as bfgs_record
from jaxvision.optim.lbfgs import Pairs
from jaxvision.optim.lbfgs import direction as lbfgs_direction
from jaxvision.optim.lbfgs import record as lbfgs_record

SIZE = 6
RTOL = 1e-10  # float64, matrices of condition 100, and up to 9 products of them


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def positive_definite(seed):
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((SIZE, SIZE)))
    return basis * np.geomspace(0.1, 10, SIZE) @ basis.T


def pairs_of(A, count, seed=1):
    s = np.random.default_rng(seed).standard_normal((count, SIZE))
    return list(zip(s, s @ A, strict=True))


def product_form(H, pairs):
    """(7.16): (6.17) applied for each pair, from the earliest, with the matrices multiplied."""
    for s, y in pairs:
        V = np.eye(SIZE) - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    return H


def recorded(record, state, pairs):
    for count, (s, y) in enumerate(pairs):
        state = record(state, jnp.asarray(count), jnp.array(s), jnp.array(y), jnp.array(True))
    return state


def empty_rings(memory):
    zeros = jnp.zeros((memory, SIZE))
    return Pairs(zeros, zeros, zeros[:, 0], jnp.ones([]))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])  # of 4 kept: fewer, all, and round the ring
def test_the_two_loops_are_the_product_of_matrices(count):
    A, gradient = positive_definite(0), np.arange(1.0, SIZE + 1)
    pairs = pairs_of(A, count)
    s, y = pairs[-1]
    expected = -product_form(np.eye(SIZE) * (s @ y) / (y @ y), pairs[-4:]) @ gradient
    history = recorded(lbfgs_record, empty_rings(4), pairs)
    d = lbfgs_direction(history, jnp.asarray(count), jnp.array(gradient))
    np.testing.assert_allclose(d, expected, rtol=RTOL)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_bfgs_is_the_product_of_matrices(count):
    A, gradient = positive_definite(0), np.arange(1.0, SIZE + 1)
    pairs = pairs_of(A, count)
    s, y = pairs[0]
    expected = product_form(np.eye(SIZE) * (s @ y) / (y @ y), pairs)
    H = recorded(bfgs_record, jnp.eye(SIZE), pairs)
    np.testing.assert_allclose(H, expected, rtol=RTOL)
    d = bfgs_direction(H, jnp.asarray(count), jnp.array(gradient))
    np.testing.assert_allclose(d, -expected @ gradient, rtol=RTOL)


def test_with_memory_for_all_pairs_and_one_scaling_both_are_one():
    A, gradient = positive_definite(2), jnp.arange(1.0, SIZE + 1)
    pairs, count = pairs_of(A, 5), jnp.asarray(5)
    s, y = pairs[0]
    history = recorded(lbfgs_record, empty_rings(5), pairs)._replace(
        gamma=jnp.asarray(s @ y / (y @ y))
    )
    dense = bfgs_direction(recorded(bfgs_record, jnp.eye(SIZE), pairs), count, gradient)
    np.testing.assert_allclose(lbfgs_direction(history, count, gradient), dense, rtol=RTOL)


def test_with_exact_searches_bfgs_ends_on_a_quadratic_after_n_steps_with_its_inverse():
    # Nocedal & Wright, theorem 6.4. f(x) = x'Ax / 2 - b'x; the exact step is -g.d / d'Ad.
    A, b = positive_definite(3), np.ones(SIZE)
    x, H = np.zeros(SIZE), jnp.eye(SIZE)
    for count in range(SIZE):
        g = A @ x - b
        d = np.asarray(bfgs_direction(H, jnp.asarray(count), jnp.array(g)))
        s = -(g @ d) / (d @ A @ d) * d
        y, x = A @ s, x + s
        H = bfgs_record(H, jnp.asarray(count), jnp.array(s), jnp.array(y), jnp.array(True))
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-7)
    np.testing.assert_allclose(H, np.linalg.inv(A), rtol=1e-7)


each_method = pytest.mark.parametrize(
    ("record", "direction", "empty"),
    [
        pytest.param(lbfgs_record, lbfgs_direction, lambda: empty_rings(3), id="lbfgs"),
        pytest.param(bfgs_record, bfgs_direction, lambda: jnp.eye(SIZE), id="bfgs"),
    ],
)


@each_method
def test_a_pair_that_is_not_kept_changes_no_bit(record, direction, empty):
    del direction
    pairs = pairs_of(positive_definite(4), 5)
    before = recorded(record, empty(), pairs[:4])
    s, y = map(jnp.array, pairs[4])
    after = record(before, jnp.asarray(4), s, y, jnp.array(False))
    jax.tree.map(np.testing.assert_array_equal, before, after)


@each_method
def test_a_history_that_was_emptied_is_as_good_as_new(record, direction, empty):
    pairs, gradient = pairs_of(positive_definite(5), 4), jnp.arange(1.0, SIZE + 1)
    used = recorded(record, empty(), pairs)
    np.testing.assert_array_equal(direction(used, jnp.asarray(0), gradient), -gradient)
    used, new = recorded(record, used, pairs[:1]), recorded(record, empty(), pairs[:1])
    one = jnp.asarray(1)
    np.testing.assert_array_equal(direction(used, one, gradient), direction(new, one, gradient))
