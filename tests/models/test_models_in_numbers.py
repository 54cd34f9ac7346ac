"""Every class of models keeps the same contract: in numbers, on small copies."""

import functools
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.models import MODELS, make_model
from jaxvision.ops.platform import PLAIN, form
from tests.models.small import (
    BATCH,
    classes_of,
    each_small,
    size_of,
    small,
)

GOLDEN = {
    "softmax_regression": (1.87747, -1.76268),
    "logistic_regression": (0, -0.366455),
    "mlp": (1.01935, 0.442234),
    "self_normalizing_mlp": (3.06072, 2.69709),
    "lenet5": (0.622179, -0.0682712),
    "lenet5_original": (-182.062, -176.354),
    "alexnet": (-1.58481, 0.795099),
    "alexnet_2012": (-1.3756, 0.40514),
    "vgg11_bn": (0.153988, -2.30196),
    "nin_cifar10": (0.328959, 1.18843),
    "resnet18": (2.08609, -2.06157),
    "cifar_resnet20": (1.67178, 0.415585),
    "preact_resnet50": (1.76144, -1.41853),
    "cifar_preact_resnet110": (1.29481, -0.373833),
    "densenet121": (-2.43275, -1.4071),
    "cifar_densenet_40_12": (0.444326, 1.43118),
    "randwire_ba": (0.0807581, -2.00768),
}


class Made(NamedTuple):
    """A small model at its smallest images, and its evaluation compiled once for all tests."""

    model: nn.Module
    images: jax.Array
    variables: dict
    apply: Callable


def drawn(shapes):
    """Parameters and statistics of these shapes: quicker than compiling the initialisation."""
    random = np.random.RandomState(0)  # whose stream is frozen: GOLDEN depends on it

    def draw(path, leaf):
        values = random.normal(size=leaf.shape)
        match path[-1].key:
            case "kernel":
                values = values / np.sqrt(max(np.prod(leaf.shape[:-1]), 1))
            case "scale" | "var":
                values = 1 + 0.1 * np.abs(values)
        return jnp.asarray(values, leaf.dtype)

    return jax.tree.map_with_path(draw, shapes)


@functools.cache
def make(name):
    model = small(name)
    shape = (BATCH, size_of(model), size_of(model), 1)
    images = jnp.asarray(np.random.RandomState(1).normal(size=shape), jnp.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))
    return Made(model, images, drawn(shapes), jax.jit(partial(model.apply, train=False)))


@each_small
def test_golden_logits(name):
    # Those of the code that agreed with torchvision: what a layer that moves or a constant that
    # changes is noticed by where there is no other library.
    made = make(name)
    logits, _ = made.apply(made.variables, made.images)
    np.testing.assert_allclose(logits[0, :2], GOLDEN[name], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["mlp", "lenet5", "lenet5_original"])
def test_initialisation_follows_the_key(name):
    made = make(name)
    init = jax.jit(lambda key: made.model.init(key, made.images, train=False))
    first, again, other = (init(jax.random.key(seed)) for seed in (1, 1, 2))
    chex.assert_trees_all_equal(again, first)
    differs = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), other, first)
    kernels = [d for path, d in jax.tree.leaves_with_path(differs) if path[-1].key == "kernel"]
    assert kernels
    assert all(kernels)


@each_small
def test_every_parameter_gets_a_gradient_and_every_statistic_an_update(name):
    made = make(name)
    labels = jnp.arange(BATCH) % classes_of(name)

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def step(params):
        (logits, _), updated = made.model.apply(
            made.variables | {"params": params},
            made.images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), updated.get("batch_stats", {})

    params = made.variables["params"]
    gradient, statistics = step(params)
    chex.assert_trees_all_equal_shapes_and_dtypes(gradient, params)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert bool(jnp.all(jnp.isfinite(leaf))), path
        assert bool(jnp.any(leaf != 0)), path
    before = made.variables.get("batch_stats", {})
    chex.assert_trees_all_equal_shapes_and_dtypes(statistics, before)
    for path, same in jax.tree.leaves_with_path(
        jax.tree.map(lambda a, b: bool(jnp.all(a == b)), statistics, before)
    ):
        assert not same, path


@each_small
def test_no_image_sees_another(name):
    made = make(name)
    changed = made.images.at[0].set(0.5).at[2].multiply(-1)
    before, after = (made.apply(made.variables, images) for images in (made.images, changed))
    chex.assert_trees_all_equal(*(jax.tree.map(lambda y: y[1], tree) for tree in (before, after)))
    first = jax.tree.map(lambda y: y[0], before[1]), jax.tree.map(lambda y: y[0], after[1])
    differs = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), *first)
    assert any(differs.values()), differs


@pytest.mark.parametrize("name", ["mlp", "lenet5", "cifar_resnet20"])
def test_jit_does_not_change_the_result(name):
    made = make(name)
    eager = made.model.apply(made.variables, made.images, train=False)
    # Fusion may reorder a float32 sum.
    compiled = made.apply(made.variables, made.images)
    chex.assert_trees_all_close(compiled, eager, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["logistic_regression", "lenet5"])
def test_a_vmap_over_keys_is_one_network_each(name):
    made = make(name)
    keys = jax.random.split(jax.random.key(3), 2)

    @jax.jit
    @jax.vmap
    def run(key):
        variables = made.model.init(key, made.images, train=False)
        return made.model.apply(variables, made.images, train=False)[0]

    together = run(keys)
    alone = [
        made.apply(made.model.init(key, made.images, train=False), made.images)[0] for key in keys
    ]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=1e-5, atol=1e-5)
    assert not np.allclose(alone[0], alone[1], rtol=1e-3)


def test_an_early_feature_costs_the_layers_up_to_it_and_no_more():
    made = make("cifar_resnet20")
    shorter = make_model("cifar_resnet20", None, width=4, depths=(1,))

    def flops(function, variables):
        with form(PLAIN):  # the CPU's form of a convolution depends on its channels
            return jax.jit(function).lower(variables).compile().cost_analysis()["flops"]

    def feature(variables):
        return made.model.apply(variables, made.images, train=False)[1]["stage1"]

    def whole(variables):
        return made.model.apply(variables, made.images, train=False)[0]

    def up_to_there(variables):
        return shorter.apply(variables, made.images, train=False)[1]["stage1"]

    asked = flops(feature, made.variables)
    assert asked == flops(up_to_there, made.variables)
    assert asked < 0.7 * flops(whole, made.variables)


def test_perceptron_and_logistic_regression_are_one_network():
    assert MODELS["perceptron"] is MODELS["logistic_regression"]
    assert MODELS["perceptron"]().num_classes == 2
