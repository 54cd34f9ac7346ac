"""A rewritten network has its values to the bit, and another gradient wherever it has a ReLU."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect.pictures import deconvolution_rule, guided_rule, split_at, with_relu_gradient
from jaxvision.models.cifar_resnet import CifarResNet
from jaxvision.models.googlenet import Inception
from jaxvision.models.layers import ConvUnit
from jaxvision.models.lenet import LeNet5
from jaxvision.models.vgg import VGG
from jaxvision.ops.batch_norm import batch_norm_relu
from jaxvision.ops.platform import CPU, PLAIN, form
from tests.inspect.pictures.small import convolutional, draw

tiny_vgg = partial(VGG, 5, ((3,), (3, 1)), width=4, hidden=(8,))


class OfInception(nn.Module):
    """GoogLeNet's block with a head."""

    @nn.compact
    def __call__(self, images, *, train):
        unit = partial(ConvUnit, train=train, dtype=None)
        x = Inception((4, 3, 4, 3, 4, 4), 3, unit, name="block")(images)
        return nn.Dense(5)(x.mean(axis=(1, 2))), {"block": x}


# A model, the side and channels of its images, and a feature in its middle.
MODELS = {
    "lenet": (LeNet5(5), 16, 1, "c3"),
    "vgg_bn_remat": (tiny_vgg(batch_norm=True, remat=True), 32, 3, "relu2_1"),
    "resnet": (CifarResNet(5, depths=(1, 1), width=4), 8, 3, "stage2"),
    "inception": (OfInception(), 8, 3, "block"),
}


def plain_rule(x, g):
    return g * (x > 0)


def zoo(name):
    """(network, images, feature) with parameters that NumPy draws, which takes no compilation."""
    model, side, channels, feature = MODELS[name]
    images = draw(0, 2, side, side, channels)
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    leaves, structure = jax.tree.flatten(shapes)
    drawn = [jnp.abs(draw(i, *leaf.shape)) / 2 - 0.2 for i, leaf in enumerate(leaves)]
    variables = jax.tree.unflatten(structure, drawn)
    if "batch_stats" in variables:
        variables["batch_stats"] = jax.tree.map(jnp.abs, variables["batch_stats"])
    return partial(model.apply, variables, train=False), images, feature


@pytest.mark.parametrize("name", MODELS)
def test_the_zoo_rewritten_is_the_zoo(name, unchecked):
    network, images, _ = zoo(name)
    rewritten = with_relu_gradient(network, plain_rule)

    @partial(jax.jit, static_argnums=0)
    def values_and_gradient(network, images):
        def loss(images):
            outputs = network(images)
            return jnp.sin(outputs[0]).sum(), outputs

        return jax.value_and_grad(loss, has_aux=True)(images)

    ((_, expected), gradient), ((_, found), rewritten_gradient) = (
        values_and_gradient(fn, images) for fn in (network, rewritten)
    )
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert np.abs(gradient).max() > 1e-6
    np.testing.assert_allclose(
        rewritten_gradient, gradient, atol=1e-5 * np.abs(gradient).max(), rtol=1e-5
    )


@pytest.mark.parametrize("name", MODELS)
def test_the_zoo_in_two_is_the_zoo(name, unchecked):
    network, images, feature = zoo(name)

    @jax.jit
    def both(images):
        value, rest = split_at(network, feature, images)
        return network(images), value, rest(value), rest(jnp.zeros_like(value))

    (logits, features), value, joined, without = both(images)
    np.testing.assert_array_equal(value, features[feature])
    np.testing.assert_allclose(joined, logits, rtol=1e-5, atol=1e-5)
    assert np.abs(without - logits).max() > 1e-3  # what is put there is what is used


def of_a_relu(rule, relu, x, g):
    _, pull_back = jax.vjp(with_relu_gradient(relu, rule), x)
    return pull_back(g)[0].tolist()


@pytest.mark.parametrize(
    "relu", [jax.nn.relu, jax.jit(lambda x: jnp.maximum(x, 0)), jax.checkpoint(jax.nn.relu)]
)
def test_the_rules_by_hand(relu):
    """As Springenberg et al., Figure 1b: each sign of the input with each of the derivative."""
    x, g = jnp.array([1.0, -1.0, 2.0, -5.0, 0.0]), jnp.array([-2.0, 3.0, 6.0, -1.0, 4.0])
    assert of_a_relu(plain_rule, relu, x, g) == [-2, 0, 6, 0, 0]
    assert of_a_relu(guided_rule, relu, x, g) == [0, 0, 6, 0, 0]
    assert of_a_relu(deconvolution_rule, relu, x, g) == [0, 3, 6, 0, 4]


@pytest.mark.parametrize("written", [CPU, PLAIN])
def test_the_fused_batch_norm_is_batch_norm_and_then_a_relu(written):
    x, g, scale, bias = draw(1, 4, 3, 3, 2), draw(2, 4, 3, 3, 2), draw(3, 2), draw(4, 2)

    def fused(x):
        return batch_norm_relu(x, scale, bias, 1e-3)[0]

    def apart(x):
        values = (x - x.mean((0, 1, 2), keepdims=True)) / jnp.sqrt(
            x.var((0, 1, 2), keepdims=True) + 1e-3
        )
        return values * scale.reshape(1, 1, 1, -1) + bias.reshape(1, 1, 1, -1)

    @jax.jit
    def by_hand(x):
        y, pull_back = jax.vjp(apart, x)
        return pull_back(jnp.where((y > 0) & (g > 0), g, 0))[0]

    with form(written):
        found = jax.jit(lambda x: jax.vjp(with_relu_gradient(fused, guided_rule), x)[1](g)[0])(x)
    expected = by_hand(x)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_no_relu_keeps_its_gradient():
    """Softplus, a clip, a variance kept positive, and a pool's maxima; beside them one ReLU."""

    def others(x):
        variance = jnp.maximum(0.0, x - 0.5)
        return jax.nn.softplus(x) + jnp.clip(x, 0, 1) + variance + jnp.maximum(x, jnp.sin(x))

    x = draw(0, 20)
    rewritten = with_relu_gradient(lambda x: others(x) + jax.nn.relu(x), guided_rule)
    # Downwards, so nothing passes the ReLU.
    found, expected = (
        jax.jit(jax.grad(lambda x, fn=fn: -fn(x).sum()))(x) for fn in (rewritten, others)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_functions_with_their_own_derivative_keep_it():
    @jax.custom_vjp
    def doubled(x):
        return x

    doubled.defvjp(lambda x: (x, None), lambda _, g: (2 * g,))
    rewritten = with_relu_gradient(lambda x: doubled(jax.nn.relu(x)), guided_rule)
    assert jax.grad(lambda x: rewritten(x).sum())(jnp.ones(2)).tolist() == [2, 2]


def test_any_arguments_and_results():
    def fn(tree, scale):
        return {"y": scale * jax.nn.relu(tree["x"]), "same": tree["x"], "constant": 3.0}

    found = with_relu_gradient(fn, guided_rule)({"x": jnp.array([-1.0, 2.0])}, 3.0)
    assert found["y"].tolist() == [0, 6] and found["same"].tolist() == [-1, 2]
    assert float(found["constant"]) == 3


def test_where_it_cannot_be_done_it_says_so():
    with pytest.raises(ValueError, match=r"`fn` must have a ReLU .* got none: write it as"):
        with_relu_gradient(jnp.tanh, guided_rule)(jnp.ones(2))
    with pytest.raises(ValueError, match=r"`fn` must have a ReLU .* got none"):
        with_relu_gradient(lambda x: jnp.maximum(x, 1.0), guided_rule)(jnp.ones(2))

    def looped(x):
        return jax.lax.scan(lambda x, _: (jax.nn.relu(x), None), x, length=2)[0]

    with pytest.raises(ValueError, match=r"`fn` has a ReLU inside `scan`, where"):
        with_relu_gradient(looped, guided_rule)(jnp.ones(2))


def test_the_rest_of_a_network_is_a_function_of_the_feature():
    """logits = 3 relu(x) + 5 x: what goes round the feature stays that of the images."""

    def network(images):
        x = images.mean(axis=(1, 2))
        y = jax.nn.relu(x)
        return 3 * y + 5 * x, {
            "relu": y,
            "mean": x,
            "beside": 2 * y,
            "image": images,
            "one": jnp.ones((1, 2)),
        }

    images = jnp.full((1, 2, 2, 1), 7.0)
    value, rest = split_at(network, "relu", images)
    assert value.tolist() == [[7]] and rest(jnp.array([[1.0]])).tolist() == [[38]]
    assert jax.grad(lambda v: rest(v).sum())(value).tolist() == [[3]]
    _, rest = split_at(network, "mean", images)
    assert rest(jnp.array([[-1.0]])).tolist() == [[-5]]
    _, rest = split_at(network, "image", images)
    assert rest(jnp.ones((1, 2, 2, 1))).tolist() == [[8]]
    with pytest.raises(ValueError, match=r"`feature` must be one that the logits .* got 'beside'"):
        split_at(network, "beside", images)
    with pytest.raises(ValueError, match=r"`feature` must be one that the logits .* got 'one'"):
        split_at(network, "one", images)
    with pytest.raises(ValueError, match=r"`feature` is unknown: 'rely'. Did you mean `relu`"):
        split_at(network, "rely", images)


def test_logits_that_are_a_feature_are_their_own_rest():
    def network(images):
        x = images.mean(axis=(1, 2))
        return x, {"last": x}

    value, rest = split_at(network, "last", jnp.ones((1, 2, 2, 3)))
    assert rest(2 * value).tolist() == [[2, 2, 2]]


def test_a_network_returns_logits_and_features():
    with pytest.raises(ValueError, match=r"`network` must return .* got an array of shape \[1, 2"):
        split_at(lambda images: images, "x", jnp.ones((1, 2, 2, 3)))


def test_both_work_under_jit_and_vmap():
    network = convolutional()
    images = draw(5, 3, 2, 8, 8, 3)

    def gradient(images):
        value, rest = split_at(with_relu_gradient(network, guided_rule), "relu1", images)
        return jax.grad(lambda v: rest(v)[:, 0].sum())(value)

    together = jax.jit(jax.vmap(gradient))(images)
    np.testing.assert_allclose(together[1], jax.jit(gradient)(images[1]), atol=1e-5)
