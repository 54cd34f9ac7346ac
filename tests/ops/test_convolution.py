"""Convolution and correlation against loops and SciPy, and the theorems about them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from scipy import signal

from jaxvision.ops.convolution import convolve, correlate, reverse
from tests.ops.agreement import assert_close, random_arrays

MODES = ("valid", "same", "full")
SEEDS = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=8)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def arrays(*shapes, seed=0):
    return [jnp.asarray(array) for array in random_arrays(*shapes, seed=seed)]


def pair(n):
    return n if isinstance(n, tuple) else (n, n)


def by_loops(x, kernel, mode, stride=1, dilation=1, groups=1, flip=False):
    """The definition for [h, w, c], output by output, on x with a broad rim of zeros."""
    (kh, kw, c_group, outputs), (sy, sx), (dy, dx) = kernel.shape, pair(stride), pair(dilation)
    x, kernel = np.asarray(x), np.asarray(kernel)
    rim, tall, wide = 20, dy * (kh - 1) + 1, dx * (kw - 1) + 1
    padded = np.pad(x, ((rim, rim), (rim, rim), (0, 0)))
    # Where the window's first row and column may lie, on x.
    starts = {
        "valid": lambda n, extent: range(n - extent + 1),
        "same": lambda n, extent: range(-((extent - 1) // 2), n - (extent - 1) // 2),
        "full": lambda n, extent: range(1 - extent, n),
    }[mode]
    rows, columns = starts(x.shape[0], tall)[::sy], starts(x.shape[1], wide)[::sx]
    z = np.zeros((len(rows), len(columns), outputs))
    for i, j, m in np.ndindex(z.shape):
        first = m // (outputs // groups) * c_group
        for k, q, c in np.ndindex(kh, kw, c_group):
            at = (kh - 1 - k, kw - 1 - q) if flip else (k, q)
            z[i, j, m] += (
                kernel[k, q, c, m]
                * padded[rim + rows[i] + dy * at[0], rim + columns[j] + dx * at[1], first + c]
            )
    return z


# --- by hand


def test_a_signal_by_hand():
    x, kernel = jnp.asarray([1.0, 2, 3, 4]), jnp.asarray([1.0, 10, 100])
    expected = {
        (correlate, "valid"): [321, 432],
        (correlate, "same"): [210, 321, 432, 43],
        (correlate, "full"): [100, 210, 321, 432, 43, 4],
        (convolve, "valid"): [123, 234],
        (convolve, "same"): [12, 123, 234, 340],
        (convolve, "full"): [1, 12, 123, 234, 340, 400],
    }
    for (operation, mode), z in expected.items():
        np.testing.assert_array_equal(operation(x, kernel, mode=mode), z)


def test_an_even_kernel_has_its_zero_at_the_right():
    x, kernel = jnp.asarray([1.0, 2, 3, 4]), jnp.asarray([1.0, 10])
    np.testing.assert_array_equal(correlate(x, kernel, mode="same"), [21, 32, 43, 4])
    np.testing.assert_array_equal(convolve(x, kernel, mode="same"), [12, 23, 34, 40])


def test_an_even_kernel_has_its_zeros_at_the_bottom():
    x = jnp.asarray([[1.0, 2], [3, 4]])
    np.testing.assert_array_equal(correlate(x, jnp.ones((2, 1)), mode="same"), [[4, 6], [3, 4]])


def test_stride_dilation_and_bias_by_hand():
    x, kernel = jnp.arange(1.0, 8), jnp.asarray([1.0, 10])
    np.testing.assert_array_equal(correlate(x, kernel, stride=2), [21, 43, 65])
    np.testing.assert_array_equal(correlate(x, kernel, dilation=3), [41, 52, 63, 74])
    z = correlate(
        x[None, :, None], jnp.stack([kernel, -kernel], -1)[:, None], jnp.asarray([1.0, 2])
    )
    np.testing.assert_array_equal(z[0, :2], [[22, -19], [33, -30]])


# --- reference

CASES = {
    "plain": ((6, 7, 1), (3, 2, 1), {}),
    "channels": ((5, 6, 2), (2, 3, 3), {}),
    "stride": ((6, 7, 2), (3, 3, 2), {"stride": (2, 3)}),
    "dilation": ((8, 7, 1), (3, 2, 2), {"dilation": (2, 3)}),
    "groups": ((5, 5, 4), (3, 2, 6), {"groups": 2}),
    "all": ((9, 8, 4), (2, 3, 4), {"groups": 2, "stride": (3, 2), "dilation": (2, 1)}),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_definition(name, mode):
    image, (kh, kw, m), options = CASES[name]
    c_group = image[2] // options.get("groups", 1)
    x, kernel, bias = arrays((2, *image), (kh, kw, c_group, m), (m,))
    z = correlate(x, kernel, bias, mode=mode, **options)
    assert_close(z[1] - bias[None, None], by_loops(x[1], kernel, mode, **options), 1e-12)
    z = convolve(x, kernel, mode=mode, **options)
    assert_close(z[0], by_loops(x[0], kernel, mode, flip=True, **options), 1e-12)
    # A signal is an image of one row.
    line, row = x[:, 0], kernel[:1]
    options = {key: v if key == "groups" else v[1] for key, v in options.items()}
    one = correlate(line, row[0], mode=mode, **options)
    flat = {key: v if key == "groups" else (1, v) for key, v in options.items()}
    assert_close(one, correlate(line[:, None], row, mode=mode, **flat)[:, 0], 1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shapes", [((9,), (4,)), ((9,), (5,)), ((7, 8), (2, 4)), ((7, 8), (3, 5))])
def test_equals_scipy(shapes, mode):
    x, kernel = arrays(*shapes)
    for ours, theirs in ((convolve, signal.convolve), (correlate, signal.correlate)):
        z = ours(x, kernel, mode=mode)
        if mode == "same":  # their zero more is at the left and top, as the module says
            z = reverse(ours(reverse(x), reverse(kernel), mode=mode))
        assert_close(z, theirs(x, kernel, mode=mode, method="direct"), 1e-12)


def test_an_odd_kernel_is_scipys_in_the_mode_same():
    x, kernel = arrays((7, 8), (3, 5))
    assert_close(convolve(x, kernel, mode="same"), signal.convolve2d(x, kernel, mode="same"), 1e-12)


@pytest.mark.parity
def test_equals_pytorch():
    torch = pytest.importorskip("torch")
    x, kernel, bias = arrays((2, 9, 8, 4), (3, 3, 2, 6), (6,))
    theirs = torch.nn.functional.conv2d(
        torch.tensor(np.asarray(x)).permute(0, 3, 1, 2),
        torch.tensor(np.asarray(kernel)).permute(3, 2, 0, 1),
        torch.tensor(np.asarray(bias)),
        stride=(2, 1),
        padding=(2, 1),
        dilation=(2, 1),
        groups=2,
    )
    ours = correlate(x, kernel, bias, mode="same", stride=(2, 1), dilation=(2, 1), groups=2)
    assert_close(ours, theirs.permute(0, 2, 3, 1).numpy(), 1e-12)


# --- theorem


@few
@given(SEEDS)
def test_convolution_commutes_and_correlation_does_not(seed):
    for shapes in (((7,), (4,)), ((5, 4), (2, 3))):
        x, w = arrays(*shapes, seed=seed)
        assert_close(convolve(x, w, mode="full"), convolve(w, x, mode="full"), 1e-12)
        # Correlation comes out backwards.
        z = correlate(x, w, mode="full")
        assert_close(correlate(w, x, mode="full"), reverse(z), 1e-12)
        assert np.abs(z - reverse(z)).max() > 1e-3


@few
@given(SEEDS)
def test_convolution_associates_and_correlation_does_not(seed):
    for shapes in (((7,), (4,), (3,)), ((5, 4), (2, 3), (3, 2))):
        x, v, w = arrays(*shapes, seed=seed)
        left, right = [], []
        for operation in (convolve, correlate):
            left.append(operation(operation(x, v, mode="full"), w, mode="full"))
            right.append(operation(x, operation(v, w, mode="full"), mode="full"))
        assert_close(left[0], right[0], 1e-12)
        assert np.abs(left[1] - right[1]).max() > 1e-3


@few
@given(SEEDS)
def test_what_is_shifted_comes_out_shifted(seed):
    x, kernel = arrays((1, 6, 7, 2), (3, 2, 2, 3), seed=seed)
    moved = jnp.pad(x, ((0, 0), (2, 0), (1, 0), (0, 0)))  # down by 2, right by 1
    for operation in (convolve, correlate):
        z = operation(x, kernel, mode="full")
        assert_close(operation(moved, kernel, mode="full")[:, 2:, 1:], z, 1e-12)
        # With a stride, only shifts by whole strides.
        strided = operation(x, kernel, mode="full", stride=2)
        again = operation(moved[:, :, 1:], kernel, mode="full", stride=2)
        assert_close(again[:, 1:], strided, 1e-12)
        other = operation(moved[:, 1:], kernel, mode="full", stride=2)
        assert np.abs(other[:, :4, :4] - strided).max() > 1e-3


@few
@given(SEEDS)
def test_a_kernel_of_one_pixel_is_a_dense_layer_at_every_pixel(seed):
    x, kernel, bias = arrays((2, 3, 4, 5), (1, 1, 5, 6), (6,), seed=seed)
    expected = x.reshape(24, 5) @ kernel[0, 0] + bias[None]
    for operation in (convolve, correlate):
        for mode in MODES:
            assert_close(operation(x, kernel, bias, mode=mode).reshape(24, 6), expected, 1e-12)


@few
@given(SEEDS)
def test_its_fourier_transform_is_a_product(seed):
    x, w = arrays((7, 6), (3, 4), seed=seed)
    sides = (9, 9)
    product = jnp.fft.fft2(x, sides) * jnp.fft.fft2(w, sides)
    assert_close(jnp.fft.fft2(convolve(x, w, mode="full")), product, 1e-12)
    # Correlation has the kernel's complex conjugate, and begins k - 1 before.
    z = jnp.roll(correlate(x, w, mode="full"), (-2, -3), (0, 1))
    product = jnp.fft.fft2(x, sides) * jnp.conj(jnp.fft.fft2(w, sides))
    assert_close(jnp.fft.fft2(z), product, 1e-12)


@few
@given(SEEDS)
def test_channels_are_summed_and_groups_do_not_see_each_other(seed):
    x, kernel = arrays((1, 6, 4), (3, 2, 6), seed=seed)
    z = correlate(x, kernel, groups=2)
    for m in range(6):
        seen = [0, 1] if m < 3 else [2, 3]
        expected = sum(correlate(x[0, :, c], kernel[:, c % 2, m]) for c in seen)
        assert_close(z[0, :, m], expected, 1e-12)


def test_vmap_and_jit_are_the_loop():
    x, kernels = arrays((5, 6), (4, 2, 3))
    mapped = jax.jit(jax.vmap(lambda w: convolve(x, w, mode="same")))(kernels)
    assert_close(mapped, jnp.stack([convolve(x, w, mode="same") for w in kernels]), 1e-12)


# --- doors


@pytest.mark.parametrize(
    ("x", "kernel", "options", "match"),
    [
        ((5,), (2, 2), {}, "`x` and `kernel` must be of one rank"),
        ((5,), (6,), {}, r"`x` must be as large as the kernel .*got \[5\] .*over \[6\]"),
        ((5, 9), (3, 3), {"dilation": (3, 1)}, r"got \[5, 9\] .* over \[7, 3\]"),
        ((5,), (0,), {}, "`kernel` must have an element"),
        ((5,), (2,), {"stride": 0}, "`stride` must be at least 1"),
        ((5, 5), (2, 2), {"dilation": (1, 1, 1)}, "`dilation` must .* each of 2 axes"),
        ((5,), (2,), {"groups": 2}, "`groups` must be 1 without channels, got 2"),
        ((1, 5, 4), (2, 4, 2), {"groups": 0}, "`groups` must be at least 1"),
        ((1, 5, 4), (2, 3, 2), {}, "`kernel` must see c / groups = 4 / 1 channels .* got 3 and 2"),
        ((1, 5, 4), (2, 2, 3), {"groups": 2}, "make a multiple of 2, got 2 and 3"),
    ],
)
def test_refuses_what_does_not_fit(x, kernel, options, match):
    for operation in (correlate, convolve):
        with pytest.raises(ValueError, match=match):
            operation(jnp.ones(x), jnp.ones(kernel), **options)


def test_refuses_a_bias_that_does_not_fit(unchecked):
    x, kernel = jnp.ones((1, 5, 4)), jnp.ones((2, 4, 3))
    with pytest.raises(ValueError, match=r"`bias` must have 3 elements, got shape \[2\]"):
        correlate(x, kernel, jnp.ones(2))
    with pytest.raises(ValueError, match="`bias` must be None without channels"):
        correlate(jnp.ones(5), jnp.ones(2), jnp.ones(1))


def test_refuses_an_unknown_mode():
    with pytest.raises((ValueError, TypeCheckError), match="mode"):
        correlate(jnp.ones(5), jnp.ones(2), mode="SAME")
