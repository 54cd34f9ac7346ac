"""The matrices of convolutions: by hand, as SciPy's, and equal to the operation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from jaxvision.ops.convolution import convolve, correlate, reverse
from jaxvision.ops.convolution_gradients import input_gradient
from jaxvision.ops.toeplitz import doubly_blocked_toeplitz_matrix, toeplitz_matrix
from tests.ops.agreement import assert_close, random_arrays

MODES = ("valid", "same", "full")
SEEDS = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=5)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def arrays(*shapes, seed=0):
    return [jnp.asarray(array) for array in random_arrays(*shapes, seed=seed)]


def test_by_hand():
    kernel = jnp.asarray([1.0, 2, 3])
    full = [[1, 0, 0, 0], [2, 1, 0, 0], [3, 2, 1, 0], [0, 3, 2, 1], [0, 0, 3, 2], [0, 0, 0, 3]]
    np.testing.assert_array_equal(toeplitz_matrix(kernel, 4, "full"), full)
    np.testing.assert_array_equal(toeplitz_matrix(kernel, 4, "same"), full[1:5])
    np.testing.assert_array_equal(toeplitz_matrix(kernel, 4, "valid"), full[2:4])
    image = doubly_blocked_toeplitz_matrix(jnp.asarray([[1.0, 2], [3, 4]]), 2, 2, "full")
    expected = [
        [1, 0, 0, 0],
        [2, 1, 0, 0],
        [0, 2, 0, 0],
        [3, 0, 1, 0],
        [4, 3, 2, 1],
        [0, 4, 0, 2],
        [0, 0, 3, 0],
        [0, 0, 4, 3],
        [0, 0, 0, 4],
    ]
    np.testing.assert_array_equal(image, expected)


def test_equals_scipys():
    (kernel,) = arrays((4,))
    zeros = np.zeros(5)
    column, row = np.concatenate([kernel, zeros]), np.concatenate([kernel[:1], zeros])
    np.testing.assert_array_equal(toeplitz_matrix(kernel, 6, "full"), linalg.toeplitz(column, row))
    np.testing.assert_array_equal(
        toeplitz_matrix(kernel, 6, "full"), linalg.convolution_matrix(kernel, 6)
    )


@few
@given(SEEDS)
def test_the_product_is_the_convolution(seed):
    for mode in MODES:
        for k in (1, 4, 5):
            x, kernel = arrays((7,), (k,), seed=seed)
            matrix = toeplitz_matrix(kernel, 7, mode)
            assert_close(matrix @ x, convolve(x, kernel, mode=mode), 1e-12)
            matrix = toeplitz_matrix(reverse(kernel), 7, mode)
            assert_close(matrix @ x, correlate(x, kernel, mode=mode), 1e-12)


@few
@given(SEEDS)
def test_the_product_is_the_convolution_of_an_image(seed):
    for mode in MODES:
        for window in ((1, 1), (2, 3), (3, 2)):
            x, kernel = arrays((5, 4), window, seed=seed)
            matrix = doubly_blocked_toeplitz_matrix(kernel, 5, 4, mode)
            assert_close(matrix @ x.ravel(), convolve(x, kernel, mode=mode).ravel(), 1e-12)


def test_the_transpose_is_the_gradient():
    dz, kernel = arrays((5, 4), (2, 3))
    matrix = doubly_blocked_toeplitz_matrix(reverse(kernel), 5, 4, "same")
    gradient = input_gradient(dz, kernel, (5, 4), mode="same")
    assert_close(matrix.T @ dz.ravel(), gradient.ravel(), 1e-12)


def test_diagonals_are_constant_and_blocks_are_rows_of_the_kernel():
    (kernel,) = arrays((3, 2))
    for mode in MODES:
        matrix = doubly_blocked_toeplitz_matrix(kernel, 6, 5, mode)
        ws = toeplitz_matrix(kernel[0], 5, mode).shape[0]
        blocks = matrix.reshape(-1, ws, 6, 5).swapaxes(1, 2)  # [hs, h, ws, w]
        np.testing.assert_array_equal(blocks[1:, 1:], blocks[:-1, :-1])
        np.testing.assert_array_equal(blocks[..., 1:, 1:], blocks[..., :-1, :-1])
        full = doubly_blocked_toeplitz_matrix(kernel, 6, 5, "full").reshape(8, 6, 6, 5)
        for row in range(3):
            np.testing.assert_array_equal(full[row, :, 0], toeplitz_matrix(kernel[row], 5, "full"))


def test_a_separable_kernel_has_a_kronecker_product():
    column, row = arrays((3,), (2,))
    for mode in MODES:
        matrix = doubly_blocked_toeplitz_matrix(jnp.outer(column, row), 5, 4, mode)
        parts = toeplitz_matrix(column, 5, mode), toeplitz_matrix(row, 4, mode)
        assert_close(matrix, np.kron(*parts), 1e-12)


def test_one_after_the_other_is_the_product_of_matrices():
    v, w = arrays((3,), (2,))
    both = toeplitz_matrix(w, 8, "full") @ toeplitz_matrix(v, 6, "full")
    assert_close(both, toeplitz_matrix(convolve(v, w, mode="full"), 6, "full"), 1e-12)


def test_its_entries_have_gradients():
    x, kernel = arrays((6,), (3,))
    ours = jax.jacobian(lambda w: toeplitz_matrix(w, 6) @ x)(kernel)
    assert_close(ours, jax.jacobian(lambda w: convolve(x, w))(kernel), 1e-12)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="must be as large as the kernel"):
        toeplitz_matrix(jnp.ones(4), 3)
    with pytest.raises(ValueError, match=r"sides must be at least 1, got \[3, 0\]"):
        doubly_blocked_toeplitz_matrix(jnp.ones((2, 2)), 3, 0)
