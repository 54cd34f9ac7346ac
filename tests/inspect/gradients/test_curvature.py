"""Products, trace and eigenvalues against the dense Hessian of small functions, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxvision.inspect.gradients import hessian_vector_product, hutchinson_trace, top_eigenvalues

random = np.random.default_rng(0)
INPUTS = jnp.asarray(random.normal(size=(8, 3)), jnp.float32)
TARGETS = jnp.asarray(random.normal(size=(8, 2)), jnp.float32)
NETWORK = {
    "hidden": {
        "kernel": jnp.asarray(random.normal(size=(3, 4)), jnp.float32),
        "bias": jnp.asarray(random.normal(size=(1, 4)), jnp.float32),
    },
    "head": jnp.asarray(random.normal(size=(4, 2)), jnp.float32),
}
KEY = jax.random.key(0)


def network_loss(params):
    x = jnp.tanh(INPUTS @ params["hidden"]["kernel"] + params["hidden"]["bias"])
    return jnp.mean((x @ params["head"] - TARGETS) ** 2)


def quadratic(matrix):
    """Half of x' matrix x, whose Hessian is the matrix."""
    matrix = jnp.asarray(matrix, jnp.float32)
    return lambda params: 0.5 * params["x"] @ matrix @ params["x"]


def zeros(n):
    return {"x": jnp.zeros(n)}


@pytest.fixture(scope="module")
def dense():
    flat, unravel = ravel_pytree(NETWORK)
    return np.asarray(jax.jit(jax.hessian(lambda v: network_loss(unravel(v))))(flat), np.float64)


def test_products_are_those_with_the_dense_hessian(dense):
    _, unravel = ravel_pytree(NETWORK)
    v = random.normal(size=len(dense)).astype(np.float32)
    found = jax.jit(lambda p, v: hessian_vector_product(network_loss, p, v))(
        NETWORK, unravel(jnp.asarray(v))
    )
    np.testing.assert_allclose(ravel_pytree(found)[0], dense @ v, rtol=1e-4, atol=1e-5)


def test_a_product_by_hand():
    # Of x^2 y the Hessian is [[2 y, 2 x], [2 x, 0]]: at (3, 5) times (1, 2) it is (22, 6).
    found = hessian_vector_product(
        lambda p: p["x"] ** 2 * p["y"], {"x": 3.0, "y": 5.0}, {"x": 1.0, "y": 2.0}
    )
    assert (found["x"], found["y"]) == (22, 6)


def test_the_trace_is_within_its_standard_errors(dense):
    found = hutchinson_trace(KEY, network_loss, NETWORK, samples=400)
    assert abs(found.trace - np.trace(dense)) < 4 * found.standard_error
    # Hutchinson's variance for signs: twice the squares beside the diagonal.
    off = dense - np.diag(np.diag(dense))
    np.testing.assert_allclose(found.standard_error, np.sqrt(2 * np.sum(off**2) / 400), rtol=0.2)


def test_the_trace_of_a_diagonal_is_exact():
    trace, error = hutchinson_trace(KEY, quadratic(np.diag([1.0, 2, -5])), zeros(3), samples=2)
    assert (trace, error) == (-2, 0)


def test_top_eigenvalues_are_those_of_the_dense_hessian(dense):
    found = top_eigenvalues(KEY, network_loss, NETWORK, count=3, iterations=len(dense))
    expected = np.linalg.eigvalsh(dense)[::-1]
    np.testing.assert_allclose(found.values, expected[:3], rtol=1e-5)
    assert (found.residuals < 1e-5 * expected[0]).all()
    for value, vector, residual in zip(*found, strict=True):
        assert jax.tree.structure(vector) == jax.tree.structure(NETWORK)
        v = np.float64(ravel_pytree(vector)[0])
        np.testing.assert_allclose(np.linalg.norm(v), 1, rtol=1e-6)
        np.testing.assert_allclose(dense @ v, value * v, atol=2e-5 * expected[0])
        assert residual < 1e-4


def test_few_iterations_bound_the_largest_from_below_and_say_how_far_off_they_are(dense):
    largest = np.linalg.eigvalsh(dense)[-1]
    found = top_eigenvalues(KEY, network_loss, NETWORK, iterations=4)
    # Rayleigh and Ritz: never above; and some true eigenvalue is within the residual.
    assert found.values[0] <= largest * (1 + 1e-6)
    assert found.residuals[0] > 1e-3
    distance = np.abs(np.linalg.eigvalsh(dense) - found.values[0]).min()
    assert distance <= found.residuals[0]


def test_orthogonality_is_kept_where_it_would_be_lost():
    # One eigenvalue far above the others: without reorthogonalisation it comes again and again.
    spectrum = np.concatenate([[1000, 999], np.linspace(0, 1, 22)])
    rotation, _ = np.linalg.qr(random.normal(size=(24, 24)))
    loss = quadratic(rotation @ np.diag(spectrum) @ rotation.T)
    found = top_eigenvalues(KEY, loss, zeros(24), count=3, iterations=24)
    np.testing.assert_allclose(found.values, [1000, 999, 1], rtol=1e-3)
    gram = np.array([[np.dot(a["x"], b["x"]) for a in found.vectors] for b in found.vectors])
    np.testing.assert_allclose(gram, np.eye(3), atol=1e-4)


def test_equal_eigenvalues_and_a_hessian_of_few_directions():
    # A Krylov space has one vector of each eigenspace: the others are found from a new start.
    loss = quadratic(np.diag([3.0, 3, 0, 0, 0]))
    found = top_eigenvalues(KEY, loss, zeros(5), count=3)  # as many iterations as parameters
    np.testing.assert_allclose(found.values, [3, 3, 0], atol=1e-5)
    assert (found.residuals < 1e-5).all()
    assert top_eigenvalues(KEY, quadratic(np.diag([3.0, 3, 0, 0, 0])), zeros(5)).values.shape == (
        1,
    )
    flat = top_eigenvalues(KEY, lambda p: jnp.sum(p["x"]), zeros(5), 3, 5)
    np.testing.assert_array_equal(flat.values, 0)


def test_the_smallest_are_those_of_the_negative_loss():
    matrix = np.diag([-4.0, 1, 2, 3, -1])
    found = top_eigenvalues(KEY, lambda p: -quadratic(matrix)(p), zeros(5), 1, 5)
    np.testing.assert_allclose(-found.values, [-4], rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda f, x: hessian_vector_product(f, x, {"x": jnp.ones(2)}), "tree of the shapes"),
        (lambda f, x: hessian_vector_product(f, x, jnp.ones(3)), "tree of the shapes"),
        (lambda f, x: hutchinson_trace(KEY, f, x, samples=1), "`samples`"),
        (lambda f, x: top_eigenvalues(KEY, f, x, count=0), "`count`"),
        (lambda f, x: top_eigenvalues(KEY, f, x, count=3, iterations=2), "`iterations`"),
        (lambda f, x: top_eigenvalues(KEY, f, x, iterations=4), "number of parameters, got 4"),
        (lambda f, x: top_eigenvalues(KEY, lambda p: f(p) / 0, x, 1, 2), "finite Hessian"),
    ],
)
def test_bad_arguments_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call(quadratic(np.eye(3)), zeros(3))
