"""Every class of models keeps the same contract: in shapes, with nothing compiled.

In numbers it is in test_models_in_numbers.py; what is true of each name, as its counts, is in
tests/inspect/test_zoo_facts.py.
"""

import dataclasses
import functools
import re

import chex
import jax
import jax.numpy as jnp
import pytest

from jaxvision.models import MODELS, make_model
from tests.models.small import (
    BATCH,
    SMALL,
    class_of,
    classes_of,
    classes_with,
    each_class,
    size_of,
    small,
)


def test_every_class_is_tested():
    assert {class_of(name) for name in SMALL} == {class_of(name) for name in MODELS}


def trace(model, dtype=jnp.float32):
    """Shapes of (logits, features) and of the variables, for images of 2 channels."""
    images = jax.ShapeDtypeStruct((BATCH, size_of(model), size_of(model), 2), dtype)
    return jax.eval_shape(
        lambda images: model.init_with_output(jax.random.key(0), images, train=False), images
    )


@functools.cache
def traced(name):
    return trace(small(name))


@each_class
def test_returns_logits_and_features_by_name(name):
    (logits, features), _ = traced(name)
    assert logits.shape == (BATCH, classes_of(name))
    assert isinstance(features, dict)
    assert features
    chex.assert_tree_shape_prefix(features, (BATCH,))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", feature) for feature in features)


@each_class
def test_float32_stays_float32_when_float64_is_allowed(name):
    with jax.enable_x64(True):
        outputs = trace(small(name))
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(outputs)} == {"float32"}


@each_class
def test_float64_images_meet_float32_parameters_in_float64(name):
    with jax.enable_x64(True):
        outputs, _ = trace(small(name), jnp.float64)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(outputs)} == {"float64"}


@classes_with("dtype")
def test_bfloat16_is_for_features_and_not_for_parameters_statistics_and_logits(name):
    (logits, features), variables = trace(small(name, dtype=jnp.bfloat16))
    assert {str(leaf.dtype) for leaf in jax.tree.leaves((logits, variables))} == {"float32"}
    features.pop("class_maps", None)  # the logits of `nin_cifar10`, before their mean
    assert {str(leaf.dtype) for leaf in features.values()} == {"bfloat16"}


@classes_with("remat")
def test_remat_changes_neither_names_nor_shapes_and_wraps_what_it_computes_again(name):
    model = small(name, remat=True)
    chex.assert_trees_all_equal_shapes_and_dtypes(trace(model), traced(name))
    images = jnp.zeros((1, size_of(model), size_of(model), 2))
    variables = traced(name)[1]
    program = jax.make_jaxpr(lambda v: model.apply(v, images, train=False))(variables)
    (remat,) = jax.make_jaxpr(jax.checkpoint(jnp.sin))(1.0).eqns
    assert remat.primitive in {equation.primitive for equation in program.eqns}


@each_class
def test_without_a_head_the_logits_are_the_last_features(name):
    model = small(name).clone(num_classes=None)

    def run(images):
        (logits, features), variables = model.init_with_output(
            jax.random.key(0), images, train=False
        )
        assert logits is list(features.values())[-1]
        return variables.get("params", {})

    shape = (BATCH, size_of(model), size_of(model), 2)
    kept = jax.eval_shape(run, jax.ShapeDtypeStruct(shape, jnp.float32))
    with_head = traced(name)[1]["params"]
    assert set(with_head) - set(kept) <= {"head", "output"}
    chex.assert_trees_all_equal_shapes(kept, {layer: with_head[layer] for layer in kept})


@each_class
def test_submodules_have_names_of_their_own(name):
    for path, _ in jax.tree.leaves_with_path(traced(name)[1]):
        for entry in path:
            assert not re.fullmatch(r"[A-Z]\w*_\d+", entry.key), jax.tree_util.keystr(path)


@each_class
def test_sizes_belong_to_the_class(name):
    model = make_model(name, classes_of(name))
    assert not {"image_size", "minimum_size"} & {field.name for field in dataclasses.fields(model)}
    assert model.image_size is None or model.image_size >= model.minimum_size
    assert class_of(name).minimum_size >= 1


@each_class
def test_names_images_that_are_too_small(name):
    model = make_model(name, classes_of(name))
    if model.minimum_size == 1:
        return  # there are no smaller ones
    size = model.minimum_size - 1
    images = jnp.zeros((1, size, 2 * size + 2, 3))
    with pytest.raises(
        ValueError, match=rf"`images` must be .*{model.minimum_size} x .* got {size} x"
    ):
        model.init(jax.random.key(0), images, train=False)


@each_class
@pytest.mark.parametrize("num_classes", [0, -1])
def test_names_a_head_without_outputs(name, num_classes):
    with pytest.raises(ValueError, match=rf"`num_classes` must be .* got {num_classes}"):
        MODELS[name](num_classes=num_classes)
