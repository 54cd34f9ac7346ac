"""Losses against closed forms, NumPy in double precision and PyTorch, and at the extremes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.losses import (
    binary_cross_entropy,
    categorical_cross_entropy,
    squared_error,
)

EXTREME = jnp.array([1e4, -1e4])


def test_squared_error_by_hand():
    np.testing.assert_array_equal(
        squared_error(jnp.array([3.0, -1.0]), jnp.array([1.0, 1.0])), [4.0, 4.0]
    )
    vectors, targets = jnp.array([[3.0, 4.0], [1.0, 1.0]]), jnp.array([[0.0, 0.0], [1.0, -1.0]])
    np.testing.assert_array_equal(squared_error(vectors, targets), [25.0, 4.0])


def test_binary_cross_entropy_by_hand():
    # At z = 0, y = 1/2 and either target costs log 2; at z = log 3, y = 3/4.
    z = jnp.array([0.0, 0.0, np.log(3), np.log(3)])
    loss = binary_cross_entropy(z, jnp.array([0, 1, 0, 1]))
    np.testing.assert_allclose(loss, np.log([2, 2, 4, 4 / 3]), rtol=1e-6)
    # Independent attributes add up.
    np.testing.assert_allclose(
        binary_cross_entropy(z.reshape(2, 2), jnp.array([[0, 1], [0, 1]])),
        np.log([4, 16 / 3]),
        rtol=1e-6,
    )


def test_categorical_cross_entropy_by_hand():
    # softmax(log 1, log 2, log 5) = (1/8, 2/8, 5/8)
    z = jnp.log(jnp.array([[1.0, 2.0, 5.0]] * 3))
    np.testing.assert_allclose(
        categorical_cross_entropy(z, jnp.array([0, 1, 2])), np.log([8, 4, 8 / 5]), rtol=1e-6
    )


def test_label_smoothing_by_hand():
    z = jnp.log(jnp.array([[1.0, 2.0, 5.0]]))
    log_p = np.log(np.array([1 / 8, 2 / 8, 5 / 8]))
    # (1 - .3) of the target and .3 / 3 for each of the classes
    expected = -(0.7 * log_p[2] + 0.1 * log_p.sum())
    loss = categorical_cross_entropy(z, jnp.array([2]), label_smoothing=0.3)
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


@pytest.mark.parametrize("target", [0, 1])
def test_binary_cross_entropy_is_stable_at_1e4(target):
    targets = jnp.array([target, target])
    loss = binary_cross_entropy(EXTREME, targets)
    np.testing.assert_array_equal(loss, [0, 1e4] if target else [1e4, 0])
    gradient = jax.grad(lambda z: binary_cross_entropy(z, targets).sum())(EXTREME)
    np.testing.assert_array_equal(gradient, [0, -1] if target else [1, 0])


def test_categorical_cross_entropy_is_stable_at_1e4():
    logits, labels = jnp.array([[1e4, -1e4, 0.0]] * 3), jnp.array([0, 1, 2])
    np.testing.assert_array_equal(categorical_cross_entropy(logits, labels), [0, 2e4, 1e4])
    gradient = jax.grad(lambda z: categorical_cross_entropy(z, labels).sum())(logits)
    np.testing.assert_array_equal(gradient, [[0, 0, 0], [1, -1, 0], [1, 0, -1]])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 100))
def test_the_gradient_of_cross_entropy_is_prediction_minus_target(seed, scale):
    # Bishop 2006, eq. 4.109: the theorem that makes activation and loss a pair.
    random = np.random.default_rng(seed)
    z = scale * random.standard_normal((4, 5))
    labels = random.integers(0, 5, 4)
    softmax = np.exp(z - z.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    gradient = jax.grad(lambda z: categorical_cross_entropy(z, jnp.array(labels)).sum())(
        jnp.array(z, jnp.float32)
    )
    # float32 logits of magnitude `scale` are known to scale * 2^-24, and so is the exponent.
    np.testing.assert_allclose(gradient, softmax - np.eye(5)[labels], atol=1e-6 * (1 + scale))


def test_one_hot_and_integer_labels_agree():
    z = jax.random.normal(jax.random.key(0), (6, 4))
    labels = jnp.array([0, 1, 2, 3, 0, 1])
    for smoothing in (0.0, 0.1):
        np.testing.assert_array_equal(
            categorical_cross_entropy(z, labels, label_smoothing=smoothing),
            categorical_cross_entropy(z, jax.nn.one_hot(labels, 4), label_smoothing=smoothing),
        )


def test_two_classes_as_softmax_equal_one_logit():
    z = jax.random.normal(jax.random.key(0), (8,))
    labels = jnp.arange(8) % 2
    np.testing.assert_allclose(
        categorical_cross_entropy(jnp.stack([0 * z, z], axis=1), labels),
        binary_cross_entropy(z, labels),
        rtol=2e-6,
    )


LOSSES = [
    pytest.param(squared_error, jnp.ones((3, 2)), jnp.zeros((3, 2)), id="squared_error"),
    pytest.param(binary_cross_entropy, jnp.ones(3), jnp.zeros(3), id="binary"),
    pytest.param(categorical_cross_entropy, jnp.ones((3, 4)), jnp.array([0, 1, 2]), id="integer"),
    pytest.param(categorical_cross_entropy, jnp.ones((3, 4)), jnp.eye(3, 4), id="one-hot"),
]


@pytest.mark.parametrize(("loss", "outputs", "targets"), LOSSES)
def test_a_masked_row_costs_nothing_and_has_no_gradient_even_if_it_is_nan(loss, outputs, targets):
    mask = jnp.array([True, False, True])
    broken = outputs.at[1].set(jnp.nan)
    np.testing.assert_array_equal(
        loss(broken, targets, mask), jnp.where(mask, loss(outputs, targets), 0)
    )
    gradient = jax.grad(lambda x: loss(x, targets, mask).sum())(broken)
    expected = jax.grad(lambda x: loss(x, targets).sum())(outputs)
    np.testing.assert_array_equal(gradient, expected.at[1].set(0))


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_outside_the_classes_is_never_a_number(label):
    # -1 would silently be the last class, by Python's indexing.
    loss = categorical_cross_entropy(jnp.zeros((2, 4)), jnp.array([label, 1]))
    assert np.isnan(loss[0]) and np.isfinite(loss[1])


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"`targets` must have the shape of `outputs`, \(2, 3\)"):
        squared_error(jnp.zeros((2, 3)), jnp.zeros(2))
    with pytest.raises(ValueError, match=r"`targets` must have the shape of `logits`, \(2, 1\)"):
        binary_cross_entropy(jnp.zeros((2, 1)), jnp.zeros(2))
    with pytest.raises(ValueError, match=r"`label_smoothing` must be in \[0, 1\], got 1.5"):
        categorical_cross_entropy(jnp.zeros((2, 3)), jnp.array([0, 1]), label_smoothing=1.5)


def test_label_smoothing_may_be_traced():
    z, labels = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([0])
    rates = jnp.array([0.0, 0.1, 0.5])
    together = jax.vmap(lambda a: categorical_cross_entropy(z, labels, label_smoothing=a))(rates)
    one_by_one = [categorical_cross_entropy(z, labels, label_smoothing=float(a)) for a in rates]
    np.testing.assert_allclose(together, jnp.stack(one_by_one), rtol=1e-6)


@pytest.mark.parity
def test_losses_equal_pytorch():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    random = np.random.default_rng(0)
    z = (10 * random.standard_normal((16, 7))).astype(np.float32)
    labels, targets = random.integers(0, 7, 16), random.random((16, 7)).astype(np.float32)
    for smoothing in (0.0, 0.2):
        np.testing.assert_allclose(
            categorical_cross_entropy(jnp.array(z), jnp.array(labels), label_smoothing=smoothing),
            functional.cross_entropy(
                torch.tensor(z),
                torch.tensor(labels),
                reduction="none",
                label_smoothing=smoothing,
            ),
            rtol=5e-6,
        )
    np.testing.assert_allclose(
        binary_cross_entropy(jnp.array(z), jnp.array(targets)),
        functional.binary_cross_entropy_with_logits(
            torch.tensor(z), torch.tensor(targets), reduction="none"
        ).sum(1),
        rtol=5e-6,
    )
    np.testing.assert_allclose(
        squared_error(jnp.array(z), jnp.array(targets)),
        functional.mse_loss(torch.tensor(z), torch.tensor(targets), reduction="none").sum(1),
        rtol=5e-6,
    )
