"""The multilayer perceptron by hand (XOR), against NumPy in float64, and at its own variance."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models import MLP

IMAGES = jax.random.normal(jax.random.key(0), (4, 3, 2, 5))


def init(model, images=IMAGES):
    return jax.jit(lambda key: model.init(key, images, train=False))(jax.random.key(1))


def test_one_hidden_layer_computes_xor_by_hand():
    # h = (relu(a + b), relu(a + b - 1)); logit of "different" = h_1 - 2 h_2: no perceptron can.
    inputs = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).reshape(4, 1, 2, 1)
    params = {
        "hidden1": {"kernel": jnp.ones((2, 2)), "bias": jnp.array([0.0, -1.0])},
        "head": {"kernel": jnp.array([[0.0, 1.0], [0.0, -2.0]]), "bias": jnp.array([0.5, 0.0])},
    }
    logits, features = MLP(2, widths=(2,)).apply({"params": params}, inputs, train=False)
    np.testing.assert_array_equal(features["hidden1"], [[0, 0], [1, 0], [1, 0], [2, 1]])
    np.testing.assert_array_equal(logits, [[0.5, 0], [0.5, 1], [0.5, 1], [0.5, 0]])
    np.testing.assert_array_equal(jnp.argmax(logits, axis=-1), [0, 1, 1, 0])


@pytest.mark.parametrize(
    ("activation", "numpy_activation"),
    [(nn.relu, lambda a: np.maximum(a, 0)), (jnp.tanh, np.tanh)],
    ids=["relu", "tanh"],
)
def test_follows_numpy_layer_by_layer(activation, numpy_activation):
    model = MLP(6, widths=(11, 7, 9), activation=activation)
    variables = init(model)
    # Biases of zero would hide a bias that is missing.
    params = jax.tree.map(lambda leaf: leaf + 0.1, variables["params"])
    logits, features = model.apply({"params": params}, IMAGES, train=False)

    def dense(x, name):
        layer = {k: np.asarray(v, np.float64) for k, v in params[name].items()}
        return x @ layer["kernel"] + layer["bias"]

    x = np.asarray(IMAGES, np.float64).reshape(4, 30)
    assert list(features) == ["hidden1", "hidden2", "hidden3"]
    for name in features:
        x = numpy_activation(dense(x, name))
        # Sums of at most 30 terms near 1, three layers deep, in float32: well below 1e-5.
        np.testing.assert_allclose(features[name], x, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(logits, dense(x, "head"), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (MLP(10), 30 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10),
        (MLP(None), 30 * 256 + 256 + 256 * 128 + 128),
        (MLP(3, widths=(1,)), 30 + 1 + 3 + 3),
    ],
    ids=["default", "no head", "narrowest"],
)
def test_parameter_counts(model, parameters):
    variables = jax.eval_shape(lambda key: model.init(key, IMAGES, train=False), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters


def test_relu_passes_the_second_moment_on():
    # He et al., section 2.2: with Var(W) = 2 / fan_in, E[x_l^2] is the same in every layer.
    images = jax.random.normal(jax.random.key(2), (64, 16, 16, 2))
    model = MLP(10, widths=(512,) * 5)
    logits, features = jax.jit(lambda v: model.apply(v, images, train=False))(init(model, images))
    # Of 512 weights a unit, drawn once, the mean square has a deviation of about 5 % a layer.
    for x in features.values():
        assert float(jnp.mean(x**2)) == pytest.approx(1.0, rel=0.3)
    assert float(jnp.mean(logits**2)) == pytest.approx(1.0, rel=0.5)


def test_another_initializer_reaches_the_hidden_layers_and_not_the_head():
    params = init(MLP(3, widths=(4, 5), kernel_init=nn.initializers.ones))["params"]
    for name, is_hidden in (("hidden1", True), ("hidden2", True), ("head", False)):
        assert bool(jnp.all(params[name]["kernel"] == 1)) is is_hidden


@pytest.mark.parametrize("widths", [(), (0,), (8, -1)])
def test_names_bad_widths(widths):
    with pytest.raises(ValueError, match=r"`widths` must name at least one hidden layer.* got"):
        MLP(10, widths=widths)
