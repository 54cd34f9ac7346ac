"""Every model keeps the same contract."""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.models import MODELS, LogisticRegression

BATCH = 3
each_model = pytest.mark.parametrize("name", MODELS)


def classes_of(name):
    return 2 if MODELS[name] is LogisticRegression else 7


class Made(NamedTuple):
    """A model, images of its size, and what is compiled once for all tests."""

    model: nn.Module
    images: jax.Array
    init: Callable
    apply: Callable
    variables: dict


@functools.cache
def make(name, num_classes):
    model = MODELS[name](num_classes=num_classes)
    size = model.image_size or 12
    images = jax.random.uniform(jax.random.key(0), (BATCH, size, size, 1))
    init = jax.jit(lambda key: model.init(key, images, train=False))
    apply = jax.jit(model.apply, static_argnames="train")
    return Made(model, images, init, apply, init(jax.random.key(1)))


@each_model
@pytest.mark.parametrize("train", [False, True])
def test_returns_logits_and_features_by_name(name, train):
    made = make(name, classes_of(name))
    logits, features = made.apply(made.variables, made.images, train=train)
    assert isinstance(features, dict)
    assert features
    chex.assert_shape(logits, (BATCH, classes_of(name)))
    chex.assert_tree_shape_prefix(features, (BATCH,))
    chex.assert_tree_all_finite((logits, features))


@each_model
def test_jit_does_not_change_the_result(name):
    made = make(name, classes_of(name))
    eager, compiled = (
        apply(made.variables, made.images, train=False) for apply in (made.model.apply, made.apply)
    )
    # Fusion may reorder a float32 sum; distances near 84 are the largest numbers here.
    chex.assert_trees_all_close(compiled, eager, rtol=1e-5, atol=1e-5)


@each_model
def test_without_a_head_the_logits_are_the_last_features(name):
    made = make(name, None)
    logits, features = made.model.apply(made.variables, made.images, train=False)
    np.testing.assert_array_equal(logits, list(features.values())[-1])
    kept = made.variables.get("params", {})
    with_head = make(name, classes_of(name)).variables["params"]
    assert set(with_head) - set(kept) <= {"head", "output"}
    chex.assert_trees_all_equal_shapes(kept, {name: with_head[name] for name in kept})


@each_model
def test_initialisation_follows_the_key(name):
    made = make(name, classes_of(name))
    again, other = (made.init(jax.random.key(seed)) for seed in (1, 2))
    chex.assert_trees_all_equal(again, made.variables)
    differs = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), other, again)
    kernels = [d for path, d in jax.tree.leaves_with_path(differs) if path[-1].key == "kernel"]
    assert kernels
    assert all(kernels)


@each_model
def test_every_parameter_gets_a_gradient(name):
    made = make(name, classes_of(name))
    labels = jnp.arange(BATCH) % classes_of(name)

    def loss(variables):
        logits, _ = made.model.apply(variables, made.images, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    gradient = jax.jit(jax.grad(loss))(made.variables)
    chex.assert_trees_all_equal_shapes_and_dtypes(gradient, made.variables)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert bool(jnp.all(jnp.isfinite(leaf))), path
        assert bool(jnp.any(leaf != 0)), path


@each_model
def test_a_vmap_over_keys_is_one_network_each(name):
    made = make(name, classes_of(name))
    keys = jax.random.split(jax.random.key(3), 2)

    @jax.jit
    @jax.vmap
    def run(key):
        variables = made.model.init(key, made.images, train=False)
        return made.model.apply(variables, made.images, train=False)[0]

    together = run(keys)
    alone = [made.apply(made.init(key), made.images, train=False)[0] for key in keys]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=1e-5, atol=1e-5)
    assert not np.allclose(alone[0], alone[1], rtol=1e-3)


@each_model
def test_no_image_sees_another(name):
    made = make(name, classes_of(name))
    changed = made.images.at[0].set(0.5).at[2].multiply(-1)
    before, after = (made.apply(made.variables, x, train=False) for x in (made.images, changed))
    chex.assert_trees_all_equal(*(jax.tree.map(lambda y: y[1], tree) for tree in (before, after)))
    assert not np.allclose(before[0][0], after[0][0])


@each_model
def test_submodules_have_names_of_their_own(name):
    variables = make(name, classes_of(name)).variables
    for path, _ in jax.tree.leaves_with_path(variables):
        for entry in path:
            assert not re.fullmatch(r"[A-Z]\w*_\d+", entry.key), jax.tree_util.keystr(path)


@each_model
def test_float32_stays_float32_when_float64_is_allowed(name):
    made = make(name, classes_of(name))
    with jax.enable_x64(True):
        outputs = jax.eval_shape(
            lambda key: made.model.init_with_output(key, made.images, train=False),
            jax.random.key(0),
        )
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(outputs)} == {"float32"}


@each_model
def test_float64_images_meet_float32_parameters_in_float64(name):
    made = make(name, classes_of(name))
    with jax.enable_x64(True):
        images = jax.ShapeDtypeStruct(made.images.shape, jnp.float64)
        outputs = jax.eval_shape(
            lambda images: made.model.apply(made.variables, images, train=False), images
        )
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(outputs)} == {"float64"}


@each_model
def test_image_size_belongs_to_the_class(name):
    assert MODELS[name].image_size == {"lenet5": 32, "lenet5_original": 32}.get(name)
    assert "image_size" not in {field.name for field in dataclasses.fields(MODELS[name])}


@each_model
@pytest.mark.parametrize("num_classes", [0, -1])
def test_names_a_head_without_outputs(name, num_classes):
    with pytest.raises(ValueError, match=rf"`num_classes` must be .* got {num_classes}"):
        MODELS[name](num_classes=num_classes)


def test_perceptron_and_logistic_regression_are_one_network():
    assert MODELS["perceptron"] is MODELS["logistic_regression"]
    assert MODELS["perceptron"]().num_classes == 2
