"""The two gradients of a correlation: by hand, as autodiff's, and as adjoints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.convolution import convolve, correlate, reverse
from jaxvision.ops.convolution_gradients import input_gradient, kernel_gradient
from tests.ops.agreement import assert_close, random_arrays


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def arrays(*shapes, seed=0):
    return [jnp.asarray(array) for array in random_arrays(*shapes, seed=seed)]


# x, kernel, the other arguments
CASES = {
    "signal": ((8,), (3,), {}),
    "signal, stride": ((9,), (2,), {"stride": 3, "dilation": 2}),
    "image": ((6, 7), (3, 2), {}),
    "signals": ((2, 8, 3), (3, 3, 4), {"stride": 2}),
    "images": ((2, 6, 5, 2), (2, 3, 2, 3), {}),
    "rows unused": ((2, 9, 8, 2), (2, 3, 2, 3), {"stride": (3, 4)}),
    "dilation": ((1, 9, 8, 2), (3, 2, 2, 3), {"dilation": (2, 3)}),
    "groups": ((2, 5, 6, 4), (2, 3, 2, 6), {"groups": 2}),
    "all": ((2, 9, 8, 6), (2, 3, 2, 3), {"groups": 3, "stride": (2, 3), "dilation": (3, 2)}),
}


def spatial(shape):
    return shape if len(shape) < 3 else shape[1:-1]


def window_of(kernel):
    return kernel if len(kernel) < 3 else kernel[:-2]


def test_by_hand():
    x, dz, kernel = jnp.asarray([1.0, 2, 3, 4]), jnp.asarray([1.0, 10]), jnp.asarray([5.0, 6, 7])
    np.testing.assert_array_equal(kernel_gradient(x, dz, 3), [21, 32, 43])
    np.testing.assert_array_equal(input_gradient(dz, kernel, 4), [5, 56, 67, 70])
    # With a stride of 2 the last element of x is not used.
    np.testing.assert_array_equal(kernel_gradient(x, dz, 1, stride=2), [31])
    np.testing.assert_array_equal(input_gradient(dz, kernel[:1], 4, stride=2), [5, 0, 50, 0])


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("name", CASES)
def test_equal_autodiff(name, mode):
    image, window, options = CASES[name]
    options = options | {"mode": mode}
    x, kernel = arrays(image, window)
    z, transpose = jax.vjp(lambda x, kernel: correlate(x, kernel, **options), x, kernel)
    dz = jnp.cos(7 * z)
    dx, dkernel = transpose(dz)
    assert_close(kernel_gradient(x, dz, window_of(window), **options), dkernel, 1e-12)
    assert_close(input_gradient(dz, kernel, spatial(image), **options), dx, 1e-12)


def test_those_of_a_convolution_are_a_reversal_away():
    x, kernel = arrays((6, 7), (3, 2))
    z, transpose = jax.vjp(lambda x, kernel: convolve(x, kernel, mode="same"), x, kernel)
    dx, dkernel = transpose(z)
    ours = reverse(kernel_gradient(x, z, (3, 2), mode="same"))
    assert_close(ours, dkernel, 1e-12)
    assert_close(input_gradient(z, reverse(kernel), (6, 7), mode="same"), dx, 1e-12)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_are_adjoint(seed):
    # <correlate(x, kernel), dz> = <x, input_gradient> = <kernel, kernel_gradient>
    x, kernel, dz = arrays((2, 7, 3), (2, 3, 4), (2, 4, 4), seed=seed)
    options = {"mode": "same", "stride": 2}
    value = jnp.vdot(correlate(x, kernel, **options), dz)
    np.testing.assert_allclose(jnp.vdot(x, input_gradient(dz, kernel, 7, **options)), value)
    np.testing.assert_allclose(jnp.vdot(kernel, kernel_gradient(x, dz, 2, **options)), value)


def test_gradients_have_gradients():
    x, kernel = arrays((6,), (3,))

    def loss(kernel):
        return (correlate(x, kernel) ** 3).sum()

    def gradient(kernel):
        return kernel_gradient(x, 3 * correlate(x, kernel) ** 2, 3)

    assert_close(jax.jacobian(gradient)(kernel), jax.hessian(loss)(kernel), 1e-12)


def test_refuse_what_is_not_of_the_output():
    x, dz, kernel = jnp.ones((2, 8, 4)), jnp.ones((2, 6, 2)), jnp.ones((3, 4, 2))
    with pytest.raises(ValueError, match=r"`dz` must have the output's \[7\] positions, got \[6\]"):
        kernel_gradient(x, dz, 2)
    with pytest.raises(ValueError, match=r"`dz` must have the output's \[8\] positions, got \[6\]"):
        input_gradient(dz, kernel, 8, mode="same")
    with pytest.raises(ValueError, match="of one rank from 1 to 4"):
        kernel_gradient(x, jnp.ones(6), 3)
    with pytest.raises(ValueError, match="`groups` must divide the numbers of channels, 4 and 2"):
        kernel_gradient(x, dz, 3, groups=4)
    with pytest.raises(ValueError, match="`window` must be at least 1"):
        kernel_gradient(x, dz, 0)


def test_refuse_other_batches_and_channels(unchecked):
    with pytest.raises(ValueError, match="as many images, got 2 and 1"):
        kernel_gradient(jnp.ones((2, 8, 4)), jnp.ones((1, 6, 2)), 3)
    with pytest.raises(ValueError, match="kernel's 2 outputs, got 3"):
        input_gradient(jnp.ones((2, 6, 3)), jnp.ones((3, 4, 2)), 8)
