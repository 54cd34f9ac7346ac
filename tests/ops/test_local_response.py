"""Local response normalization by hand, against NumPy's loops and PyTorch, and as a unit vector."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.ops.local_response import local_response_normalization

RNG = np.random.default_rng(0)


def by_loops(x, size, alpha, beta, k):
    y = np.empty_like(x)
    c = x.shape[-1]
    for i in range(c):
        energy = sum(x[..., j] ** 2 for j in range(c) if abs(j - i) <= size // 2)
        y[..., i] = x[..., i] / (k + alpha * energy) ** beta
    return y


def test_by_hand():
    x = jnp.array([1.0, -2.0, 3.0, 0.0]).reshape(1, 1, 1, 4)
    y = local_response_normalization(x, size=3, alpha=0.5, beta=1.0, k=1.0)
    # Energies 1 + 4, 1 + 4 + 9, 4 + 9, 9: halved, and 1 added.
    np.testing.assert_allclose(y.ravel(), [1 / 3.5, -2 / 8, 3 / 7.5, 0], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 5, 13, 21])  # the last two reach beyond all 7 channels
def test_follows_loops_in_numpy(size):
    x = RNG.normal(size=(2, 3, 4, 7)) * 20
    options = {"size": size, "alpha": 0.03, "beta": 0.6, "k": 1.5}
    with jax.enable_x64(True):
        y = local_response_normalization(jnp.asarray(x), **options)
    np.testing.assert_allclose(y, by_loops(x, **options), rtol=1e-13)
    y = local_response_normalization(jnp.asarray(x, jnp.float32), **options)
    np.testing.assert_allclose(y, by_loops(x, **options), rtol=2e-6, atol=1e-30)


def test_the_defaults_are_the_papers():
    x = RNG.normal(size=(1, 2, 2, 11)).astype(np.float32) * 100
    expected = by_loops(x.astype(np.float64), size=5, alpha=1e-4, beta=0.75, k=2.0)
    np.testing.assert_allclose(local_response_normalization(jnp.array(x)), expected, rtol=2e-6)


def test_over_all_channels_at_beta_one_half_the_response_is_a_unit_vector():
    x = jnp.array(RNG.normal(size=(2, 3, 3, 6)), jnp.float32)
    y = local_response_normalization(x, size=11, alpha=1.0, beta=0.5, k=1e-12)
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 1.0, rtol=1e-6)


def test_gradient_is_that_of_finite_differences():
    def f(x):  # of NumPy's arrays too, which `check_grads` passes
        return local_response_normalization(jnp.asarray(x), 3, 0.5, 0.75, 1.0)

    with jax.enable_x64(True):
        check_grads(f, (RNG.normal(size=(1, 2, 1, 7)),), order=1, modes=["rev"])


def test_silent_channels_have_a_finite_gradient():
    x = jnp.zeros((1, 2, 2, 8))
    gradient = jax.grad(lambda x: local_response_normalization(x).sum())(x)
    np.testing.assert_allclose(gradient, np.full(x.shape, 2**-0.75), rtol=1e-6)


def test_half_precision_is_summed_in_float32():
    x = jnp.asarray(RNG.normal(size=(1, 4, 4, 16)) * 30, jnp.bfloat16)
    y = local_response_normalization(x, alpha=1.0)
    assert y.dtype == jnp.bfloat16
    expected = local_response_normalization(x.astype(jnp.float32), alpha=1.0)
    # What remains is the rounding of the result: half of a last place of 8 bits.
    np.testing.assert_allclose(y.astype(jnp.float32), expected, rtol=2**-8)


@pytest.mark.parametrize("size", [0, -1, 4])
def test_names_a_size_that_has_no_centre(size):
    with pytest.raises(ValueError, match=rf"`size` must be odd and at least 1, got {size}:"):
        local_response_normalization(jnp.zeros((1, 1, 1, 8)), size=size)


@pytest.mark.parity
@pytest.mark.parametrize("size", [1, 3, 5])
def test_follows_pytorch_in_value_and_gradient(size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, g = RNG.normal(size=(2, 2, 3, 4, 9)).astype(np.float32) * 10

    theirs = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    output = torch.nn.functional.local_response_norm(theirs, size, alpha=0.1, beta=0.75, k=1.0)
    output.backward(torch.tensor(g.transpose(0, 3, 1, 2)))

    y, pull_back = jax.vjp(
        lambda x: local_response_normalization(x, size, alpha=0.1 / size, k=1.0), jnp.array(x)
    )
    to_ours = (0, 2, 3, 1)
    np.testing.assert_allclose(y, output.detach().numpy().transpose(to_ours), rtol=1e-5)
    gradient = theirs.grad.numpy().transpose(to_ours)
    # A difference of two terms of the order of g.
    np.testing.assert_allclose(pull_back(jnp.array(g))[0], gradient, rtol=1e-4, atol=2e-5)
