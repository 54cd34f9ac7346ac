"""Keras' ResNets and ours are one function: the same random weights, the same logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models import make_model
from jaxvision.pretrained import convert, merge

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_logits_are_keras(depth):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    theirs = getattr(keras.applications, f"ResNet{depth}")(
        weights=None, input_shape=(64, 80, 3), classes=10, classifier_activation=None
    )
    random = np.random.default_rng(0)
    tensors = {}
    for layer in theirs.layers:
        for weight in layer.weights:
            leaf = weight.path.rpartition("/")[2]
            value = np.asarray(weight)
            if leaf != "kernel":  # 0 and 1 would hide what is mixed up
                value = value + random.uniform(0, 0.5, value.shape).astype(np.float32)
                weight.assign(value)
            tensors[f"{layer.name}/{leaf}"] = value
    images = random.standard_normal((2, 64, 80, 3), dtype=np.float32)
    with jax.numpy_rank_promotion("allow"):
        expected = np.asarray(theirs(images, training=False))

    name = f"resnet{depth}_v1"
    ours = make_model(name, 10, epsilon=1.001e-5)
    shapes = jax.eval_shape(lambda: ours.init(jax.random.key(0), jnp.asarray(images), train=False))
    variables = merge(shapes, convert(name, tensors))
    actual, _ = ours.apply(variables, jnp.asarray(images), train=False)
    error = np.linalg.norm(actual - expected) / np.linalg.norm(expected)
    assert error < 1e-4, error
