"""Linear classifiers by hand, against NumPy in float64, and against the sigmoid they stand for."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.models import LogisticRegression, SoftmaxRegression

IMAGES = jax.random.normal(jax.random.key(0), (5, 3, 4, 2))


def head(kernel, bias):
    return {"params": {"head": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}}


def random_head(classes):
    w, b = jax.random.split(jax.random.key(1))
    return head(jax.random.normal(w, (24, classes)), jax.random.normal(b, (classes,)))


def test_softmax_regression_follows_numpy():
    variables = random_head(7)
    logits, features = SoftmaxRegression(7).apply(variables, IMAGES, train=False)
    x = np.asarray(IMAGES, np.float64).reshape(5, 24)
    W, b = (np.asarray(variables["params"]["head"][k], np.float64) for k in ("kernel", "bias"))
    # 24 products of float32 to a sum of about 5: errors of 24 * 6e-8 * 5.
    np.testing.assert_allclose(logits, x @ W + b, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(features["pixels"], x.astype(np.float32))


def test_softmax_regression_by_hand():
    # Two pixels in two channels, in the order row, column, channel: 1, 2, 3, 4.
    image = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 1, 2)
    kernel = [[1.0, 0.0], [0.0, 1.0], [10.0, 0.0], [0.0, 10.0]]
    logits, _ = SoftmaxRegression(2).apply(head(kernel, [0.5, -0.5]), image, train=False)
    np.testing.assert_array_equal(logits, [[1 + 30 + 0.5, 2 + 40 - 0.5]])


@pytest.mark.parametrize(
    ("model", "parameters"),
    [(SoftmaxRegression(7), 24 * 7 + 7), (LogisticRegression(), 24 + 1)],
    ids=["softmax_regression", "logistic_regression"],
)
def test_parameter_counts(model, parameters):
    variables = jax.eval_shape(lambda key: model.init(key, IMAGES, train=False), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters


def test_softmax_of_zero_and_z_is_the_sigmoid():
    logits, features = LogisticRegression().apply(random_head(1), IMAGES, train=False)
    chex.assert_shape(features["logit"], (5,))
    p = 1 / (1 + np.exp(-np.asarray(features["logit"], np.float64)))
    assert np.ptp(p) > 0.5  # a test on both sides of the threshold
    np.testing.assert_allclose(jax.nn.softmax(logits), np.stack([1 - p, p], -1), rtol=1e-5)


def test_logistic_loss_and_its_gradient_are_those_of_the_textbook():
    variables, labels = random_head(1), jnp.array([0, 1, 1, 0, 1])

    def loss(variables):
        logits, _ = LogisticRegression().apply(variables, IMAGES, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).sum()

    value, gradient = jax.value_and_grad(loss)(variables)
    x, t = np.asarray(IMAGES, np.float64).reshape(5, 24), np.asarray(labels, np.float64)
    w, b = (np.asarray(variables["params"]["head"][k], np.float64) for k in ("kernel", "bias"))
    p = 1 / (1 + np.exp(-(x @ w[:, 0] + b)))
    # Bishop, equations 4.90 and 4.91.
    np.testing.assert_allclose(value, -np.sum(t * np.log(p) + (1 - t) * np.log1p(-p)), rtol=1e-5)
    expected = head(((p - t) @ x)[:, None], np.sum(p - t, keepdims=True))
    chex.assert_trees_all_close(gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(1.5, [0, 0, 0, 1]), (0.5, [0, 1, 1, 1]), (1.0, [0, 0, 0, 1])],
    ids=["and", "or", "z = 0 is below the threshold"],
)
def test_perceptron_computes_the_gates_of_mcculloch_and_pitts(threshold, expected):
    inputs = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).reshape(4, 1, 2, 1)
    variables = head([[1.0], [1.0]], [-threshold])
    logits, features = LogisticRegression().apply(variables, inputs, train=False)
    np.testing.assert_array_equal(jnp.argmax(logits, axis=-1), expected)
    np.testing.assert_array_equal(features["logit"] > 0, np.array(expected, bool))


@pytest.mark.parametrize("num_classes", [0, 1, 3])
def test_logistic_regression_names_the_remedy_for_other_numbers_of_classes(num_classes):
    with pytest.raises(
        ValueError, match=rf"`num_classes` must be 2 .* got {num_classes}: use soft"
    ):
        LogisticRegression(num_classes)
